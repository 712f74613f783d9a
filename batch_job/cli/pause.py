"""``imagery-backfill pause``: nothing more is paid for until ``resume``."""

from typing import Any

import click

from batch_job import logs
from batch_job.backfill.pausing import Paused
from batch_job.backfill.pausing import pause as write_pause
from batch_job.cli.stack import named_operator, stack_options
from batch_job.values.queues import Jobs
from batch_job.wiring.operator import Operator


@click.command(short_help="Pay for nothing more until `resume`.")
@click.option("--all", "everything", is_flag=True, help="Live events too; they wait in their queue, up to 14 days.")
@stack_options
def pause(**given: Any) -> int:
    """Hold the backfill back: workers finish the calls under way, keep what was paid, and hand their images back.

    Inventories that come meanwhile are planned, and nothing of them is submitted. Pausing twice is no error.
    """
    logs.configure("error")
    wanted = Paused.EVERYTHING if given["everything"] else Paused.BACKFILL
    with named_operator(given) as operator:
        change = write_pause(operator.runs, wanted)
        if change.before is change.after:
            click.echo(f"paused already: {change.after.value}" if change.after else "")
        else:
            click.echo(f"paused: {change.after.value}" if change.after else "")
        if change.after is Paused.EVERYTHING and wanted is Paused.BACKFILL:
            click.echo("live events stay held back too: only resume lets them on")
        _tell_what_runs(operator)
    return 0


def _tell_what_runs(operator: Operator) -> None:
    counts = operator.job_lists[Jobs.BACKFILL].counts(since_ms=operator.clock.now_ms())
    if counts.working:
        click.echo(f"{counts.working:,} jobs run: each hands its image back within seconds and ends well")
    if counts.waiting:
        click.echo(f"{counts.waiting:,} jobs wait: each ends as soon as it begins")
    if not (counts.working or counts.waiting):
        click.echo("no job runs or waits; inventories that come are planned, and nothing of them is submitted")
    click.echo(f"go on with: imagery-backfill --stack {operator.deployment.name} resume")
