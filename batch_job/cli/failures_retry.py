"""``imagery-backfill failures retry``: what failed for good is asked again."""

from collections.abc import Iterator
from typing import Any

import click

from batch_job import logs
from batch_job.cli.stack import named_operator, stack_options
from batch_job.cli.start import agree, estimate, tell
from batch_job.errors import ErrorCode
from batch_job.values.inventory import Request, Scope
from batch_job.values.ledger import LedgerEntry
from batch_job.values.work import Redo
from batch_job.wiring.operator import Operator
from batch_job.wiring.steering import starter


@click.command(short_help="Ask again for what failed for good.")
@click.option("--code", type=click.Choice([str(code) for code in ErrorCode]), help="Only what failed with this code.")
@click.option("--prefix", default="", metavar="PREFIX", help="Only keys that begin so.")
@click.option("--yes", is_flag=True, help="Agree to what that may cost.")
@stack_options
def retry(**given: Any) -> int:
    """Work again on images that are recorded as failed; those that are indexed are left alone.

    Mend first what made them fail. Archived images are not among them unless --code archived names them: they are
    tried by themselves once they are restored.
    """
    logs.configure("error")
    with named_operator(given) as operator:
        begin = starter(operator, watch=lambda _objects: None)
        listed = begin.list_entries(
            _failures(operator, given["code"], given["prefix"]), Request(scope=Scope.PART, redo=Redo.FAILED)
        )
        if not listed.objects:
            click.echo("nothing failed so", err=True)
            return 0
        agree(estimate(listed, operator), agreed=given["yes"])
        tell(begin.announce(listed), listed, operator)
    return 0


def _failures(operator: Operator, code: str | None, prefix: str) -> Iterator[LedgerEntry]:
    wanted = None if code is None else ErrorCode(code)
    for entry in operator.failures.failures(operator.deployment.imagery_bucket, prefix, wanted):
        if wanted is not None or entry.error_code is not ErrorCode.ARCHIVED:
            yield entry
