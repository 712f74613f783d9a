"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from batch_job.errors import GeometryError
from batch_job.values.place import LonLat
from batch_job.values.query import LonLatBox, Near

Command = Callable[..., Any]


def endpoint_options(command: Command) -> Command:
    """Add where the index and the buckets are."""
    options = (
        click.option("--index", "index_url", metavar="URL", envvar="BACKFILL_INDEX_URL", help="The OpenSearch server."),
        click.option(
            "--index-prefix",
            default="imagery",
            show_default=True,
            envvar="BACKFILL_INDEX_PREFIX",
            help="Beginning of the two indices' names.",
        ),
        click.option("--s3-endpoint", metavar="URL", envvar="AWS_ENDPOINT_URL_S3", help="Another S3 than Amazon's."),
        click.option(
            "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="AWS region of buckets and service."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


class BoxType(click.ParamType[LonLatBox]):
    """``W,S,E,N`` in degrees; W over E crosses the antimeridian."""

    name = "lon,lat,lon,lat"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read four numbers."""
        west, south, east, north = _numbers(self, value, 4, param, ctx)
        try:
            return LonLatBox(west=west, south=south, east=east, north=north)
        except GeometryError as error:
            self.fail(str(error), param, ctx)


class NearType(click.ParamType[Near]):
    """``LON,LAT,METRES``."""

    name = "lon,lat,metres"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a position and a distance."""
        lon, lat, metres = _numbers(self, value, 3, param, ctx)
        try:
            return Near(position=LonLat(lon=lon, lat=lat), radius_m=metres)
        except GeometryError as error:
            self.fail(str(error), param, ctx)


def _numbers(
    kind: click.ParamType[Any], value: Any, count: int, param: click.Parameter | None, ctx: click.Context | None
) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in str(value).split(","))
    except ValueError:
        kind.fail(f"{value!r} is not {count} numbers with commas between them", param, ctx)
    if len(numbers) != count:
        kind.fail(f"{value!r} holds {len(numbers)} numbers, not {count}", param, ctx)
    return numbers
