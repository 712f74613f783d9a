"""``imagery-backfill status``: how a deployed stack stands, once or until somebody has seen enough."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import click
import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from batch_job import logs
from batch_job.backfill.concerns import concerns
from batch_job.backfill.status import Status
from batch_job.backfill.watch import StatusWatch
from batch_job.cli.keys import WaitForKey, keys, sleep
from batch_job.cli.stack import named_operator, stack_options
from batch_job.cli.status_view import line, screen
from batch_job.errors import InputError, TransientError
from batch_job.wiring.operator import Operator

PERIOD_S = 5.0
QUIT = "q"

Look = Callable[[], Status]


@click.command(short_help="How a deployed stack stands: its newest run, queues, jobs, failures.")
@click.option("--run", "run_id", metavar="ID", help="Of this run instead of the newest.")
@click.option("--watch", is_flag=True, help="Look again every 5 s, until q or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (with --watch: a line each time).")
@stack_options
def status(*, run_id: str | None, watch: bool, as_json: bool, **given: Any) -> int:
    """Show how a deployed stack stands, and what wants attention. Nothing is changed.

    \b
    Examples:
      imagery-backfill --stack ImageryBackfill status
      imagery-backfill --stack ImageryBackfill status --watch
      imagery-backfill --stack ImageryBackfill status --json | jq .run.images
    """  # noqa: D301  click reads \b as "do not rewrap"
    logs.configure("error")
    with named_operator(given) as operator:
        looking = watch_of(operator)

        def look() -> Status:
            return looking.look(run_id=run_id)

        try:
            first = look()
        except InputError as error:
            raise click.UsageError(str(error)) from error
        if watch:
            _watch(first, look, as_json=as_json)
            return 0
        _print(first, as_json=as_json)
    return TransientError.exit_code if first.unknown else 0


def watch_of(operator: Operator) -> StatusWatch:
    """Look through an operator's connections."""
    return StatusWatch(
        stack=operator.deployment.name,
        bucket=operator.deployment.imagery_bucket,
        runs=operator.runs,
        clock=operator.clock,
        depths=operator.depths,
        doors=operator.doors,
        job_lists=operator.job_lists,
        failures=operator.failures,
    )


def to_json(found: Status) -> dict[str, Any]:
    """Encode a status with its concerns; the keys stand in ``docs/operations.md``."""
    return {**found.to_json(), "concerns": [one.to_json() for one in concerns(found)]}


def _print(found: Status, *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(to_json(found), option=orjson.OPT_INDENT_2))
    else:
        Console(highlight=False).print(screen(found))


def _watch(first: Status, look: Look, *, as_json: bool) -> None:
    """Look again and again, until somebody has seen enough."""
    console = Console(highlight=False)
    try:
        if console.is_terminal and not as_json:
            console.print(screen(_watch_on_terminal(first, look, console)))
        else:
            for found, _ in _looks(first, look, sleep):
                click.echo(orjson.dumps(to_json(found)) if as_json else line(found))
                sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _watch_on_terminal(first: Status, look: Look, console: Console) -> Status:
    """Fill the screen; gives what was seen last."""
    found = first
    with suppress(KeyboardInterrupt), keys() as wait, Live(console=console, screen=True, auto_refresh=False) as live:
        for found, why in _looks(first, look, wait):
            foot = f"not looked at since: {why}" if why else "q: leave; any other key: look now"
            live.update(Group(screen(found), Text(f"\n{foot}", style="dim")), refresh=True)
    return found


def _looks(first: Status, look: Look, wait: WaitForKey) -> Iterator[tuple[Status, str]]:
    """Yield the newest status, and why there is no newer one: what cannot be reached is waited for."""
    found, why = first, ""
    while True:
        yield found, why
        if wait(PERIOD_S) == QUIT:
            return
        try:
            found, why = look(), ""
        except TransientError as error:
            why = str(error)
