"""``imagery-backfill show``: an image with its detections drawn and named."""

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from batch_job import logs
from batch_job.cli.display import stderr_console
from batch_job.cli.options import check_local, endpoint_options
from batch_job.cli.sources import S3_SCHEME, file_source, side_files_of, split_s3
from batch_job.cli.stack import stack_endpoints, stack_name
from batch_job.cli.stand_ins import Needed, local_services
from batch_job.errors import ChangedError, InputError, SettingsError, TransientError
from batch_job.imagery.draw import draw
from batch_job.imagery.picture import open_picture
from batch_job.settings import Stretch
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef, mask_of
from batch_job.values.ledger import State
from batch_job.values.query import LabelQuery
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.run import open_buckets
from batch_job.wiring.search import open_search

MAX_PX = 2000
"""Longer side of the picture."""


@click.command(short_help="Draw an image with its detections.")
@click.argument("image", metavar="IMAGE")
@click.option("--out", required=True, metavar="FILE.png", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "geojson",
    metavar="FILE.geojson",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Detections that `run --to FILE.geojson` wrote, instead of the index.",
)
@click.option("--local", is_flag=True, help="Use the stand-ins that run on this machine.")
@click.option("--min-confidence", type=float, default=0.0, help="Draw nothing below this, 0-100.")
@endpoint_options
def show(**given: Any) -> int:
    """Draw IMAGE, a file or s3://BUCKET/KEY, with its detections.

    \b
    Examples:
      imagery-backfill show photo.tif --from photo.geojson --out photo.png
      imagery-backfill show s3://local-imagery/harbour.tif --local --out harbour.png
    """  # noqa: D301  click reads \b as "do not rewrap"
    logs.configure("error")
    check_local(given)
    if not (given["geojson"] or given["local"] or given["index_url"] or stack_name()):
        raise click.UsageError(
            "say where the detections are: --from FILE.geojson, --stack NAME, --index URL or --local"
        )
    on_this_machine = given["geojson"] and not given["image"].startswith(S3_SCHEME)
    endpoints = (None if on_this_machine else stack_endpoints(given)) or Endpoints(
        index_url=given["index_url"],
        index_prefix=given["index_prefix"],
        s3_endpoint=given["s3_endpoint"],
        region=given["region"],
    )
    if given["local"]:
        with local_services(Needed.EVERYTHING_RUNNING, console=stderr_console()) as services:
            endpoints = services.over(endpoints)
    image = _image(given["image"])
    code, labels = (0, _from_file(given["geojson"], image)) if given["geojson"] else _from_index(endpoints, image)
    labels = [label for label in labels if label.confidence >= given["min_confidence"]]
    try:
        png = picture_of(image, labels, endpoints)
    except ChangedError as error:
        raise click.UsageError(f"{image.uri}: no such object") from error
    try:
        given["out"].write_bytes(png)
    except OSError as error:
        raise SettingsError(f"cannot write {given['out']}: {error.strerror}") from error
    click.echo(f"{given['out']}: {len(labels):,} detections", file=sys.stderr)
    return code


def picture_of(image: ImageRef, labels: list[LabelDocument], endpoints: Endpoints) -> bytes:
    """Read an overview of the image and draw labels on it; give a PNG."""
    buckets = open_buckets(endpoints)
    mask = mask_of(image, side_files_of(image, buckets.store))
    with buckets.open_raster(image, etag=None, mask=mask) as source:
        overview = open_picture(source, stretch=Stretch.JOINT).overview(max_px=MAX_PX)
        return draw(overview, labels, image_width=source.facts.width, image_height=source.facts.height)


def _image(name: str) -> ImageRef:
    if name.startswith(S3_SCHEME):
        bucket, key = split_s3(name)
        return ImageRef(bucket=bucket, key=key)
    path = Path(name.removeprefix("file://"))
    if not path.is_file():
        raise click.UsageError(f"{name}: no such file")
    return file_source(path).image


def _from_index(endpoints: Endpoints, image: ImageRef) -> tuple[int, list[LabelDocument]]:
    """Give the image's labels, and the exit code: none of a good image is another thing than none of a failed one."""
    index = open_search(endpoints)
    known = next(index.images(image.bucket, image.key), None)  # by key, so that the shortest comes first
    if known is None or known.image != image or known.state is State.REMOVED:
        raise click.UsageError(f"{image.uri}: the index does not know it; `imagery-backfill run` is to find it first")
    code = 0
    if known.state is State.FAILED:
        code = InputError.exit_code
        click.echo(f"{image.uri}: failed: {known.error_code}: {known.error}", err=True)
    elif known.state is State.PROCESSING:
        code = 0 if known.live else TransientError.exit_code
        which = "these are of its last version" if known.live else "nothing is known yet"
        click.echo(f"{image.uri}: under way, or left for a later run; {which}", err=True)
    if known.described is not None:
        _say_what_has_no_place(image, known.described.georeference_note)
    return code, list(index.search(LabelQuery(image=image.uri)))


def _say_what_has_no_place(image: ImageRef, note: str | None) -> None:
    """Say why an image, or what is in it, has no place on Earth, if so."""
    if note is not None:
        click.echo(f"{image.uri}: no place: {note}", err=True)


def _from_file(path: Path, image: ImageRef) -> list[LabelDocument]:
    try:
        features = orjson.loads(path.read_bytes())["features"]
        for described in (f["properties"] for f in features if f["properties"]["kind"] == "image"):
            if described["uri"] == image.uri:
                _say_what_has_no_place(image, described.get("georeference_note"))
        labels = [f for f in features if f["properties"]["kind"] != "image" and f["properties"]["uri"] == image.uri]
        return [LabelDocument.from_source({**label["properties"], "geometry": label["geometry"]}) for label in labels]
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"{path} is not a file that `run --to` wrote: {error!r}") from error
