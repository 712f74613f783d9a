"""How long pixels take to longitude and latitude: ours beside pyproj and rasterio, which start from map coordinates.

``pixels`` is pyproj from pixels on: the sums in numpy, then pyproj.

``python -m benchmarks.georeference`` prints a table, ``--json`` rows. Every run is in a process of its own, in turn;
the times are of the processor, as medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.side_place import CENTERS
from benchmarks.sides import ROOT

ROUNDS = 5
TIMEOUT_S = 120
PEERS = ("pyproj", "pixels", "rasterio")
TOLERANCE_DEG = 1e-9
"""0.1 mm."""
FOOTPRINTS_CRS = "EPSG:32633"


class RunFailedError(Exception):
    """A side cannot do it, or places pixels elsewhere; says which."""


def run(side: str, crs: str) -> dict[str, Any]:
    """Run a side once, in a new process.

    Raises:
        RunFailedError: it cannot.
    """
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.side_place", side, crs]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ended.returncode:
        raise RunFailedError(f"{side}, {crs}: {(ended.stderr.strip().splitlines() or ['?'])[-1]}")
    report: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return report


def measure_points(crs: str, rounds: int) -> dict[str, Any]:
    """Give a row of medians for a million pixels in one CRS.

    Raises:
        RunFailedError: a side cannot, or does not agree.
    """
    reports: dict[str, list[dict[str, Any]]] = {side: [] for side in ("ours", *PEERS)}
    for _ in range(rounds):
        for side, of in reports.items():
            of.append(run(side, crs))
            check_agreement(side, of[-1]["sample"], reports["ours"][0]["sample"])
    return row(f"1,000,000 corners, {crs}", reports)


def measure_footprints(rounds: int) -> dict[str, Any]:
    """Give a row for boxes with all that is indexed of their place, beside pyproj's time for the corners alone."""
    reports: dict[str, list[dict[str, Any]]] = {"ours": [], "pyproj": []}
    for _ in range(rounds):
        reports["ours"].append(run("footprints", FOOTPRINTS_CRS))
        reports["pyproj"].append(run("pyproj", FOOTPRINTS_CRS))
    return row(f"250,000 boxes: footprints, centres, areas, lengths, {FOOTPRINTS_CRS}", reports)


def check_agreement(side: str, sample: Any, ours: Any) -> None:
    """Make sure that two sides place pixels in the same places.

    Raises:
        RunFailedError: they do not.
    """
    off = float(np.abs(np.asarray(sample) - np.asarray(ours)).max())
    if not off <= TOLERANCE_DEG:
        raise RunFailedError(f"{side} and ours are {off} degrees apart")


def row(case: str, reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Put the sides beside each other; a ratio above 1 means that ours is faster."""
    seconds = {side: statistics.median(one["seconds"] for one in of) for side, of in reports.items()}
    ratios = {f"ratio_{side}": round(took / seconds["ours"], 2) for side, took in seconds.items() if side != "ours"}
    figures = {side: round(took, 3) for side, took in seconds.items()}
    peak = round(max(one["peak_mb"] for one in reports["ours"]))
    times = {"times_pyproj": round(seconds["ours"] / seconds["pyproj"], 2)}
    return {"case": case, "unit": "CPU s", **figures, **ratios, **times, "peak_mb": peak}


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay the figures out for people."""
    shown = Table(title="pixels to longitude and latitude, CPU seconds", title_justify="left")
    shown.add_column("case")
    for heading in ("ours", *PEERS, "times pyproj", "peak MB"):
        shown.add_column(heading, justify="right")
    for one in rows:
        figures = (one.get(key) for key in ("ours", *PEERS, "times_pyproj", "peak_mb"))
        shown.add_row(one["case"], *("–" if figure is None else str(figure) for figure in figures))
    return shown


def main() -> int:
    """Measure all; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is run")
    given = parser.parse_args()
    try:
        rows = [*(measure_points(crs, given.rounds) for crs in CENTERS), measure_footprints(given.rounds)]
    except (RunFailedError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({"rows": rows}))
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
