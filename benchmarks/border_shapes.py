"""Turned objects at chip borders: ours, merging shapes, beside peers, merging the boxes around them.

``python -m benchmarks.border_shapes`` prints a table, ``--json`` rows in the form of ``benchmarks.border_quality``. An
ideal detector gives of each chip the part of an object that is in it, a little wrong, as a polygon; peers, which know
upright boxes only, get the box around the same polygon. What comes out is compared by boxes, for all sides.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from rich.console import Console
from shapely import affinity

from batch_job.detection.dechip import dechip
from batch_job.detection.merge import merge
from batch_job.detection.polygons import to_ring
from batch_job.values.spaces import ChipDetection, ChipFrame, ChipGrid, Label, PixelBox
from benchmarks.border_peers import PEERS, Merger
from benchmarks.border_quality import GRIDS, OURS, Case, Row, table
from benchmarks.border_scene import IDEAL, LABELS, TRIES, SceneKind, Truth, Views, chip_frames

TURNED = (
    SceneKind("rotated 40-300 px", count=1500, sizes_px=(40, 300)),
    SceneKind("rotated and slender 40-300 px", count=2500, sizes_px=(40, 300)),
)
SLENDER = {"rotated 40-300 px": (0.3, 1.0), "rotated and slender 40-300 px": (0.1, 0.25)}
"""Width over length, by the scene's name."""
GAP_PX = 3.0
SEEDS = 2

Floats = NDArray[np.float64]
Polygons = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was reported of all chips, in image space."""

    polygons: Polygons
    views: Views
    """The same as boxes."""


def plant(kind: SceneKind, seed: int) -> tuple[Truth, Polygons]:
    """Plant turned rectangles that keep a gap, whatever their labels; the boxes around them may overlap."""
    rng = np.random.default_rng(seed)
    planted: list[shapely.Polygon] = []
    size = (kind.width, kind.height)
    for _ in range(kind.count):
        length, slim, angle = rng.uniform(*kind.sizes_px), rng.uniform(*SLENDER[kind.name]), rng.uniform(0, 180)
        turned = affinity.rotate(shapely.box(-length / 2, -length * slim / 2, length / 2, length * slim / 2), angle)
        left, top, right, bottom = turned.bounds
        for col, row in rng.uniform((-left, -top), (size[0] - right, size[1] - bottom), size=(TRIES, 2)):
            one = affinity.translate(turned, col, row)
            if not shapely.dwithin(np.array(planted, dtype=object), one, GAP_PX).any():
                planted.append(one)
                break
    labels = rng.integers(len(LABELS), size=len(planted))
    return Truth(shapely.bounds(planted), labels), np.array(planted, dtype=object)


def look(planted: Polygons, truth: Truth, frames: Sequence[ChipFrame], seed: int) -> Seen:
    """Have the ideal detector look at chips; nothing that it says leaves the chip."""
    rng = np.random.default_rng([seed, 1])
    tree = shapely.STRtree(planted)
    found: list[tuple[shapely.Geometry, int, float, int, int]] = []
    for chip, frame in enumerate(frames):
        window = frame.window
        land = shapely.box(
            window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height
        )
        for which in np.sort(tree.query(land)).tolist():
            visible = planted[which].intersection(land)
            share = visible.area / planted[which].area
            if share >= IDEAL.min_visible:
                off = 1 + rng.uniform(-1, 1, size=2) * IDEAL.jitter
                polygon = affinity.scale(visible, *off).intersection(land)
                found.append((polygon, int(truth.labels[which]), 30 + 65 * share, chip, which))
    polygons, labels, confidences, chips, objects = (list(column) for column in zip(*found, strict=True))
    shapes = np.array(polygons, dtype=object)
    views = Views(
        shapely.bounds(shapes),
        np.array(labels),
        np.array(confidences),
        np.array(chips),
        np.array(objects),
        tuple(frames),
    )
    return Seen(shapes, views)


def ours(seen: Seen, grid: ChipGrid) -> Floats:
    """Dechip and merge shapes as the pipeline does; gives (n, 5) boxes around them and labels."""
    merged = merge(dechip(found, frame, grid) for found, frame in _detections(seen))
    boxes = ((one.box.min_col, one.box.min_row, one.box.max_col, one.box.max_row) for one in merged)
    labels = (LABELS.index(one.label.name) for one in merged)
    return np.array([(*box, label) for box, label in zip(boxes, labels, strict=True)]).reshape(-1, 5)


def _detections(seen: Seen) -> Iterator[tuple[ChipDetection, ChipFrame]]:
    views, labels = seen.views, [Label(name) for name in LABELS]
    columns = (seen.polygons, views.labels.tolist(), views.confidences.tolist(), views.chips.tolist())
    for polygon, label, confidence, chip in zip(*columns, strict=True):
        frame = views.frames[chip]
        in_chip = affinity.translate(polygon, -frame.window.col_off, -frame.window.row_off)
        yield ChipDetection(labels[label], confidence, PixelBox(*in_chip.bounds), to_ring(in_chip)), frame


def measure(case: Case, seeds: Sequence[int], *, peers: Sequence[Merger]) -> Row:
    """Count a case over some scenes."""
    row = Row(case)
    for seed in seeds:
        truth, planted = plant(case.kind, seed)
        seen = look(planted, truth, chip_frames(case.grid), seed)
        row.objects += len(planted)
        row.count(OURS, ours(seen, case.grid), truth, seen.views)
        for peer in peers:
            for rule, merged in peer.merge(seen.views).items():
                row.count(rule, merged, truth, seen.views)
    return row


def main() -> int:
    """Count all cases; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="scenes a case")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    given = parser.parse_args()
    cases = [Case(kind, grid_name, IDEAL, overview=False) for kind in TURNED for grid_name in GRIDS]
    with ExitStack() as stack:
        ready = () if given.alone else tuple(peer for peer in PEERS if peer.home.is_complete)
        peers = [stack.enter_context(Merger(peer)) for peer in ready]
        rows = [measure(case, range(given.seeds), peers=peers) for case in cases]
    if given.json:
        print(json.dumps({"rows": [row.to_json() for row in rows]}))
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
