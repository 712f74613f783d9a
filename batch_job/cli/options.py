"""Options that several commands share."""

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from batch_job.errors import GeometryError
from batch_job.settings import PREFIX
from batch_job.spend.prices import is_paid
from batch_job.values.place import LonLat
from batch_job.values.query import LonLatBox, Near

Command = Callable[..., Any]

INSTEAD_OF_LOCAL = {"index_url": "--index", "archive_uri": "--archive", "s3_endpoint": "--s3-endpoint"}
"""Parameters that say where a service is, and the options that they come from."""


def flag(field: str) -> str:
    """Name the option of a setting: ``chip_px`` → ``--chip-px``."""
    return f"--{field.replace('_', '-')}"


def setting(field: str, *, text: str, default: str | None = None, **rest: Any) -> Callable[[Command], Command]:
    """Add an option over a field of the settings, which the environment may hold too; its help says all three."""
    notes = [f"env var: {PREFIX}{field.upper()}", *([f"default: {default}"] if default else [])]
    return click.option(flag(field), field, help=f"{text}  [{'; '.join(notes)}]", **rest)


def is_typed(name: str) -> bool:
    """Tell whether a parameter of the running command was given on the command line, not by the environment."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def check_local(given: Mapping[str, Any]) -> None:
    """Refuse ``--local`` beside an option that names a real service.

    Raises:
        click.UsageError: names both.
    """
    if not given["local"]:
        return
    both = [option for name, option in INSTEAD_OF_LOCAL.items() if name in given and is_typed(name)]
    if is_paid(given.get("detector") or ""):
        both.append(f"--detector {given['detector']}")
    if both:
        raise click.UsageError(f"--local and {both[0]} exclude each other: --local brings stand-ins of its own")


def endpoint_options(command: Command) -> Command:
    """Add where the index and the buckets are."""
    options = (
        click.option(
            "--index",
            "index_url",
            metavar="URL",
            envvar="BACKFILL_INDEX_URL",
            show_envvar=True,
            help="The OpenSearch server.",
        ),
        click.option(
            "--index-prefix",
            default="imagery",
            show_default=True,
            envvar="BACKFILL_INDEX_PREFIX",
            show_envvar=True,
            help="Beginning of the two indices' names.",
        ),
        click.option(
            "--s3-endpoint",
            metavar="URL",
            envvar="AWS_ENDPOINT_URL_S3",
            show_envvar=True,
            help="Another S3 than Amazon's.",
        ),
        click.option(
            "--region",
            envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
            show_envvar=True,
            help="AWS region of buckets and service.",
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
