"""``imagery-backfill failures``: images that cannot be processed, as the index records them."""

import importlib
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from batch_job import logs
from batch_job.cli.stack import named_operator, stack_options
from batch_job.errors import ErrorCode
from batch_job.values.ledger import LedgerEntry

TABLE_ROWS = 50
"""Rows for reading; who wants all of them says --json or --limit."""
_PIPED_COLUMNS = 200

_ELSEWHERE = ("retry",)
"""Commands in modules of their own: ``failures_retry`` holds ``retry``."""


class _Failures(click.Group):
    """Imports the commands of other modules when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(f"batch_job.cli.failures_{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Failures, short_help="List images that cannot be processed, or try them again.")
def failures() -> None:
    """Look after images that cannot be processed; what each error code means stands in docs/failures.md."""


@failures.command("list", short_help="List images that cannot be processed.")
@click.option("--code", type=click.Choice([str(code) for code in ErrorCode]), help="Of this error code alone.")
@click.option("--prefix", default="", help="Of keys that start so.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many.  [table: {TABLE_ROWS}; --json: all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@stack_options
def list_failures(*, code: str | None, prefix: str, limit: int | None, as_json: bool, **given: Any) -> int:
    """List the images of the bucket that cannot be processed, by key.

    They are left alone until the object changes, or somebody asks: `failures retry`.
    """
    logs.configure("error")
    with named_operator(given) as operator:
        wanted = None if code is None else ErrorCode(code)
        found = operator.failures.failures(operator.deployment.imagery_bucket, prefix, wanted)
        if as_json:
            _print_json(islice(found, limit))
        else:
            _print_table(found, limit or TABLE_ROWS)
    return 0


def _print_json(found: Iterable[LedgerEntry]) -> None:
    for entry in found:
        sys.stdout.buffer.write(orjson.dumps(facts(entry)) + b"\n")


def _print_table(found: Iterable[LedgerEntry], rows: int) -> None:
    entries = list(islice(found, rows + 1))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("key", "error", "written", "what was said"):
        table.add_column(name, overflow="fold")
    for entry in entries[:rows]:
        table.add_row(entry.image.key, str(entry.error_code), facts(entry)["last_modified"] or "", entry.error or "")
    console = Console(highlight=False, markup=False)
    console.width = console.width if console.is_terminal else _PIPED_COLUMNS
    if entries:
        console.print(table)
    if len(entries) > rows:
        click.echo(f"the first {rows:,}; for all of them: --json", err=True)
    elif not entries:
        click.echo("no image is recorded as failed", err=True)


def facts(entry: LedgerEntry) -> dict[str, Any]:
    """Tell what is known of a failure; the keys stand in ``docs/operations.md``."""
    described = entry.described
    return {
        "bucket": entry.image.bucket,
        "key": entry.image.key,
        "etag": entry.version.etag,
        "size": None if described is None else described.size,
        "last_modified": None if described is None else described.last_modified,
        "error_code": str(entry.error_code),
        "error": entry.error,
    }
