"""The command ``imagery-backfill``: results on stdout, everything else on stderr, no colour when piped."""

import os
import sys
from collections.abc import Sequence

_EXTRA = ("click", "rich")
"""What the library works without, and the command does not."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    try:
        from batch_job.cli.commands import run_command  # noqa: PLC0415  it may be missing, and then that is to be said

        code = run_command(arguments)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _EXTRA:
            raise
        sys.stderr.write(f"error: {name} is missing: pip install 'imagery-backfill[cli]'\n")
        code = os.EX_CONFIG
    sys.exit(code)
