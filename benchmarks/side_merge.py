"""What the programs of peers that merge have in common; runs in their environments too.

Given ``--time IN.npz`` such a program prints seconds, what is left, and its peak memory. Without arguments each line
of its input names a folder; it merges what ``in.npz`` holds there, writes ``out.npz`` and prints ``MERGED``.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from batch_job.cli.memory import peak_mb

IN, OUT, MERGED = "in.npz", "out.npz", "merged"

Merge = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Of boxes, labels and confidences: what is left, (n, 5) boxes and labels, by the name of each rule."""
Timed = Callable[[Mapping[str, Any]], Callable[[], int]]
"""Of the same, with the windows of chips: a function that merges and tells how many are left; time is taken of that."""


def main(merge: Merge, timed: Timed) -> None:
    """Do what the arguments say."""
    if sys.argv[1:2] == ["--time"]:
        _time(timed(_read(sys.argv[2])))
        return
    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        with redirect_stdout(sys.stderr):  # packages print what they think of the boxes
            np.savez(folder / OUT, **merge(_read(folder / IN)))
        print(MERGED, flush=True)


def _time(work: Callable[[], int]) -> None:
    began = time.process_time()
    with redirect_stdout(sys.stderr):
        left = work()
    print(time.process_time() - began, left, peak_mb())


def _read(path: str | Path) -> dict[str, Any]:
    with np.load(path) as given:
        return dict(given)
