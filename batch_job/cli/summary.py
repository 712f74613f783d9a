"""What a run prints when it ends: what came of it, and what it cost or did not."""

from typing import Any

import click
import orjson

from batch_job.cli.memory import peak_mb
from batch_job.cli.request import Request
from batch_job.spend.prices import price_of_calls


def print_json(request: Request) -> None:
    """Print everything counted, as one object."""
    summary = {**request.tally.summary(), "usd": _usd(request), "peak_memory_mb": peak_mb()}
    click.echo(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode())


def print_lines(request: Request) -> None:
    """Print it for people."""
    summary = request.tally.summary()
    outcomes = ", ".join(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in sorted(request.tally.images.items()))
    chips, calls = summary["chips"], summary["calls"]
    click.echo(f"images  {outcomes or 'none'}")
    if summary["errors"]:
        click.echo(f"failed  {', '.join(f'{n:,} {code}' for code, n in summary['errors'].items())}")
    outside = f", {chips['skipped']:,} outside the area of interest" if chips["skipped"] else ""
    click.echo(
        f"chips   {chips['total']:,}: {chips['blank']:,} blank, {chips['from_archive']:,} from the archive{outside}"
    )
    if summary["not_limited"]:
        click.echo(f"area    {summary['not_limited']:,} images have no place on the ground, and were cut whole")
    refused = f", {chips['rejected']:,} chips refused by the detector" if chips["rejected"] else ""
    click.echo(f"calls   {calls['answered']:,} answered, {calls['throttled']:,} throttled{refused}")
    _print_cost(_usd(request))
    click.echo(f"labels  {summary['labels']:,}")


def _print_cost(usd: dict[str, float] | None) -> None:
    if usd is None:
        return
    click.echo(
        f"cost    about ${usd['calls']:,.3f} at list price; not spent: ${usd['not_spent_blank']:,.3f} on blank chips, "
        f"${usd['not_spent_archive']:,.3f} on answers from the archive"
    )


def _usd(request: Request) -> dict[str, float] | None:
    """Price the calls made, and those that were not, at list price; None where the price is not ours to know."""
    chips: dict[str, Any] = request.tally.summary()["chips"]
    named = {"calls": chips["sent"], "not_spent_blank": chips["blank"], "not_spent_archive": chips["from_archive"]}
    prices = {name: price_of_calls(n, detector=request.settings.detector) for name, n in named.items()}
    return {name: price for name, price in prices.items() if price is not None} or None
