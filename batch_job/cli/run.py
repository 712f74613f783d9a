"""``imagery-backfill run``: images in, labels out, into a file or an index."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import click
import structlog
from rich.console import Console

from batch_job import logs
from batch_job.cli.display import ConsoleFile, stderr_console
from batch_job.cli.options import endpoint_options, setting
from batch_job.cli.request import TO_INDEX, Request, check, check_area, checked_settings
from batch_job.cli.run_to_file import run_to_file
from batch_job.cli.run_to_index import run_to_index
from batch_job.cli.stand_ins import LocalServices, Needed, local_services
from batch_job.cli.summary import print_json, print_lines
from batch_job.tally import Tally
from batch_job.wiring.endpoints import Endpoints

log = structlog.get_logger()


@click.command(short_help="Find what is in images; write it to a file or an index.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--to", required=True, metavar="index|FILE.geojson", help="Where the labels go.")
@setting("detector", metavar="ENGINE", text="rekognition (paid), rekognition@URL, or http@URL (own model).")
@click.option("--local", is_flag=True, help="No account: start stand-ins on this machine, or use those that run.")
@click.option("--keep", is_flag=True, help="With --to index --local: leave the stand-ins up, to search in them.")
@setting("chip_px", type=int, text="Side of a chip, px.", default="1024")
@setting("overlap_px", type=int, text="Overlap of neighbouring chips, px.", default="a fifth of --chip-px")
@setting("overview_pass", type=bool, metavar="yes|no", text="Look at the whole of a larger image too.", default="yes")
@setting("min_confidence", type=float, text="Nothing below this, 0-100.", default="55")
@setting("encoding", type=click.Choice(["jpeg", "png"]), text="How chips are sent.", default="jpeg")
@setting("jpeg_quality", type=int, text="Quality of JPEG chips, 1-100.", default="90")
@setting("stretch", type=click.Choice(["joint", "per_band"]), text="How other than 8-bit data becomes 8-bit.")
@setting(
    "bands", metavar="auto|R,G,B|ORDER", text="Which bands are shown; orders: naip, sentinel2, ...", default="auto"
)
@setting("target_gsd_m", type=float, text="Read images of finer pixels smaller: metres.", default="as they are")
@setting("calls_in_flight", type=int, text="Detector calls under way at once.", default="8")
@setting("before_detection", multiple=True, metavar="MODULE:NAME", text="Hook on a chip's pixels.")
@setting("after_merging", multiple=True, metavar="MODULE:NAME", text="Hook on an image's features.")
@setting("include_labels", metavar="NAME,...", text="Only these labels, and those below them.", default="all")
@setting("exclude_labels", metavar="NAME,...", text="Not these labels; those below them stay.")
@setting("dem", metavar="FILE.tif", text="Heights under images with RPCs; path or s3:// URI.", default="one each")
@setting("area_of_interest", metavar="FILE.geojson", text="Cut only chips that touch its polygons; path or s3:// URI.")
@click.option(
    "--archive",
    "archive_uri",
    metavar="s3://BUCKET/PREFIX",
    envvar="BACKFILL_ARCHIVE_URI",
    show_envvar=True,
    help="Where paid answers are kept; never in the imagery bucket.",
)
@endpoint_options
@click.option("--redo", is_flag=True, help="With --to index: ask again where the detector's settings have changed.")
@click.option("--yes", "agreed", is_flag=True, help="Agree to pay for every call that is needed.")
@click.option("--max-calls", type=click.IntRange(min=0), help="Make at most this many calls, over all images.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress display; what fails is still named.")
@click.option(
    "--log-level",
    default="error",
    show_default=True,
    envvar="BACKFILL_LOG_LEVEL",
    show_envvar=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log events from here up, on stderr.",
)
def run(**given: Any) -> int:
    """Find what is in images: cut SOURCE into chips, have a detector look, place what it saw on the ground.

    SOURCE is a file, a folder, or s3://BUCKET/PREFIX. With --to FILE.geojson nothing else is needed. With --to index
    the labels go to OpenSearch (--index), paid answers are kept (--archive), what has not changed is skipped, and what
    left the bucket leaves the index.

    \b
    Examples:
      imagery-backfill run photo.tif --to photo.geojson --local
      imagery-backfill run s3://my-imagery/2026/ --to index --max-calls 500
          --index https://search.example.com --archive s3://my-archive/answers
    """  # noqa: D301  click reads \b as "do not rewrap"
    check(given)
    check_area(checked_settings(given))  # before a server starts, or anything else
    console = stderr_console()
    logs.configure(given["log_level"], file=ConsoleFile(console) if console.is_terminal else None)
    with _services(given) as services:
        request = _request(given, services, console)
        report = print_json if given["as_json"] else print_lines
        with structlog.contextvars.bound_contextvars(run_id=request.run_id), _reported(request, report):
            return run_to_index(request) if request.to == TO_INDEX else run_to_file(request)


def _services(given: dict[str, Any]) -> AbstractContextManager[LocalServices | None]:
    if not given["local"]:
        return nullcontext(None)
    needed = Needed.EVERYTHING if given["to"] == TO_INDEX else Needed.DETECTOR
    return local_services(needed, console=stderr_console(quiet=given["quiet"]), keep=given["keep"])


def _request(given: dict[str, Any], services: LocalServices | None, console: Console) -> Request:
    settings = checked_settings(given, detector=services.detector if services else None)
    endpoints = Endpoints(
        index_url=given["index_url"],
        index_prefix=given["index_prefix"],
        archive_uri=given["archive_uri"],
        s3_endpoint=given["s3_endpoint"],
        region=given["region"],
        requester_pays=settings.requester_pays,
        dem=settings.dem,
    )
    if services is not None:
        endpoints = services.over(endpoints)
    return Request(
        sources=given["sources"],
        to=given["to"],
        settings=settings,
        endpoints=endpoints,
        redo=given["redo"],
        max_calls=given["max_calls"],
        agreed=given["agreed"],
        console=console,
        shows_progress=not given["quiet"],
    )


@contextmanager
def _reported(request: Request, report: Callable[[Request], None]) -> Iterator[None]:
    """Report a run, also when it stops half-way: what was done is done, and may have cost money."""
    began = time.monotonic()
    try:
        yield
    except click.UsageError:
        raise  # nothing was begun
    except BaseException as error:
        _log(request.tally, began, error=type(error).__name__)
        report(request)
        raise
    _log(request.tally, began, error=None)
    report(request)


def _log(tally: Tally, began: float, *, error: str | None) -> None:
    """Log the run's one line; ``seconds`` by stage stand in the summary alone."""
    facts = {name: value for name, value in tally.summary().items() if name != "seconds"}
    log.info("run.done", **facts, error=error, duration_ms=round((time.monotonic() - began) * 1000))
