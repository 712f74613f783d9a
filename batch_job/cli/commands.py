"""The commands by name, and how each way of ending becomes an exit code."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from batch_job.cli.signals import EndedBySignal, ended_by_signals
from batch_job.errors import BackfillError

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

_COMMANDS = ("deploy", "doctor", "failures", "pause", "resume", "run", "search", "show", "start", "status")

STACK_VARIABLE = "BACKFILL_STACK"
"""The stack gives its own workers the same name under it, so the two never disagree."""
WITHOUT_STACK = ("deploy", "doctor", "run")


class _Commands(click.Group):
    """Imports a command's module when it is asked for: ``search`` need not wait for rasterio."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"batch_job.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has seen enough (`| head`) is no failure, which click would make of it."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # what is left must not be flushed again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return code


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="imagery-backfill")
@click.option(
    "--stack",
    metavar="NAME",
    envvar=STACK_VARIABLE,
    show_envvar=True,
    help="A deployed stack: its outputs say where everything is, and its operator's role is assumed.",
)
@click.pass_context
def commands(ctx: click.Context, stack: str | None) -> None:
    """From overhead images to searchable labels: chip, detect, dechip, merge, georeference, index, search.

    \b
    Exit codes:
      0    done
      2    wrong usage
      65   done, but some images failed for good; each is recorded
      70   a defect of ours
      75   something was left undone and may work later: run again
      78   a person must act: credentials, settings, servers
      130  interrupted; 129, 143: ended by SIGHUP, SIGTERM
    """  # noqa: D301  click reads \b as "do not rewrap"
    typed = ctx.get_parameter_source("stack") is ParameterSource.COMMANDLINE
    if stack and typed and ctx.invoked_subcommand in WITHOUT_STACK:
        raise click.UsageError(f"{ctx.invoked_subcommand} works without a stack: leave --stack {stack} out")


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code, and say on stderr why it is not 0."""
    try:
        with ended_by_signals():
            code: int = commands.main(args=arguments, prog_name="imagery-backfill", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except EndedBySignal as end:
        click.echo(str(end), err=True)
        return end.exit_code
    except BackfillError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    return code
