"""``imagery-backfill start``: plan the bucket as it stands, without waiting for an inventory."""

import sys
from typing import Any

import click
from rich.console import Console

from batch_job import logs
from batch_job.backfill.pausing import paused
from batch_job.backfill.starting import Listed, unfinished_active_run
from batch_job.cli.display import stderr_console
from batch_job.cli.stack import named_operator, stack_options
from batch_job.errors import InputError
from batch_job.spend.prices import price_of_calls
from batch_job.values.inventory import Request, Scope
from batch_job.values.work import Redo
from batch_job.wiring.operator import Operator
from batch_job.wiring.steering import starter


@click.command(short_help="Plan the bucket now, without waiting for an inventory.")
@click.option("--prefix", default="", metavar="PREFIX", help="Only keys that begin so; beside the bucket's own run.")
@click.option("--redo", is_flag=True, help="Detect again what was detected under other settings, and what failed.")
@click.option("--supersede", is_flag=True, help="Put the new run in the place of one that is not finished.")
@click.option("--yes", is_flag=True, help="Agree to what --redo may cost.")
@stack_options
def start(**given: Any) -> int:
    """List the bucket now and plan it as if an inventory had come: only what is new or changed is worked on.

    \b
    Examples:
      imagery-backfill --stack ImageryBackfill start
      imagery-backfill --stack ImageryBackfill start --prefix 2026/
      imagery-backfill --stack ImageryBackfill start --redo --prefix harbour/ --yes
    """  # noqa: D301  click reads \b as "do not rewrap"
    logs.configure("error")
    prefix, redo = given["prefix"], Redo.DETECTION if given["redo"] else Redo.NOTHING
    request = Request(scope=Scope.PART if prefix else Scope.BUCKET, redo=redo)
    with named_operator(given) as operator:
        if request.scope is Scope.BUCKET and not given["supersede"]:
            check_nothing_unfinished(operator)
        begin = starter(operator, watch=_counter(stderr_console()))
        try:
            listed = begin.list_bucket(request, prefix=prefix)
        except InputError as error:
            raise click.UsageError(str(error)) from error
        if redo is not Redo.NOTHING:
            agree(estimate(listed, operator), agreed=given["yes"])
        tell(begin.announce(listed), listed, operator)
    return 0


def check_nothing_unfinished(operator: Operator) -> None:
    """Refuse to put a run in the place of one that is not finished.

    Raises:
        click.UsageError: says how far it is.
    """
    progress = unfinished_active_run(operator.runs, bucket=operator.deployment.imagery_bucket)
    if progress is not None:
        raise click.UsageError(
            f"run {progress.run_id} is not finished: {progress.files_planned:,} of {progress.files:,} CSVs planned, "
            f"{progress.shards_done:,} of {progress.shards:,} shards done, {progress.left:,} images left. "
            "Wait for it, name a --prefix, or put a new run in its place with --supersede (nothing done is lost)"
        )


def _counter(console: Console) -> Any:
    """Show how many objects were listed, on a terminal alone."""
    return lambda objects: console.print(f"listing: {objects:,} objects", end="\r") if console.is_terminal else None


def estimate(listed: Listed, operator: Operator) -> str:
    """Say what doing images again may cost at most."""
    detector = operator.deployment.planner_settings().detector
    price = price_of_calls(listed.chips, detector=detector)
    cost = f"about ${price:,.2f} at list price" if price is not None else f"of {detector}, whose price is yours to know"
    return (
        f"{listed.images:,} images are asked for again: by their bytes up to about {listed.chips:,} calls, {cost}. "
        "What was detected under the present settings, and answers in the archive, cost nothing"
    )


def is_somebody_there() -> bool:
    """Tell whether a person can be asked."""
    return sys.stdin.isatty()


def agree(cost: str, *, agreed: bool) -> None:
    """Have somebody agree to a cost.

    Raises:
        click.UsageError: nobody is there to ask.
        click.Abort: they do not.
    """
    click.echo(cost, err=True)
    if agreed:
        return
    if not is_somebody_there():
        raise click.UsageError("agree to that with --yes")
    click.confirm("go on?", abort=True, err=True)


def tell(run_id: str, listed: Listed, operator: Operator) -> None:
    """Say what was started, and how to watch it; the run's id alone goes to stdout."""
    this = f"imagery-backfill --stack {operator.deployment.name}"
    click.echo(f"{listed.objects:,} objects listed, {listed.images:,} of them images; the planner takes over", err=True)
    if not listed.objects:
        click.echo("the bucket is empty: what the index still has of it is looked for, and removed", err=True)
    held = paused(operator.runs)
    if held is not None:
        click.echo(f"{held.value}: paused. This is planned, and begins with: {this} resume", err=True)
    click.echo(f"watch it: {this} status --watch", err=True)
    click.echo(run_id)
