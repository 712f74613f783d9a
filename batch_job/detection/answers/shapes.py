"""Reading shapes of answers: rings and turned boxes, mended where that is safe, ending at the image's own pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin
from typing import Any

import shapely

from batch_job.detection.answers.fields import read_box, read_list, read_number, shown
from batch_job.detection.polygons import largest_part, to_ring
from batch_job.errors import AnswerError
from batch_job.values.spaces import MIN_RING_POINTS, ChipFrame, PixelBox, PixelRing

Points = Sequence[tuple[float, float]]
"""(col, row) each."""

MAX_POINTS = 10_000
"""Of a ring: more than the edge of any chip has pixels on which one thing could end."""
PLAIN_POINTS = 100
"""Rings with more are traced around single pixels, as masks are, and made simpler."""
SIMPLER_PX = 0.5
"""How far from its points such a ring may then run: half of the steps that it is made of."""
MIN_AREA_PX2 = 1e-3
"""What is smaller has no inside."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a thing is in its chip."""

    box: PixelBox
    shape: PixelRing | None = None
    """None: the box."""


def read_position(value: Any, *, where: str) -> tuple[float, float]:
    """Expect [col, row], and pass over further numbers."""
    numbers = read_list(value, where=where)
    if len(numbers) < 2:
        raise AnswerError(f"{where}: expected a position, found {shown(value)}")
    return read_number(numbers[0], where=where), read_number(numbers[1], where=where)


def read_ring(value: Any, frame: ChipFrame, *, where: str) -> Outline | None:
    """Make an outline of a ring of positions; of one that crosses itself the largest part is taken.

    Args:
        value: An array of positions in pixels of the encoded picture; the first may stand again at the end.
        frame: The chip's.
        where: Place in the answer.

    Returns:
        None for one that shows nothing: it encloses nothing, or lies beside the content, in the padding say.

    Raises:
        AnswerError: no array of positions, none or too many of them, or they are far outside the chip.
    """
    positions = read_list(value, where=where)
    points = [read_position(position, where=f"{where}[{i}]") for i, position in enumerate(positions)]
    if not 0 < len(points) <= MAX_POINTS:
        raise AnswerError(f"{where}: expected up to {MAX_POINTS:,} positions, found {len(points):,}: {shown(value)}")
    return _outline(points, frame, where=where)


def read_turned_box(value: Any, frame: ChipFrame, *, where: str) -> Outline | None:
    """Make an outline of a box that is turned about its middle.

    Args:
        value: [middle column, middle row, width, height, angle]: pixels of the encoded picture; degrees, clockwise as
            one looks at the picture, from the direction of its columns to that of the box's width.
        frame: The chip's.
        where: Place in the answer.

    Returns:
        None for one that shows nothing, as of rings.

    Raises:
        AnswerError: not five numbers, a negative width or height, or far outside the chip.
    """
    numbers = [read_number(item, where=f"{where}[{i}]") for i, item in enumerate(read_list(value, where=where))]
    if len(numbers) != 5:
        raise AnswerError(f"{where}: expected [middle col, middle row, width, height, angle], found {shown(value)}")
    col, row, width, height, angle_deg = numbers
    if width < 0 or height < 0:
        raise AnswerError(f"{where}: a box of negative width or height: {shown(value)}")
    across, down = cos(radians(angle_deg)), sin(radians(angle_deg))
    corners = ((-width, -height), (width, -height), (width, height), (-width, height))
    points = [(col + (x * across - y * down) / 2, row + (x * down + y * across) / 2) for x, y in corners]
    return _outline(points, frame, where=where)


def _outline(points: Points, frame: ChipFrame, *, where: str) -> Outline | None:
    cols, rows = zip(*points, strict=True)
    if read_box((min(cols), min(rows), max(cols), max(rows)), frame, where=where) is None:
        return None
    content = shapely.box(0, 0, frame.content_width, frame.content_height)
    whole = _mended(points)
    inside = None if whole is None else largest_part(shapely.intersection(whole, content))
    if inside is None or inside.area < MIN_AREA_PX2:
        return None
    # what is next to nothing beyond an edge stays there
    inside = shapely.transform(inside, lambda points: points.clip((0, 0), (frame.content_width, frame.content_height)))
    min_col, min_row, max_col, max_row = inside.bounds
    box = PixelBox(min_col=min_col, min_row=min_row, max_col=max_col, max_row=max_row)
    return Outline(box, to_ring(inside))


def _mended(points: Points) -> shapely.Polygon | None:
    if len(set(points)) < MIN_RING_POINTS:
        return None
    polygon: shapely.Geometry = shapely.Polygon(points)
    if len(points) > PLAIN_POINTS:
        polygon = shapely.simplify(polygon, SIMPLER_PX)
    return largest_part(polygon if shapely.is_valid(polygon) else shapely.make_valid(polygon))
