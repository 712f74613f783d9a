"""Before money is spent: say how much, and have somebody agree."""

import click

from batch_job.cli.request import Request
from batch_job.cli.sources import Source
from batch_job.ports import OpenRaster
from batch_job.spend.estimate import estimate_calls
from batch_job.spend.prices import price_of_calls


def agree(request: Request, sources: list[Source], open_raster: OpenRaster) -> None:
    """Let a run against the paid service pass only with ``--yes`` or ``--max-calls``.

    Raises:
        click.UsageError: neither was given; the number of calls and their price stand in the message.
    """
    if not request.is_paid or request.agreed or request.max_calls is not None:
        return
    request.console.print(f"reading the headers of {len(sources):,} images to count the calls", style="dim")
    images = ((source.image, source.facts.etag) for source in sources)
    estimate = estimate_calls(images, open_raster, request.settings)
    price = price_of_calls(estimate.calls, detector=request.settings.detector)
    raise click.UsageError(
        f"this run makes at most {estimate.calls:,} calls to Amazon Rekognition for {estimate.images:,} images, about "
        f"${price:,.2f} at list price; blank chips and answers in the archive cost nothing. "
        f"Agree with --yes, or set a ceiling with --max-calls N"
    )
