"""How long merging takes: ours beside SAHI's function on arrays and OSML's on features, 10,000 to 1,000,000.

``python -m benchmarks.merge`` prints a table, ``--json`` rows. What comes out is compared by ``border_quality``; here
only the number of objects left is shown.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from batch_job.detection.dechip import EDGE_TOLERANCE_PX, EDGE_TOLERANCE_SHARE
from batch_job.detection.views import SIDES
from benchmarks.set_up import OSML, SAHI
from benchmarks.sides import ROOT

CHIP_PX, OVERLAP_PX = 1024, 204
SIZES_PX = (12.0, 60.0)
OBJECTS_PER_CHIP = 120
BOXES_PER_OBJECT = 1.5
"""About, at this overlap."""
ROUNDS = 3
TIMEOUT_S = 240
NOT_DONE = f"not done after {TIMEOUT_S} s"
OURS = "ours"
PEERS = {"sahi": (SAHI, "benchmarks.side_sahi_merge"), "osml": (OSML, "benchmarks.side_osml_merge")}
LONG_S = 30
"""A peer that takes longer is asked once."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Took:
    """One side's figures."""

    seconds: float
    left: int
    peak_mb: float


def scattered(count: int, *, labels: int = 3) -> Arrays:
    """Scatter objects over as many chips as it takes; what of them lies in each chip is a box."""
    rng = np.random.default_rng(count)
    objects = round(count / BOXES_PER_OBJECT * 1.05)
    stride = CHIP_PX - OVERLAP_PX
    across = max(2, round(np.sqrt(objects / OBJECTS_PER_CHIP * CHIP_PX**2 / stride**2)))
    side = stride * across + OVERLAP_PX
    low = rng.uniform(0, side - SIZES_PX[1], size=(objects, 2))
    whole = np.concatenate((low, low + rng.uniform(*SIZES_PX, size=(objects, 2))), axis=1)
    of = rng.integers(labels, size=objects)
    parts = []
    last = np.minimum((whole[:, 2:] // stride).astype(np.int64), across - 1)
    first = np.maximum(np.ceil((whole[:, :2] - CHIP_PX) / stride).astype(np.int64), 0)
    for step in ((0, 0), (1, 0), (0, 1), (1, 1)):
        chip = first + step
        seen = np.flatnonzero((chip <= last).all(axis=1))
        parts.append((seen, chip[seen]))
    which, chips = (np.concatenate(column) for column in zip(*parts, strict=True))
    kept = np.sort(rng.permutation(len(which))[:count])
    which, chips = which[kept], chips[kept]
    corners = chips * stride
    boxes = np.concatenate((np.maximum(whole[which, :2], corners), np.minimum(whole[which, 2:], corners + CHIP_PX)), 1)
    sizes = boxes[:, 2:] - boxes[:, :2]
    boxes += rng.uniform(-0.02, 0.02, size=boxes.shape) * np.tile(sizes, 2)
    return _arrays(boxes, of[which], chips, across, rng)


def one_place(count: int) -> Arrays:
    """Put all boxes in one place where four chips meet."""
    rng = np.random.default_rng(0)
    low = rng.uniform(900, 901, size=(count, 2))
    boxes = np.concatenate((low, low + rng.uniform(20, 21, size=(count, 2))), axis=1)
    return _arrays(boxes, np.zeros(count, np.int64), rng.integers(2, size=(count, 2)), 2, rng)


def under_one(count: int) -> Arrays:
    """Put one box over all others."""
    arrays = scattered(count, labels=1)
    side = float(arrays["windows"].max())
    windows = np.concatenate((arrays["windows"], [[0, 0, side, side]]))
    boxes = np.concatenate((arrays["boxes"][1:], [[5, 5, side - 5, side - 5]]))
    chips = np.concatenate((arrays["chips"][1:], [len(windows) - 1]))
    cut = np.concatenate((arrays["cut"][1:], np.zeros(1, np.uint8)))
    pixels = np.concatenate((arrays["resolutions_px"], [side / CHIP_PX]))
    return arrays | {"windows": windows, "boxes": boxes, "chips": chips, "cut": cut, "resolutions_px": pixels}


CASES: Mapping[str, Callable[[], Arrays]] = {
    "10,000 boxes": lambda: scattered(10_000),
    "100,000 boxes": lambda: scattered(100_000),
    "1,000,000 boxes": lambda: scattered(1_000_000),
    "1,000,000 boxes, one label": lambda: scattered(1_000_000, labels=1),
    "1,000,000 boxes, 1,000 labels": lambda: scattered(1_000_000, labels=1000),
    "1,000,000 boxes under one huge one": lambda: under_one(1_000_000),
    "100,000 boxes in one place": lambda: one_place(100_000),
    "1,000,000 boxes in one place": lambda: one_place(1_000_000),
    "10,000,000 boxes": lambda: scattered(10_000_000),
}
OSML_CASES = frozenset({"10,000 boxes", "100,000 boxes", "1,000,000 boxes"})
NOT_ASKED = "not asked: a million boxes take it a minute"
BY_NAME_ONLY = frozenset({"10,000,000 boxes"})
"""Cases that take too long for every run."""
TENFOLD = ("10,000 boxes", "100,000 boxes", "1,000,000 boxes")


def _arrays(boxes: Any, labels: Any, chips: Any, across: int, rng: np.random.Generator) -> Arrays:
    """Give what both sides need; ``chips`` are columns and rows of a square grid."""
    stride = CHIP_PX - OVERLAP_PX
    numbers = np.arange(across)
    lows = np.stack(np.meshgrid(numbers, numbers), axis=-1).reshape(-1, 2) * stride
    windows = np.concatenate((lows, lows + CHIP_PX), axis=1).astype(np.float64)
    seen_in = chips[:, 1] * across + chips[:, 0]
    limits = windows[seen_in]
    boxes = np.clip(boxes, np.tile(limits[:, :2], 2), np.tile(limits[:, 2:], 2))
    near = np.maximum(EDGE_TOLERANCE_PX, EDGE_TOLERANCE_SHARE * np.tile(boxes[:, 2:] - boxes[:, :2], 2))
    outer = np.array([0, 0, windows.max(), windows.max()])
    cut = (np.abs(boxes - limits) <= near) & (limits != outer)
    return {
        "boxes": boxes,
        "labels": labels,
        "confidences": rng.uniform(50, 99, size=len(boxes)),
        "chips": seen_in,
        "cut": (cut * np.array(SIDES, dtype=np.uint8)).sum(axis=1, dtype=np.uint8),
        "windows": windows,
        "resolutions_px": np.ones(len(windows)),
    }


def run(python: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Took | str:
    """Run a side once, in a process of its own; says why where it cannot."""
    command = [python, "-W", "ignore", "-m", *arguments]
    told = {**os.environ, **(variables or {})}
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return NOT_DONE
    if ended.returncode:
        return f"cannot: {(ended.stderr.strip().splitlines() or ['?'])[-1]}"
    seconds, left, peak = ended.stdout.split()[-3:]
    return Took(float(seconds), int(left), float(peak))


def measure(case: str, rounds: int) -> dict[str, Any]:
    """Run the sides in turn; gives a row of medians."""
    took: dict[str, list[Took | str]] = {side: [] for side in (OURS, *PEERS)}
    with tempfile.TemporaryDirectory() as folder:
        given = str(Path(folder) / "in.npz")
        np.savez(given, **CASES[case]())  # type: ignore[arg-type]  # numpy's own signature has a flag among them
        for _ in range(rounds):
            took[OURS].append(run(sys.executable, "benchmarks.side_ours_merge", given))
            for peer in PEERS:
                if all(isinstance(one, Took) and one.seconds < LONG_S for one in took[peer]):
                    took[peer].append(_ask(peer, case, given))
    return to_row(case, took)


def to_row(case: str, took: Mapping[str, Sequence[Took | str]]) -> dict[str, Any]:
    """Put the medians of all sides beside each other, and why a side has none."""
    row: dict[str, Any] = {"case": case, "unit": "s"}
    for side, figures in took.items():
        done = [one for one in figures if isinstance(one, Took)]
        notes = [one for one in figures if isinstance(one, str)]
        row[side] = round(statistics.median(one.seconds for one in done), 4) if done else None
        row["peak_mb" if side == OURS else f"peak_mb_{side}"] = round(max((one.peak_mb for one in done), default=0))
        row[f"left_{side}"] = done[0].left if done else None
        if notes:
            row[f"note_{side}"] = notes[0]
        if side != OURS:
            row[f"ratio_{side}"] = round(row[side] / row[OURS], 2) if row[side] and row[OURS] else None
    return row


def growth(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give how many times as long ten times the boxes take, where both were measured: 10 is linear."""
    measured = {row["case"]: row for row in rows}
    grown = []
    for few, many in pairwise(TENFOLD):
        if few in measured and many in measured:
            one, ten = measured[few], measured[many]
            row: dict[str, Any] = {"case": f"{many}, times as long as {few}", "unit": "times"}
            for side in (OURS, *PEERS):
                row[side] = round(ten[side] / one[side], 1) if ten[side] and one[side] else None
            grown.append(row)
    return grown


def _ask(peer: str, case: str, given: str) -> Took | str:
    home, module = PEERS[peer]
    if home.missing:
        return home.missing
    if home is OSML and case not in OSML_CASES:
        return NOT_ASKED
    return run(str(home.python.absolute()), module, "--time", given, variables=home.variables)


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay the figures out for people."""
    shown = Table(title="merging, processor time; ratio above 1: ours is faster", title_justify="left")
    shown.add_column("boxes", no_wrap=True)
    for heading in ("ours, s", "SAHI, s", "ratio", "OSML, s", "ratio", "ours, MB", "SAHI, MB", "OSML, MB", "left"):
        shown.add_column(heading, justify="right")
    for row in rows:
        times = ("ours", "sahi", "ratio_sahi", "osml", "ratio_osml")
        keys = (*times, "peak_mb", "peak_mb_sahi", "peak_mb_osml", "left_ours")
        shown.add_row(row["case"], *(str(row.get(key) or "–") for key in keys))
    return shown


def main() -> int:
    """Measure; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", action="append", metavar="CASE", help="measure this case; may be given again")
    given = parser.parse_args()
    if unknown := set(given.only or ()) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are: {'; '.join(CASES)}")
    rows = [measure(case, given.rounds) for case in given.only or CASES if given.only or case not in BY_NAME_ONLY]
    rows += growth(rows)
    if given.json:
        print(json.dumps({"rows": rows}))
    else:
        console = Console(width=None if sys.stdout.isatty() else 120)
        console.print(table(rows))
        for row in rows:
            for side in (OURS, *PEERS):
                if f"note_{side}" in row:
                    console.print(f"{row['case']}: {side}: {row[f'note_{side}']}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
