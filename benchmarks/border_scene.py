"""Scenes of boxes with their truth, and detectors that see of each chip what lies in it, ideally or with noise.

Only boxes: no pixels are painted, so that 10,000 objects take a second. Objects of one label keep a gap between their
boxes; objects of two labels may lie over one another. ``local.scenes`` paints, and is tested end to end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from batch_job.imagery.grid import windows
from batch_job.values.spaces import ChipFrame, ChipGrid, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LABELS = ("Car", "Truck", "Boat")
LOT = (30, 30)
"""Columns and rows of cars in one car park."""
TRIES = 60
"""Places tried for an object before it is left out."""


class Layout(StrEnum):
    """How objects lie."""

    SCATTERED = "scattered"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class SceneKind:
    """What to plant."""

    name: str
    count: int
    sizes_px: tuple[float, float]
    """Shortest and longest side."""
    gaps_px: tuple[float, float] = (3.0, 4.0)
    """Between boxes of one label: at least the first; in car parks between the two."""
    overlap: float = 0.0
    """Share of the smaller box, across or down, by which boxes of one label may lie over each other besides that; those
    of car parks all do, across and down."""
    layout: Layout = Layout.SCATTERED
    width: int = 10_000
    height: int = 8_000


@dataclass(frozen=True, slots=True)
class Truth:
    """What was planted."""

    boxes: Floats
    """(n, 4): min_col, min_row, max_col, max_row."""
    labels: Ints
    """(n,) into ``LABELS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a detector gets wrong."""

    name: str
    jitter: float
    """Each side of a box is off by up to this share of the box's width or height."""
    missed: float = 0.0
    """Share of the views that are not reported."""
    false: float = 0.0
    """False positives, as a share of the views."""
    confused: float = 0.0
    """Share of the views of the first two labels that are called by the other one's name."""
    min_visible: float = 0.2
    """Share of an object below which its part in a chip is not seen."""


@dataclass(frozen=True, slots=True)
class Views:
    """What was reported of all chips, in image space; one item a view."""

    boxes: Floats
    labels: Ints
    confidences: Floats
    """0–100; falls with the share that is visible."""
    chips: Ints
    """(n,) into ``frames``."""
    objects: Ints
    """(n,) into the truth; -1 for what is not there."""
    frames: tuple[ChipFrame, ...]


IDEAL = Sight(name="ideal", jitter=0.02)
NOISY = Sight(name="noisy", jitter=0.04, missed=0.05, false=0.02, confused=0.03)

KINDS = (
    SceneKind("small 12-40 px", count=6000, sizes_px=(12, 40)),
    SceneKind("medium 60-300 px", count=1500, sizes_px=(60, 300)),
    SceneKind("dense parking", count=7200, sizes_px=(18, 48), layout=Layout.PARKED),
    SceneKind("large 400-1500 px", count=60, sizes_px=(400, 1500)),
)

GAPS = {"gap 3 px": (3.0, 0.0), "gap 0": (0.0, 0.0), "gap -25 %": (0.0, 0.25)}
"""Between boxes of one label: shortest gap, and share of a box that another may cover besides."""
CROWDS = tuple(
    replace(kind, name=f"{kind.name}, {name}", gaps_px=(gap_px, gap_px + 1), overlap=overlap)
    for kind in (KINDS[2], replace(KINDS[1], name="crowded 60-300 px", count=3000))
    for name, (gap_px, overlap) in GAPS.items()
)
"""Objects that touch or overlap; of those 60-300 px each label covers about 40 % of the ground."""

OVERVIEW_PX = 1024
"""Longest side of the picture of the whole image."""
OVERVIEW_OBJECT_PX = 12.0
"""Pixels of that picture: what has a shorter side is not seen in it."""


def plant(kind: SceneKind, seed: int) -> Truth:
    """Plant objects; those for which no place was found are left out."""
    rng = np.random.default_rng(seed)
    return _parked(kind, rng) if kind.layout is Layout.PARKED else _scattered(kind, rng)


def _scattered(kind: SceneKind, rng: np.random.Generator) -> Truth:
    labels = rng.integers(len(LABELS), size=kind.count)
    planted: list[list[Floats]] = [[] for _ in LABELS]
    kept: list[int] = []
    boxes: list[Floats] = []
    for label in labels.tolist():
        size = rng.uniform(*kind.sizes_px, size=2)
        others = np.array(planted[label]).reshape(-1, 4)
        low = rng.uniform((0, 0), (kind.width - size[0], kind.height - size[1]), size=(TRIES, 2))
        for place in np.concatenate((low, low + size), axis=1):
            gaps = np.maximum(others[:, :2] - place[2:], place[:2] - others[:, 2:])
            gaps += kind.overlap * np.minimum(others[:, 2:] - others[:, :2], size)
            if not (gaps.max(axis=1, initial=-np.inf) < kind.gaps_px[0]).any():
                planted[label].append(place)
                boxes.append(place)
                kept.append(label)
                break
    return Truth(np.array(boxes), np.array(kept))


def _parked(kind: SceneKind, rng: np.random.Generator) -> Truth:
    """Car parks on a coarse raster; cars of a car park are equal but for a pixel, and of one label."""
    cols, rows = LOT
    lots = -(-kind.count // (cols * rows))
    across = int(np.ceil(np.sqrt(lots)))
    boxes, labels = [], []
    for lot in range(lots):
        car = rng.uniform(*kind.sizes_px, size=2)
        gaps = rng.uniform(*kind.gaps_px, size=(2, rows, cols))
        corner = np.array([lot % across, lot // across]) * (kind.width / across, kind.height / across)
        corner += rng.uniform(0, 200, size=2)
        strides = car * (1 - kind.overlap)
        lefts = corner[0] + np.cumsum(strides[0] + gaps[0], axis=1)
        tops = corner[1] + np.cumsum(strides[1] + gaps[1].max(axis=1, keepdims=True), axis=0) + np.zeros((1, cols))
        low = np.stack((lefts, tops), axis=-1).reshape(-1, 2)
        boxes.append(np.concatenate((low, low + car), axis=1))
        labels.append(np.full(len(low), lot % len(LABELS)))
    planted, of = np.concatenate(boxes)[: kind.count], np.concatenate(labels)[: kind.count]
    inside = (planted[:, 2] < kind.width) & (planted[:, 3] < kind.height)
    return Truth(planted[inside], of[inside])


def chip_frames(grid: ChipGrid) -> list[ChipFrame]:
    """Frame each chip of a grid."""
    return [ChipFrame(each, each.width, each.height, each.width, each.height) for each in windows(grid)]


def overview_frame(grid: ChipGrid) -> ChipFrame:
    """Frame the picture of the whole image."""
    shrink = max(grid.image_width, grid.image_height) / OVERVIEW_PX
    width, height = round(grid.image_width / shrink), round(grid.image_height / shrink)
    whole = Window(col_off=0, row_off=0, width=grid.image_width, height=grid.image_height)
    return ChipFrame(whole, width, height, width, height)


def look(truth: Truth, frames: Sequence[ChipFrame], sight: Sight, seed: int) -> Views:
    """Have a detector look at pictures."""
    rng = np.random.default_rng([seed, 1])
    parts = [_seen_in(truth, chip, frame, sight, rng) for chip, frame in enumerate(frames)]
    boxes, labels, confidences, chips, objects = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Views(boxes, labels, confidences, chips, objects, tuple(frames))


def _seen_in(
    truth: Truth, chip: int, frame: ChipFrame, sight: Sight, rng: np.random.Generator
) -> tuple[Floats, Ints, Floats, Ints, Ints]:
    window = frame.window
    limits = np.array([window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height])
    visible = np.concatenate(
        (np.maximum(truth.boxes[:, :2], limits[:2]), np.minimum(truth.boxes[:, 2:], limits[2:])), axis=1
    )
    sides = (visible[:, 2:] - visible[:, :2]).clip(0)
    share = sides.prod(axis=1) / (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(axis=1)
    px = window.width / frame.content_width
    large_enough = (sides >= (OVERVIEW_OBJECT_PX * px if px > 1 else 1)).all(axis=1)
    reported = rng.random(len(share)) >= sight.missed
    objects = np.flatnonzero((share >= sight.min_visible) & large_enough & reported)
    labels = truth.labels[objects]
    confused = (labels < 2) & (rng.random(len(labels)) < sight.confused)
    labels = np.where(confused, 1 - labels, labels)
    confidences = (30 + 65 * share[objects] + rng.normal(0, 2, size=len(objects))).clip(1, 99)
    boxes = visible[objects]
    false = rng.binomial(len(objects), sight.false) if len(objects) else 0
    if false:
        boxes = np.concatenate((boxes, _elsewhere(boxes, limits, false, rng)))
        labels = np.concatenate((labels, rng.integers(len(LABELS), size=false)))
        confidences = np.concatenate((confidences, rng.uniform(20, 70, size=false)))
    boxes = _jittered(boxes, limits, sight.jitter, px, rng)
    objects = np.concatenate((objects, np.full(false, -1)))
    return boxes, labels, confidences, np.full(len(boxes), chip), objects


def _elsewhere(boxes: Floats, limits: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Put boxes of the sizes seen at random places of the chip."""
    sizes = (boxes[:, 2:] - boxes[:, :2])[rng.integers(len(boxes), size=count)]
    low = limits[:2] + rng.random((count, 2)) * (limits[2:] - limits[:2] - sizes)
    return np.concatenate((low, low + sizes), axis=1)


def _jittered(boxes: Floats, limits: Floats, jitter: float, px: float, rng: np.random.Generator) -> Floats:
    """Move every side, by up to half a pixel of a coarse picture besides; nothing leaves the chip."""
    sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    reach = sizes * jitter + (px / 2 if px > 1 else 0)
    moved = boxes + rng.uniform(-1, 1, size=boxes.shape) * reach
    return np.asarray(np.clip(moved, np.tile(limits[:2], 2), np.tile(limits[2:], 2)))
