"""Runs the sides of a benchmark in turn, each in a process of its own, and puts their figures beside each other."""

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.set_up import Environment
from benchmarks.task import Report, Task

TIMEOUT_S = 900
ROOT = Path(__file__).parents[1]
TOLERANCE = 4
"""Levels of 255 that a thumbnail's pixel may differ: chroma subsampling, and percentiles of other samples."""


class SideError(Exception):
    """A side cannot do the task; says why."""


class DisagreementError(Exception):
    """Two sides did not do the same; their times say nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One program that does the task."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    missing: str = ""
    """Why it cannot run here at all, where it cannot."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it gets beside ours."""

    @classmethod
    def of(cls, name: str, module: str, home: Environment) -> "Side":
        """Describe a peer that lives in an environment of its own."""
        return cls(name, module, python=home.python, missing=home.missing, environment=home.variables)

    def run(self, task: Task) -> Report:
        """Do the task once, in a new process.

        Raises:
            SideError: it cannot.
        """
        if self.missing:
            raise SideError(self.missing)
        command = [str(self.python), "-W", "ignore", "-m", self.module, task.to_json()]
        try:
            ended = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SideError(f"not done after {TIMEOUT_S} s") from error
        if ended.returncode:
            last_words = ended.stderr.strip().splitlines()[-1:] or [f"exit code {ended.returncode}"]
            raise SideError(f"cannot: {last_words[0]}")
        return Report.from_json(ended.stdout.splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Median:
    """A side's rounds in one."""

    chips_per_s: float
    chips_per_cpu_s: float
    peak_mb: float
    """The highest of all rounds."""

    @classmethod
    def of(cls, reports: Sequence[Report]) -> "Median":
        """Take the medians."""
        return cls(
            chips_per_s=statistics.median(len(one.offsets) / one.seconds for one in reports),
            chips_per_cpu_s=statistics.median(len(one.offsets) / one.cpu_seconds for one in reports),
            peak_mb=max(one.peak_mb for one in reports),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A case, measured. Of the sides the first is ours."""

    case: str
    medians: Mapping[str, Median]
    notes: Mapping[str, str]
    """By side: why it has no figures."""

    def rows(self, ours: str) -> list[dict[str, Any]]:
        """Give one row by the wall's clock, one by CPU time; every ratio above 1 means that ours is better."""
        return [
            self._row(ours, unit="chips/s", of="chips_per_s"),
            self._row(ours, unit="chips/CPU s", of="chips_per_cpu_s"),
        ]

    def _row(self, ours: str, *, unit: str, of: str) -> dict[str, Any]:
        best = getattr(self.medians[ours], of)
        row: dict[str, Any] = {"case": self.case, "unit": unit, "ours": round(best, 2)}
        for name, median in self.medians.items():
            if name != ours:
                row[name] = round(getattr(median, of), 2)
                row[f"ratio_{name}"] = round(best / getattr(median, of), 2)
        for name, note in self.notes.items():
            row |= {name: None, f"ratio_{name}": None, f"note_{name}": note}
        row["peak_mb"] = round(self.medians[ours].peak_mb)
        return row


def measure(case: str, task: Task, sides: Sequence[Side], *, rounds: int) -> Result:
    """Run the sides in turn, ours first; a peer that cannot do the task, or does another, gets a note.

    Raises:
        SideError, DisagreementError: ours does.
    """
    reports: dict[str, list[Report]] = {side.name: [] for side in sides}
    notes: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for side in sides:
            if side.name in notes:
                continue
            try:
                report = side.run(task)
                check_agreement(report, [*reports[sides[0].name], report][0], task)
            except (SideError, DisagreementError) as error:
                if side is sides[0]:
                    raise
                notes[side.name] = str(error)
                _say(f"{case}: {side.name}: {error}")
                continue
            reports[side.name].append(report)
            _say(f"{case}, round {number} of {rounds}: {side.name} {len(report.offsets) / report.seconds:.1f} chips/s")
    return Result(case, {name: Median.of(some) for name, some in reports.items() if name not in notes}, notes)


def check_agreement(report: Report, ours: Report, task: Task) -> None:
    """Make sure that two sides cut the same chips, with the same picture in them.

    Raises:
        DisagreementError: says where they differ.
    """
    if report.labels not in (None, task.objects):
        raise DisagreementError(f"found {report.labels} objects of {task.objects}")
    if report.offsets != ours.offsets:
        raise DisagreementError(f"cut {len(report.offsets)} chips elsewhere than our {len(ours.offsets)}")
    if not ours.thumbnails:
        raise DisagreementError("no chips to compare")
    for at, expected in ours.thumbnails.items():
        off = max(abs(one - other) for one, other in zip(report.thumbnails[at], expected, strict=True))
        if off > TOLERANCE:
            raise DisagreementError(f"other pixels: the chip at {at} is off by {off} levels of 255")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
