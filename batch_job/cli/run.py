"""``imagery-backfill run``: images in, labels out, into a file or an index."""

import resource
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import click
import orjson

from batch_job import logs
from batch_job.cli.display import stderr_console
from batch_job.cli.options import endpoint_options
from batch_job.cli.request import TO_INDEX, Request, check, settings_of
from batch_job.cli.run_to_file import run_to_file
from batch_job.cli.run_to_index import run_to_index
from batch_job.cli.stand_ins import LocalServices, Needed, local_services
from batch_job.wiring.endpoints import Endpoints


@click.command(short_help="Find what is in images; write it to a file or an index.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--to", required=True, metavar="index|FILE.geojson", help="Where the labels go.")
@click.option("--detector", metavar="ENGINE", help="rekognition (paid), rekognition@URL, or http@URL (own model).")
@click.option("--local", is_flag=True, help="No account: start stand-ins on this machine, or use those that run.")
@click.option("--keep", is_flag=True, help="With --local: leave the stand-ins up, to search in them.")
@click.option("--chip-px", type=int, help="Side of a chip, px.  [default: 1024]")
@click.option("--overlap-px", type=int, help="Overlap of neighbouring chips, px.  [default: a fifth of --chip-px]")
@click.option("--min-confidence", type=float, help="Nothing below this, 0-100.  [default: 55]")
@click.option("--encoding", type=click.Choice(["jpeg", "png"]), help="How chips are sent.  [default: jpeg]")
@click.option("--jpeg-quality", type=int, help="Quality of JPEG chips, 1-100.  [default: 90]")
@click.option("--stretch", type=click.Choice(["joint", "per_band"]), help="How other than 8-bit data becomes 8-bit.")
@click.option("--calls-in-flight", type=int, help="Detector calls under way at once.  [default: 8]")
@click.option("--before-detection", multiple=True, metavar="MODULE:NAME", help="Hook on a chip's pixels.")
@click.option("--after-merging", multiple=True, metavar="MODULE:NAME", help="Hook on an image's features.")
@click.option(
    "--archive",
    "archive_uri",
    metavar="s3://BUCKET/PREFIX",
    envvar="BACKFILL_ARCHIVE_URI",
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
    logs.configure(given["log_level"])
    with _services(given) as services:
        request = _request(given, services)
        with _reported(request, as_json=given["as_json"]):
            return run_to_index(request) if request.to == TO_INDEX else run_to_file(request)


def _services(given: dict[str, Any]) -> AbstractContextManager[LocalServices | None]:
    if not given["local"]:
        return nullcontext(None)
    needed = Needed.EVERYTHING if given["to"] == TO_INDEX else Needed.DETECTOR
    return local_services(needed, console=stderr_console(quiet=given["quiet"]), keep=given["keep"])


def _request(given: dict[str, Any], services: LocalServices | None) -> Request:
    endpoints = Endpoints(
        index_url=given["index_url"],
        index_prefix=given["index_prefix"],
        archive_uri=given["archive_uri"],
        s3_endpoint=given["s3_endpoint"],
        region=given["region"],
    )
    if services is not None:
        endpoints = services.over(endpoints)
    return Request(
        sources=given["sources"],
        to=given["to"],
        settings=settings_of(given, detector=services.detector if services else None),
        endpoints=endpoints,
        redo=given["redo"],
        max_calls=given["max_calls"],
        agreed=given["agreed"],
        console=stderr_console(),
        shows_progress=not given["quiet"],
    )


@contextmanager
def _reported(request: Request, *, as_json: bool) -> Iterator[None]:
    """Report a run, also when it stops half-way: what was done is done, and may have cost money."""
    try:
        yield
    except click.UsageError:
        raise  # nothing was begun
    except BaseException:
        _report(request, as_json=as_json)
        raise
    _report(request, as_json=as_json)


def _report(request: Request, *, as_json: bool) -> None:
    summary = request.tally.summary()
    if as_json:
        # Linux gives the peak in KiB, macOS in bytes
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        text = orjson.dumps({**summary, "peak_memory_mb": round(peak)}, option=orjson.OPT_INDENT_2)
        click.echo(text.decode())
        return
    outcomes = ", ".join(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in sorted(request.tally.images.items()))
    chips, calls = summary["chips"], summary["calls"]
    click.echo(f"images  {outcomes or 'none'}")
    click.echo(f"chips   {chips['total']:,}: {chips['blank']:,} blank, {chips['from_archive']:,} from the archive")
    refused = f", {chips['rejected']:,} chips refused by the detector" if chips["rejected"] else ""
    click.echo(f"calls   {calls['answered']:,} answered, {calls['throttled']:,} throttled{refused}")
    click.echo(f"labels  {summary['labels']:,}")
