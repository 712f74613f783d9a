"""``imagery-backfill search``: labels by name, text, confidence, place, size and time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from batch_job import logs
from batch_job.cli.display import stderr_console
from batch_job.cli.formats import FORMATS
from batch_job.cli.options import BoxType, NearType, check_local, endpoint_options
from batch_job.cli.stack import stack_endpoints
from batch_job.cli.stand_ins import Needed, local_services
from batch_job.errors import GeometryError, InputError
from batch_job.values.query import LabelQuery
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.search import open_search

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])


@click.command(short_help="Search detections by label, place, size and time.")
@click.argument("label", required=False)
@click.option("--text", help="Words in labels, their parents and aliases, categories, or keys.")
@click.option("--min-confidence", type=click.FloatRange(0, 100), help="Nothing below this.")
@click.option("--within", type=BoxType(), help="West, south, east, north; west over east crosses the antimeridian.")
@click.option("--near", type=NearType(), help="A position, and how far from it.")
@click.option(
    "--area",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.geojson",
    help="A polygon, as GeoJSON geometry, feature or collection.",
)
@click.option("--min-length-m", type=click.FloatRange(min=0), help="Longer side on the ground, metres.")
@click.option("--image", metavar="URI", help="Only of this image.")
@click.option(
    "--since",
    type=_MOMENT,
    metavar="TIME",
    help="Images taken (or else uploaded) from 2026-05-31 or 2026-05-31T09:30:00Z on.",
)
@click.option("--until", type=_MOMENT, metavar="TIME", help="... and before this.")
@click.option("--format", "output_format", type=click.Choice(sorted(FORMATS)), default="table", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.  [table: 50; others: all]")
@click.option("--local", is_flag=True, help="Search in the stand-ins that run on this machine.")
@endpoint_options
def search(**given: Any) -> int:
    """Search detections: LABEL is a name, a parent or an alias, `Car` or `Vehicle`, in whatever case.

    \b
    Examples:
      imagery-backfill search Car --min-confidence 80 --local
      imagery-backfill search --within 11.2,43.7,11.3,43.8 --format geojson > found.geojson
      imagery-backfill search Boat --near 12.33,45.43,2000 --min-length-m 30 --format csv
    """  # noqa: D301  click reads \b as "do not rewrap"
    logs.configure("error")
    check_local(given)
    if sum(given[name] is not None for name in ("within", "near", "area")) > 1:
        raise click.UsageError("--within, --near and --area exclude each other")
    endpoints = stack_endpoints(given) or Endpoints(index_url=given["index_url"], index_prefix=given["index_prefix"])
    if given["local"]:
        with local_services(Needed.EVERYTHING_RUNNING, console=stderr_console()) as services:
            endpoints = services.over(endpoints)
    try:
        query = _query(given)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    hits = open_search(endpoints).search(query)
    FORMATS[given["output_format"]](hits, given["limit"])
    return 0


def _query(given: dict[str, Any]) -> LabelQuery:
    return LabelQuery(
        label=given["label"],
        text=given["text"],
        min_confidence=given["min_confidence"],
        within=given["within"],
        near=given["near"],
        area=_geometry(given["area"]) if given["area"] else None,
        min_length_m=given["min_length_m"],
        image=given["image"],
        since=_utc(given["since"]),
        until=_utc(given["until"]),
        limit=given["limit"],
    )


def _utc(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    in_utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return in_utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _geometry(path: Path) -> dict[str, Any]:
    """Take the polygon out of whatever GeoJSON wraps it."""
    try:
        found = orjson.loads(path.read_bytes())
        if found["type"] == "FeatureCollection":
            [found] = found["features"]
        geometry: dict[str, Any] = found["geometry"] if found["type"] == "Feature" else found
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"--area {path}: expected one polygon as GeoJSON: {error!r}") from error
    if not isinstance(geometry, dict):
        raise GeometryError(f"--area {path}: it holds no polygon")
    return geometry
