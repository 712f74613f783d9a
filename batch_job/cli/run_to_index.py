"""A run into an index: every image behind the ledger, so that a second run finds nothing to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from batch_job.cli.display import Share
from batch_job.cli.paid import agree
from batch_job.cli.patience import Patience
from batch_job.cli.request import Request
from batch_job.cli.sources import S3_SCHEME, Source, find_sources, listed, nothing_there, split_s3
from batch_job.cli.stand_ins import ARCHIVE_BUCKET, IMAGERY_BUCKET
from batch_job.ledger.nightly import forget_dead_labels
from batch_job.ledger.reconcile import Reconciler
from batch_job.values.image import ImageRef
from batch_job.values.ledger import State
from batch_job.wiring.run import Buckets, index_door, make_buckets, open_buckets, upload


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What an ``s3://`` SOURCE stands for."""

    name: str
    bucket: str
    prefix: str


def run_to_index(request: Request) -> int:
    """Reconcile every image of the sources, and what the index knows below them; give the exit code."""
    buckets = open_buckets(request.endpoints)
    prefixes = [_Prefix(name, *split_s3(name)) for name in request.sources if name.startswith(S3_SCHEME)]
    listings = {one: list(listed(buckets.store, bucket=one.bucket, prefix=one.prefix)) for one in prefixes}
    uploaded = list(_uploaded(request, buckets))
    sources = _each_once([*uploaded, *(source for listing in listings.values() for source in listing)])
    if sources:
        agree(request, sources, buckets.open_raster)
    door = index_door(request.settings, request.endpoints, buckets, request.run)
    gone = _gone(door.reconciler, listings, {source.image for source in sources})
    _reconcile(request, door.reconciler, sources, gone, patience := Patience(request.tally, request.console))
    for place in [(one.bucket, one.prefix) for one in prefixes] + ([(IMAGERY_BUCKET, "")] if uploaded else []):
        _forget(door.reconciler, *place, console=request.console)
    door.refresh()
    return patience.exit_code


def _reconcile(
    request: Request, reconciler: Reconciler, sources: list[Source], gone: list[ImageRef], patience: Patience
) -> None:
    share = Share(request.tally, [source.facts.size for source in sources] + [0] * len(gone))
    with request.watched(share):
        for image, size in [(source.image, source.facts.size) for source in sources] + [(one, 0) for one in gone]:
            with share.image(size):
                patience.visit(image, reconciler.reconcile)


def _forget(reconciler: Reconciler, bucket: str, prefix: str, *, console: Console) -> None:
    for unfinished in forget_dead_labels(reconciler, bucket=bucket, prefix=prefix):
        said = f"old labels of {unfinished.image.uri} stay until the next run: {unfinished.error}"
        console.print(said, markup=False, soft_wrap=True)


def _uploaded(request: Request, buckets: Buckets) -> Iterator[Source]:
    """Put files into the stand-in's bucket; they are images whatever their ending, since somebody named them."""
    if request.endpoints.credentials is None:
        return
    make_buckets(buckets, IMAGERY_BUCKET, ARCHIVE_BUCKET)
    for source in find_sources([name for name in request.sources if not name.startswith(S3_SCHEME)], buckets.store):
        path = Path(source.image.key)
        request.console.print(f"uploading {path.name}", style="dim", markup=False)
        image = ImageRef(bucket=IMAGERY_BUCKET, key=_key(path))
        upload(buckets, path, image)
        facts = buckets.store.head(image)
        yield Source(image, facts or source.facts)


def _key(path: Path) -> str:
    """Name an uploaded file by its path below the current folder, or its whole path."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path).lstrip("/")


def _each_once(sources: list[Source]) -> list[Source]:
    return list({source.image: source for source in sources}.values())


def _gone(reconciler: Reconciler, listings: dict[_Prefix, list[Source]], present: set[ImageRef]) -> list[ImageRef]:
    """Name what the index knows below the prefixes and the listings do not.

    Raises:
        click.UsageError: neither a listing nor the index has anything below a prefix, which so is misspelt.
    """
    gone: dict[ImageRef, None] = {}
    for one, listing in listings.items():
        known = False
        for stored in reconciler.ledger.entries(bucket=one.bucket, prefix=one.prefix):
            known = True
            if stored.entry.image not in present and stored.entry.state is not State.REMOVED:
                gone[stored.entry.image] = None
        if not (known or listing):
            raise click.UsageError(nothing_there(one.name))
    return list(gone)
