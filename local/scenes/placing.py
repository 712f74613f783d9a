"""Where a scene's objects lie: at random, the largest first, with the gap kept."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import shapely

from batch_job.values.spaces import PixelBox
from local.scenes.shapes import box_of, draw, outline
from local.scenes.spec import Form, Scene, SceneError, Shape, Spacing

CELL_PX = 128
"""Neighbours are looked up in a grid of this spacing."""
TRIES = 400
"""Places tried for an object before the scene counts as full."""
MIN_THICKNESS_PX = 9
"""Of an object's shorter side where its box allows: enough for JPEG at quality 60 to leave its hue."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in its place, with the box of its pixels."""

    shape: Shape
    box: PixelBox


def place(scene: Scene) -> list[Placed]:
    """Find a place for every object.

    Raises:
        SceneError: they do not fit.
    """
    dice = random.Random(scene.seed)  # noqa: S311  a play, no secret
    ground = _Ground(scene.gap_px, scene.spacing)
    for shape in scene.planted:
        ground.add(Placed(shape, box_of(draw(shape).window)))
    sizes = [_log_uniform(dice, scene.min_object_px, scene.max_object_px) for _ in range(scene.count)]
    for size in sorted(sizes, reverse=True):
        if not any(ground.add_if_free(candidate) for candidate in _candidates(scene, dice, size)):
            raise SceneError(f"scene {scene.name!r}: {scene.count} objects do not fit; {len(ground.placed)} did")
    return ground.placed


def _log_uniform(dice: random.Random, low: float, high: float) -> float:
    return math.exp(dice.uniform(math.log(low), math.log(high)))


def _candidates(scene: Scene, dice: random.Random, size: float) -> Iterator[Placed]:
    """Yield one object at many places; its upright box has the longer side ``size``."""
    shape = _shape(scene, dice, size)
    half_cols, half_rows = shape.half_extent
    border = scene.nodata_border_px
    for _ in range(TRIES):
        at = replace(
            shape,
            col=dice.uniform(border + half_cols, scene.width - border - half_cols),
            row=dice.uniform(border + half_rows, scene.height - border - half_rows),
        )
        yield Placed(at, box_of(draw(at).window))


def _shape(scene: Scene, dice: random.Random, size: float) -> Shape:
    thinnest = min(1.0, max(scene.slenderest, MIN_THICKNESS_PX / size))
    # drawn with a unit length first, then scaled so that its box comes out as asked
    unit = Shape(
        label=dice.choice(scene.labels),
        form=dice.choice(tuple(Form)),
        col=0,
        row=0,
        length=1,
        width=dice.uniform(thinnest, 1),
        angle_deg=dice.uniform(0, 180),
        shade=dice.randrange(1 << 16),
    )
    scale = size / (2 * max(unit.half_extent))
    return replace(unit, length=scale, width=scale * unit.width)


class _Ground:
    """The objects placed so far, by grid cell."""

    def __init__(self, gap_px: int, spacing: Spacing) -> None:
        self.placed: list[Placed] = []
        self._gap_px = gap_px
        self._spacing = spacing
        self._cells: defaultdict[tuple[int, int], list[Placed]] = defaultdict(list)

    def add_if_free(self, candidate: Placed) -> bool:
        """Place an object where the gap to all others is kept; tells whether it was."""
        near = {id(other): other for cell in self._cells_of(candidate.box) for other in self._cells[cell]}
        if any(self._too_near(candidate, other) for other in near.values()):
            return False
        self.add(candidate)
        return True

    def add(self, placed: Placed) -> None:
        """Place an object."""
        self.placed.append(placed)
        for cell in self._cells_of(placed.box):
            self._cells[cell].append(placed)

    def _cells_of(self, box: PixelBox) -> Iterable[tuple[int, int]]:
        low_col, low_row = int(box.min_col - self._gap_px) // CELL_PX, int(box.min_row - self._gap_px) // CELL_PX
        high_col, high_row = int(box.max_col + self._gap_px) // CELL_PX, int(box.max_row + self._gap_px) // CELL_PX
        return ((col, row) for row in range(low_row, high_row + 1) for col in range(low_col, high_col + 1))

    def _too_near(self, one: Placed, other: Placed) -> bool:
        gap_px = self._gap_px
        if not (
            one.box.min_col < other.box.max_col + gap_px
            and other.box.min_col < one.box.max_col + gap_px
            and one.box.min_row < other.box.max_row + gap_px
            and other.box.min_row < one.box.max_row + gap_px
        ):
            return False
        if self._spacing is Spacing.APART:
            return True
        if self._spacing is Spacing.BY_LABEL and one.shape.label == other.shape.label:
            return True
        # one more pixel, since pixels are drawn by their centres
        return bool(_polygon(one.shape).distance(_polygon(other.shape)) < gap_px + 1)


def _polygon(shape: Shape) -> shapely.Polygon:
    return shapely.Polygon(outline(shape))
