"""``--stack NAME``: a deployed stack, and all that a command needs of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from batch_job.cli.options import Command, is_typed
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.operator import Operator, find_stack, open_operator

STACK = "stack"
"""Of the group's options."""
_ADDRESSES = ("index_url", "index_prefix", "s3_endpoint")


def stack_options(command: Command) -> Command:
    """Add where the stack is, and where its index is if that is another."""
    options: tuple[Callable[[Command], Command], ...] = (
        click.option("--index", "index_url", metavar="URL", help="The index, instead of the stack's own."),
        click.option(
            "--region",
            envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
            show_envvar=True,
            help="AWS Region of the stack.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def stack_name() -> str | None:
    """Give what ``--stack`` says, beside the command that runs, or ``BACKFILL_STACK``."""
    name: str | None = click.get_current_context().find_root().params.get(STACK)
    return name


@contextmanager
def named_operator(given: Mapping[str, Any]) -> Iterator[Operator]:
    """Connect to the stack that was named, for the length of a block.

    Raises:
        click.UsageError: none was.
        BackfillError: as ``wiring.operator.find_stack``.
    """
    name = stack_name()
    if name is None:
        command = click.get_current_context().command_path.partition(" ")[2]
        raise click.UsageError(f"which stack? imagery-backfill --stack NAME {command} (or BACKFILL_STACK)")
    with open_operator(name, region=given["region"], index_url=given["index_url"]) as operator:
        yield operator


def stack_endpoints(given: Mapping[str, Any]) -> Endpoints | None:
    """Find index and buckets by the stack that was named; None: none was, or everything was said without it.

    What is typed wins over the stack, and the stack over the environment's single addresses.

    Raises:
        click.UsageError: the stack is named beside ``--local``.
        BackfillError: as ``wiring.operator.find_stack``.
    """
    name = stack_name()
    if name is None:
        return None
    if given.get("local"):
        if _is_typed_stack():
            raise click.UsageError("--local and --stack exclude each other: --local brings stand-ins of its own")
        return None
    typed = {field: given[field] for field in _ADDRESSES if field in given and is_typed(field)}
    return replace(find_stack(name, region=given["region"]).endpoints(), **typed)


def _is_typed_stack() -> bool:
    root = click.get_current_context().find_root()
    return root.get_parameter_source(STACK) is ParameterSource.COMMANDLINE
