"""How long each Lambda, and the job, imports before it can begin, beside ``import boto3``.

``python -m benchmarks.imports`` prints a table, ``--json`` rows. Every import is in a process of its own, in turn, with
bytecode at hand, as the image has it; what is imported when it is first used does not count.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
ROUNDS = 9
PEER = "boto3"
TIMEOUT_S = 60

BARS: Mapping[str, float | None] = {
    "lambdas.plan_inventory": 3.5,
    "lambdas.on_object": 9.0,
    "lambdas.set_up_inventory": None,
    "lambdas.set_up_search": None,
    "batch_job.__main__": None,
}
"""What begins in the image, and how many times as long as the peer it may take; None where nobody waits."""

ENVIRONMENT = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""As the Dockerfile sets it."""
_PROGRAM = """
import sys, time
sys.modules["rich"] = None  # the command line's; the image has none, and structlog would take it up
began = time.perf_counter()
import {module}
seconds = time.perf_counter() - began
from batch_job.cli.memory import peak_mb
print(seconds, peak_mb())
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """One import, measured."""

    seconds: float
    peak_mb: float
    """Resident memory of the process, Python itself included."""


class ImportFailedError(Exception):
    """A module cannot be imported; says why."""


def measure_import(module: str) -> Imported:
    """Import a module in a new process.

    Raises:
        ImportFailedError: it cannot be.
    """
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM.format(module=module)]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if ended.returncode:
        raise ImportFailedError(f"{module}: {ended.stderr.strip().splitlines()[-1]}")
    seconds, peak = ended.stdout.split()[-2:]
    return Imported(float(seconds), float(peak))


def measure(modules: Sequence[str], *, rounds: int) -> dict[str, Imported]:
    """Import each in turn, rounds times after one that writes the bytecode.

    Gives the shortest time, as whatever else the machine does only adds to it, and the highest memory.

    Raises:
        ImportFailedError: one of them cannot be.
    """
    for module in modules:
        measure_import(module)
    measured = [[measure_import(module) for module in modules] for _ in range(rounds)]
    return {
        module: Imported(min(one.seconds for one in of), max(one.peak_mb for one in of))
        for module, of in zip(modules, zip(*measured, strict=True), strict=True)
    }


def rows(measured: Mapping[str, Imported]) -> list[dict[str, Any]]:
    """Put each module beside the peer; ``times`` is what bars are set for."""
    peer = measured[PEER].seconds
    return [
        {
            "case": module,
            "unit": "s",
            "ours": round(one.seconds, 3),
            PEER: round(peer, 3),
            "ratio": round(peer / one.seconds, 3),
            "times": round(one.seconds / peer, 2),
            "bar": BARS[module],
            "peak_mb": round(one.peak_mb),
        }
        for module, one in measured.items()
        if module != PEER
    ]


def table(shown: Sequence[Mapping[str, Any]]) -> Table:
    """Lay the figures out for people."""
    laid = Table(title=f"import time, beside {PEER}'s {shown[0][PEER]:.3f} s", title_justify="left")
    laid.add_column("module", no_wrap=True)
    for heading in ("s", f"times {PEER}", "bar", "peak MB"):
        laid.add_column(heading, justify="right")
    for row in shown:
        bar = "–" if row["bar"] is None else f"{row['bar']:.1f}"
        laid.add_row(row["case"], f"{row['ours']:.3f}", f"{row['times']:.2f}", bar, str(row["peak_mb"]))
    return laid


def main() -> int:
    """Measure all; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is imported")
    given = parser.parse_args()
    try:
        found = rows(measure([PEER, *BARS], rounds=given.rounds))
    except ImportFailedError as error:
        print(error, file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({"rows": found}))
    else:
        Console().print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
