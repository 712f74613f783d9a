"""``imagery-backfill resume``: what a pause left is submitted again."""

import time
from typing import Any

import click

from batch_job import logs
from batch_job.backfill.pausing import Paused, end_pause
from batch_job.backfill.resuming import SEEN_S, ResumedRun, open_door
from batch_job.cli.stack import named_operator, stack_options
from batch_job.wiring.operator import Operator
from batch_job.wiring.steering import resumer


@click.command(short_help="End a pause: submit again what it left.")
@stack_options
def resume(**given: Any) -> int:
    """End a pause, and submit the shards that are not done of every run that is not finished.

    Also without a pause, after jobs failed for good. What waits or is worked on is not submitted again, so resuming
    twice is no error; if jobs run, up to half a minute goes by to see which of them heard of the pause.
    """
    logs.configure("error")
    with named_operator(given) as operator:
        change = end_pause(operator.runs)
        click.echo("nothing was paused" if change.before is None else f"let on: {change.before.value}")
        runs = [run for run in resumer(operator).resume() if not run.lacked_nothing]
        for run in runs:
            click.echo(_line(run))
        if not runs:
            click.echo("nothing that was planned is left")
        _let_messages_come(operator, after=change.before)
    return 0


def _let_messages_come(operator: Operator, *, after: Paused | None) -> None:
    """Open what a pause shut, or what shut itself when a permission was missing."""
    if after is Paused.EVERYTHING:
        time.sleep(SEEN_S)  # a door that saw the pause is about to shut itself
    for queue, door in operator.doors.items():
        if open_door(door):
            click.echo(f"messages of the {queue} queue come again")


def _line(run: ResumedRun) -> str:
    parts = [f"{run.shards:,} shards submitted"]
    if run.busy:
        parts.append(f"{run.busy:,} wait or are worked on already")
    if run.sweep:
        parts.append("the sweep submitted")
    return f"run {run.run_id}: {', '.join(parts)}"
