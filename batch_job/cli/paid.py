"""Before money is spent: say how much, and have somebody agree."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.text import Text

from batch_job.cli.display import shown
from batch_job.cli.request import Request
from batch_job.cli.sources import Source
from batch_job.spend.estimate import estimate_calls
from batch_job.spend.prices import price_of_calls
from batch_job.values.image import ImageRef
from batch_job.wiring.run import Buckets


def agree(request: Request, sources: list[Source], buckets: Buckets) -> None:
    """Let a run against the paid service pass only with ``--yes`` or ``--max-calls``.

    Raises:
        click.UsageError: neither was given; the number of calls and their price stand in the message.
    """
    if not request.is_paid or request.agreed or request.max_calls is not None:
        return
    with _counted(request, sources) as images:
        estimate = estimate_calls(images, buckets.open_raster, request.settings, buckets.transform, request.area)
    price = price_of_calls(estimate.calls, detector=request.settings.detector)
    outside = f"{estimate.skipped:,} chips outside the area of interest are not cut; " if estimate.skipped else ""
    raise click.UsageError(
        f"this run makes at most {estimate.calls:,} calls to Amazon Rekognition for {estimate.images:,} images, about "
        f"${price:,.3f} at list price; {outside}blank chips and answers in the archive cost nothing. "
        f"Agree with --yes, or set a ceiling with --max-calls N"
    )


@contextmanager
def _counted(request: Request, sources: list[Source]) -> Iterator[Iterator[tuple[ImageRef, str]]]:
    """Give every image with its ETag, and show how many were given: each is opened, which takes a while."""
    given = 0

    def images() -> Iterator[tuple[ImageRef, str]]:
        nonlocal given
        for given, source in enumerate(sources, start=1):  # noqa: B007  the display reads it
            yield source.image, source.facts.etag

    def line() -> Text:
        return Text(f"counting the calls: {given:,} of {len(sources):,} images opened", style="dim")

    if not request.shows_progress:
        yield images()
        return
    if not request.console.is_terminal:
        request.console.print(line())  # the next one may be some seconds away
    with shown(line, console=request.console):
        yield images()
