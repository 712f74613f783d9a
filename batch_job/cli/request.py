"""What a run was asked for, checked."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import click
from pydantic import ValidationError
from rich.console import Console

from batch_job.cli.display import Share, watched
from batch_job.cli.options import check_local, flag
from batch_job.cli.sources import S3_SCHEME, split_s3
from batch_job.errors import SettingsError
from batch_job.place.areas import AreaOfInterest
from batch_job.settings import PREFIX, PipelineSettings
from batch_job.settings.area import read_area_file
from batch_job.settings.area_geojson import parse_area
from batch_job.spend.prices import is_paid
from batch_job.tally import Tally
from batch_job.values.work import Redo
from batch_job.wiring.area import with_area
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.run import Buckets, Run, new_run_id

TO_INDEX = "index"

_SETTINGS = (
    *("detector", "chip_px", "overlap_px", "min_confidence", "encoding", "jpeg_quality", "stretch", "bands"),
    *("overview_pass", "target_gsd_m", "dem", "calls_in_flight", "before_detection", "after_merging"),
    *("include_labels", "exclude_labels", "area_of_interest"),
)
_TOGETHER = ("chip_px", "overlap_px")
_HOOKS = {"before_detection", "after_merging"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One run."""

    sources: tuple[str, ...]
    to: str
    settings: PipelineSettings
    endpoints: Endpoints
    redo: bool
    max_calls: int | None
    agreed: bool
    """To pay whatever it costs."""
    console: Console
    shows_progress: bool
    tally: Tally = field(default_factory=Tally)
    run_id: str = field(default_factory=new_run_id)
    area: AreaOfInterest | None = None
    """Once it is read; see ``limited``."""

    @property
    def run(self) -> Run:
        """What the wiring needs to know of it."""
        redo = Redo.DETECTION if self.redo else Redo.NOTHING
        return Run(progress=self.tally, max_calls=self.max_calls, redo=redo, id=self.run_id, area=self.area)

    def limited(self, buckets: Buckets) -> Self:
        """Read the area of interest, where there is one.

        Raises:
            SettingsError: it cannot be read, or is none.
        """
        settings, area = with_area(self.settings, buckets.client)
        return replace(self, settings=settings, area=area)

    def watched(self, share: Share) -> AbstractContextManager[None]:
        """Show progress while the block runs, unless that is not wanted."""
        return watched(self.tally, share, console=self.console) if self.shows_progress else nullcontext()

    @property
    def is_paid(self) -> bool:
        """Tell whether calls go to the real service."""
        return is_paid(self.settings.detector)


def settings_of(given: Mapping[str, Any], *, detector: str | None = None) -> PipelineSettings:
    """Put options over the environment over defaults; ``detector`` is what the stand-ins offer.

    Raises:
        SettingsError: names everything that is wrong.
    """
    options = {name: given[name] for name in _SETTINGS if given[name] not in (None, ())}
    if detector is not None:
        options.setdefault("detector", detector)
    if options.keys() & _HOOKS and str(Path.cwd()) not in sys.path:
        # hooks may stand where the person stands; last, so that no file there hides a library
        sys.path.append(str(Path.cwd()))
    return PipelineSettings.load(**options)


def checked_settings(given: Mapping[str, Any], *, detector: str | None = None) -> PipelineSettings:
    """Put the settings together as ``settings_of``; what is wrong on the command line is wrong usage.

    Raises:
        click.UsageError: names everything that is wrong, by the options where they are to blame.
        SettingsError: the environment is to blame for all of it.
    """
    try:
        return settings_of(given, detector=detector)
    except SettingsError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        problems = [(_fields(one), one["msg"]) for one in error.__cause__.errors()]
        if not any(_is_given(field, given) for fields, _ in problems for field in fields):
            raise
        lines = [f"{' and '.join(_name(field, given) for field in fields)}: {message}" for fields, message in problems]
        raise click.UsageError("\n  ".join(["these settings cannot be:", *lines])) from error


def _fields(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the fields that a problem is about; one of no field is about those that must fit together."""
    return tuple(map(str, problem["loc"])) or _TOGETHER


def _name(field: str, given: Mapping[str, Any]) -> str:
    return flag(field) if _is_given(field, given) else f"{PREFIX}{field.upper()}"


def _is_given(field: str, given: Mapping[str, Any]) -> bool:
    return given.get(field) not in (None, ())


def check(given: Mapping[str, Any]) -> None:
    """Refuse what cannot work before anything is started.

    Raises:
        click.UsageError: says what to change.
    """
    check_local(given)
    if given["keep"] and (given["to"] != TO_INDEX or not given["local"]):
        raise click.UsageError("--keep goes with --to index --local: it leaves up the servers to search in")
    if given["to"] != TO_INDEX:
        _check_file(given)
        return
    files = [name for name in given["sources"] if not name.startswith(S3_SCHEME)]
    if files and not given["local"]:
        raise click.UsageError(
            f"--to index takes s3:// sources, not {files[0]!r} (with --local files are uploaded first)"
        )
    if not given["local"] and not (given["index_url"] and given["archive_uri"]):
        raise click.UsageError("--to index needs --index URL and --archive s3://BUCKET/PREFIX, or --local")
    archive = split_s3(given["archive_uri"])[0] if given["archive_uri"] else None
    for name in given["sources"]:
        if name.startswith(S3_SCHEME) and split_s3(name)[0] == archive:
            raise click.UsageError(
                f"--archive must not be in the imagery bucket {archive!r}: every part would be an event"
            )


def check_area(settings: PipelineSettings) -> None:
    """Refuse an area of interest on this machine that is none; one in S3 is read later, through the run's own client.

    Raises:
        SettingsError: says what to do.
    """
    place = settings.area_of_interest
    if place and not place.startswith(S3_SCHEME):
        parse_area(read_area_file(place), name=place)


def _check_file(given: Mapping[str, Any]) -> None:
    path = Path(given["to"])
    if path.suffix not in (".geojson", ".json"):
        raise click.UsageError(f"--to {given['to']!r}: expected `index`, or a file that ends in .geojson")
    if not path.parent.is_dir():
        raise click.UsageError(f"--to {given['to']!r}: there is no folder {path.parent}")
    if given["redo"]:
        raise click.UsageError("--redo goes with --to index: a file is always made anew")
