"""Scenes of planted objects, and a detector that sees of each object what lies in the chip, no more and no less.

Objects are convex (rectangles, turned ones, ellipses), and of one label stand at least ``GAP_PX`` apart by their
upright boxes, unless a scene is asked to let them overlap. What is seen of an object is the box of its visible part,
each side wrong by up to ``jitter_px``, cut at the chip's edge; what is thinner than a pixel is not seen.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon, affinity

from batch_job.detection.dechip import dechip
from batch_job.values.spaces import (
    ChipDetection,
    ChipFrame,
    ChipGrid,
    ImageDetection,
    Label,
    PixelBox,
    Window,
)

Floats = NDArray[np.float64]

GAP_PX = 3.0
LABELS = (Label("Car"), Label("Boat"))


@dataclass(frozen=True, slots=True)
class Planted:
    """An object of the scene, in image space."""

    label: Label
    shape: Polygon

    @property
    def box(self) -> PixelBox:
        return PixelBox(*self.shape.bounds)


@dataclass(frozen=True, slots=True)
class Errors:
    """What is wrong with a merged scene."""

    missed: int
    extra: int


def windows_of(grid: ChipGrid) -> list[Window]:
    """Cut a grid the plain way: another implementation than ``imagery.grid``."""
    return [
        Window(
            col_off=col,
            row_off=row,
            width=min(grid.chip_px, grid.image_width),
            height=min(grid.chip_px, grid.image_height),
        )
        for row in _offsets(grid.image_height, grid)
        for col in _offsets(grid.image_width, grid)
    ]


def frame_of(window: Window) -> ChipFrame:
    """A frame without padding or scaling."""
    return ChipFrame(window, window.width, window.height, window.width, window.height)


def plant(
    rng: random.Random, grid: ChipGrid, *, count: int, sizes_px: tuple[float, float], gap_px: float = GAP_PX
) -> list[Planted]:
    """Plant up to ``count`` objects at random, keeping the gap where it is not negative."""
    labels = rng.choices(range(len(LABELS)), k=count)
    objects: list[Planted] = []
    bounds = np.empty((len(LABELS), count, 4))
    placed = [0] * len(LABELS)
    for which in labels:
        shape = _shape(rng, grid, sizes_px)
        others = bounds[which, : placed[which]]
        if gap_px >= 0 and (_apart_px(others, np.array(shape.bounds)) < gap_px).any():
            continue
        bounds[which, placed[which]] = shape.bounds
        placed[which] += 1
        objects.append(Planted(LABELS[which], shape))
    return objects


def park(rng: random.Random, grid: ChipGrid, *, car_px: tuple[int, int], gap_px: float = GAP_PX) -> list[Planted]:
    """Fill the scene with rows of equal upright objects, exactly the gap apart."""
    width, height = car_px
    first_col, first_row = rng.random() * width, rng.random() * height
    cols = int((grid.image_width - first_col) // (width + gap_px))
    rows = int((grid.image_height - first_row) // (height + gap_px))
    corners = [
        (first_col + col * (width + gap_px), first_row + row * (height + gap_px))
        for row in range(rows)
        for col in range(cols)
    ]
    return [Planted(LABELS[0], shapely.box(x, y, x + width, y + height)) for x, y in corners]


def see(
    rng: random.Random, objects: Sequence[Planted], grid: ChipGrid, *, jitter_px: float = 1.0
) -> list[ImageDetection]:
    """Look at every chip and place what is seen in the image."""
    seen = []
    tree = shapely.STRtree([planted.shape for planted in objects])
    for window in windows_of(grid):
        cut = shapely.box(window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height)
        for i in sorted(tree.query(cut).tolist()):
            visible = objects[i].shape.intersection(cut)
            box = _seen_box(rng, visible, window, jitter_px)
            if box is not None:
                confidence = 100 * math.sqrt(visible.area / objects[i].shape.area)
                seen.append(dechip(ChipDetection(objects[i].label, confidence, box), frame_of(window), grid))
    return seen


def errors(objects: Sequence[Planted], merged: Sequence[ImageDetection], *, off_px: float = 2.0) -> Errors:
    """Match each object with one detection of its label, no side further off than ``off_px``."""
    left = list(merged)
    tree = shapely.STRtree([shapely.box(*_edges(found.box)) for found in left])
    taken: set[int] = set()
    for planted in objects:
        near = [
            i
            for i in tree.query(planted.shape).tolist()
            if i not in taken
            and left[i].label == planted.label
            and max(abs(a - b) for a, b in zip(_edges(left[i].box), _edges(planted.box), strict=True)) <= off_px
        ]
        taken.update(near[:1])
    return Errors(missed=len(objects) - len(taken), extra=len(left) - len(taken))


def _offsets(length: int, grid: ChipGrid) -> list[int]:
    last = max(length - grid.chip_px, 0)
    return [*range(0, last, grid.chip_px - grid.overlap_px), last]


def _shape(rng: random.Random, grid: ChipGrid, sizes_px: tuple[float, float]) -> Polygon:
    """A shape whose upright box has sides within ``sizes_px``."""
    kind = rng.choice(("rectangle", "turned", "ellipse"))
    raw = shapely.box(-1, -1, 1, 1) if kind != "ellipse" else shapely.Point(0, 0).buffer(1)
    raw = affinity.scale(raw, 1, rng.uniform(0.2, 1))
    if kind != "rectangle":
        raw = affinity.rotate(raw, rng.uniform(0, 180))
    low_col, low_row, high_col, high_row = raw.bounds
    width, height = rng.uniform(*sizes_px), rng.uniform(*sizes_px)
    shape = affinity.scale(raw, width / (high_col - low_col), height / (high_row - low_row), origin=(0, 0))
    to_col, to_row = (rng.uniform(0, grid.image_width - width), rng.uniform(0, grid.image_height - height))
    return affinity.translate(shape, to_col + width / 2, to_row + height / 2)


def _apart_px(bounds: Floats, other: Floats) -> Floats:
    """How far each upright box is from another, along the axis on which they are further apart."""
    gaps = np.concatenate((bounds[:, :2] - other[2:], other[:2] - bounds[:, 2:]), axis=1)
    return np.asarray(gaps.max(axis=1))


def _seen_box(rng: random.Random, visible: Polygon, window: Window, jitter_px: float) -> PixelBox | None:
    """The box of a visible part in chip space, as a detector that is off by the jitter gives it."""
    if visible.is_empty or visible.area == 0:
        return None
    low_col, low_row, high_col, high_row = visible.bounds
    if high_col - low_col < 1 or high_row - low_row < 1:
        return None
    cols = _jittered(rng, low_col - window.col_off, high_col - window.col_off, window.width, jitter_px)
    rows = _jittered(rng, low_row - window.row_off, high_row - window.row_off, window.height, jitter_px)
    return PixelBox(min_col=cols[0], min_row=rows[0], max_col=cols[1], max_row=rows[1])


def _jittered(rng: random.Random, low: float, high: float, limit: float, jitter_px: float) -> tuple[float, float]:
    """Move both ends, keep at least a pixel, stay in the chip."""
    start = low + rng.choice((-1, 0, 1, rng.uniform(-1, 1))) * jitter_px
    end = high + rng.choice((-1, 0, 1, rng.uniform(-1, 1))) * jitter_px
    start = min(max(start, 0.0), limit - 1.0)
    return start, max(min(end, float(limit)), start + 1.0)


def _edges(box: PixelBox) -> tuple[float, float, float, float]:
    return (box.min_col, box.min_row, box.max_col, box.max_row)
