"""One object is one detection: errors at chip borders, ours beside SAHI's, OSML's and plain NMS, on the same views.

``python -m benchmarks.border_quality`` prints a table, ``--json`` rows. Peers run in their own environments (`make
bench-setup`). ``benchmarks.border_scene`` says what is planted and seen, ``benchmarks.border_errors`` what is counted.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from batch_job.detection.dechip import dechip
from batch_job.detection.merge import merge
from batch_job.values.spaces import ChipDetection, ChipGrid, ImageDetection, Label, PixelBox
from benchmarks.border_errors import Errors, merge_errors, plain_errors
from benchmarks.border_peers import PEERS, RULES, Merger
from benchmarks.border_scene import (
    CROWDS,
    IDEAL,
    KINDS,
    LABELS,
    NOISY,
    SceneKind,
    Sight,
    Truth,
    Views,
    chip_frames,
    look,
    overview_frame,
    plant,
)

GRIDS = {"1024/20 %": (1024, 204), "1024/5 %": (1024, 51), "512/20 %": (512, 102), "640/128 px": (640, 128)}
OURS = "ours"
CROWDED_GRIDS = ("1024/20 %", "1024/5 %")
NOT_ASKED = "not asked"
SEEDS = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One row."""

    kind: SceneKind
    grid_name: str
    sight: Sight
    overview: bool

    @property
    def name(self) -> str:
        """Sizes and grid, and whether the overview was looked at too."""
        return f"{self.kind.name}, {self.grid_name}{', overview' if self.overview else ''}"

    @property
    def grid(self) -> ChipGrid:
        """How the image is cut."""
        return ChipGrid(self.kind.width, self.kind.height, *GRIDS[self.grid_name])

    def look(self, truth: Truth, seed: int) -> Views:
        """Have the detector look at the chips, and at the whole."""
        frames = [*chip_frames(self.grid), *([overview_frame(self.grid)] if self.overview else ())]
        return look(truth, frames, self.sight, seed)


@dataclass(slots=True)
class Row:
    """What came out of a case, by side."""

    case: Case
    objects: int = 0
    errors: dict[str, Errors] = field(default_factory=dict)
    plain: dict[str, Errors] = field(default_factory=dict)
    """Against the truth alone, the detector's errors included."""

    def count(self, side: str, merged: Floats, truth: Truth, views: Views) -> None:
        """Count what is wrong with (n, 5) boxes and labels."""
        boxes, labels = merged[:, :4], merged[:, 4].astype(np.int64)
        plain = plain_errors(boxes, labels, truth)
        ideal = self.case.sight.name == IDEAL.name
        counted = plain if ideal else merge_errors(boxes, labels, truth, views)
        self.errors[side] = self.errors.get(side, Errors(0, 0)) + counted
        self.plain[side] = self.plain.get(side, Errors(0, 0)) + plain

    def to_json(self) -> dict[str, Any]:
        """Give the row as ``--json`` prints it; the ratio is of errors, one added to each so that none divides by 0."""
        told: dict[str, Any] = {
            "case": f"{self.case.sight.name}, {self.case.name}",
            "detector": self.case.sight.name,
            "unit": "errors",
            "objects": self.objects,
        }
        for side, errors in self.errors.items():
            told[side] = errors.total
            told |= {f"{side}_extra": errors.extra, f"{side}_missed": errors.missed}
            told[f"{side}_against_truth"] = self.plain[side].total
        ours = self.errors[OURS].total + 1
        for side in self.errors.keys() - {OURS}:
            told[f"ratio_{side}"] = round((self.errors[side].total + 1) / ours, 2)
        for peer in PEERS:
            for side in set(peer.rules) - self.errors.keys():
                told |= {side: None, f"note_{side}": peer.home.missing or NOT_ASKED}
        return told


def ours(views: Views, grid: ChipGrid) -> Floats:
    """Dechip and merge as the pipeline does."""
    merged = merge(list(_dechipped(views, grid)))
    return np.array([(*_edges(one.box), LABELS.index(one.label.name)) for one in merged]).reshape(-1, 5)


def _dechipped(views: Views, grid: ChipGrid) -> Iterator[ImageDetection]:
    labels = [Label(name) for name in LABELS]
    columns = (views.boxes.tolist(), views.labels.tolist(), views.confidences.tolist(), views.chips.tolist())
    for box, label, confidence, chip in zip(*columns, strict=True):
        frame = views.frames[chip]
        window = frame.window
        across, down = frame.content_width / window.width, frame.content_height / window.height
        there = PixelBox(
            min_col=(box[0] - window.col_off) * across,
            min_row=(box[1] - window.row_off) * down,
            max_col=(box[2] - window.col_off) * across,
            max_row=(box[3] - window.row_off) * down,
        )
        yield dechip(ChipDetection(labels[label], confidence, there), frame, grid)


def _edges(box: PixelBox) -> tuple[float, float, float, float]:
    return box.min_col, box.min_row, box.max_col, box.max_row


def cases() -> list[Case]:
    """List all rows."""
    return [
        Case(kind, grid_name, sight, overview)
        for sight in (IDEAL, NOISY)
        for kind in KINDS
        for grid_name in GRIDS
        for overview in (False, True)
    ]


def crowded_cases() -> list[Case]:
    """List those of objects that touch or overlap, without overviews."""
    return [
        Case(kind, grid_name, sight, overview=False)
        for sight in (IDEAL, NOISY)
        for kind in CROWDS
        for grid_name in CROWDED_GRIDS
    ]


def measure(case: Case, seeds: Sequence[int], *, peers: Sequence[Merger]) -> Row:
    """Count a case over some scenes."""
    row = Row(case)
    for seed in seeds:
        truth = plant(case.kind, seed)
        views = case.look(truth, seed)
        row.objects += len(truth.boxes)
        row.count(OURS, ours(views, case.grid), truth, views)
        for peer in peers:
            for side, merged in peer.merge(views).items():
                row.count(side, merged, truth, views)
    return row


def table(rows: Sequence[Row]) -> Table:
    """Lay the figures out for people."""
    shown = Table(title="extra / missed objects after merging", title_justify="left")
    sides = [OURS, *(side for side in RULES if side in rows[0].errors)]
    for heading in ("detector", "scene and chips"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("objects", *(RULES.get(side, side) for side in sides)):
        shown.add_column(heading, justify="right")
    for row in rows:
        figures = (f"{row.errors[side].extra} / {row.errors[side].missed}" for side in sides)
        shown.add_row(row.case.sight.name, row.case.name, str(row.objects), *figures)
    return shown


def main() -> int:
    """Count all cases; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--only", action="append", metavar="WORD", help="cases with this in their name")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="scenes a case")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the objects of each scene: its density")
    parser.add_argument("--gap", type=float, help="shortest gap between boxes of one label, px")
    parser.add_argument("--overlap", type=float, help="share of a box that another of its label may cover")
    parser.add_argument("--jitter", type=float, help="instead of the detectors' own: share of a box's side")
    parser.add_argument("--crowded", action="store_true", help="objects that touch or overlap, nothing else")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    given = parser.parse_args()
    chosen = [_adapted(case, given) for case in (crowded_cases() if given.crowded else cases())]
    chosen = [case for case in chosen if all(word in f"{case.sight.name}, {case.name}" for word in given.only or ())]
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    with ExitStack() as stack:
        asked = [] if given.alone else [peer for peer in PEERS if peer.home.is_complete]
        peers = [stack.enter_context(Merger(peer)) for peer in asked]
        rows = [measure(case, seeds, peers=peers) for case in chosen]
    if given.json:
        print(json.dumps({"rows": [row.to_json() for row in rows]}))
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(table(rows))
    return 0


def _adapted(case: Case, given: argparse.Namespace) -> Case:
    """Apply the options to a case."""
    kind, sight = replace(case.kind, count=max(1, round(case.kind.count * given.share))), case.sight
    if given.gap is not None:
        kind = replace(kind, gaps_px=(given.gap, given.gap + 1))
    if given.overlap is not None:
        kind = replace(kind, overlap=given.overlap)
    if given.jitter is not None:
        sight = replace(sight, jitter=given.jitter)
    return replace(case, kind=kind, sight=sight)


if __name__ == "__main__":
    sys.exit(main())
