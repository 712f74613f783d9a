"""Where in a picture the names of its boxes go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BESIDE_PX = 4
"""Between a name and its box, for the box's line."""
INSIDE_HEIGHTS = 4
"""A name within its box is for boxes of so many times its height."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """In the picture's own pixels, which are not those of its image."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Name:
    """What is to be written."""

    box: Rectangle
    """What it names."""
    width: float
    height: float


def place_names(names: Sequence[Name], *, width: int, height: int) -> list[Rectangle | None]:
    """Find a place for each name beside its box, or in a large one; None where it would hide something else.

    Earlier names go first. No name leaves the picture, lies on another or on another's box; a box around the one
    named may be written on.

    Args:
        names: Of all the boxes that must not be hidden.
        width: Of the picture, px.
        height: The same.
    """
    boxes = np.array([_edges(name.box) for name in names]).reshape(-1, 4)
    written = np.empty((0, 4))
    places: list[Rectangle | None] = []
    for index, name in enumerate(names):
        around = (boxes[:, :2] <= boxes[index, :2]).all(axis=1) & (boxes[:, 2:] >= boxes[index, 2:]).all(axis=1)
        taken = np.concatenate([written, boxes[~around]])
        within = (spot for spot in _spots(name, width) if _is_within(spot, width=width, height=height))
        place = next((spot for spot in within if not _hits(spot, taken)), None)
        if place is not None:
            written = np.concatenate([written, [_edges(place)]])
        places.append(place)
    return places


def _spots(name: Name, picture_width: int) -> Iterator[Rectangle]:
    """Yield places from the best on; those above and below are moved sideways into the picture."""
    box, width, height = name.box, name.width, name.height
    above, below = box.top - BESIDE_PX - height, box.bottom + BESIDE_PX
    for col in (box.left - BESIDE_PX, box.right + BESIDE_PX - width):
        moved = max(min(col, picture_width - width), 0)
        yield Rectangle(moved, above, moved + width, above + height)
        yield Rectangle(moved, below, moved + width, below + height)
    beside = [(box.right + BESIDE_PX, box.top), (box.left - BESIDE_PX - width, box.top)]
    if box.bottom - box.top >= INSIDE_HEIGHTS * height and box.right - box.left >= width + 2 * BESIDE_PX:
        beside.append((box.left + BESIDE_PX, box.top + BESIDE_PX))
    for col, row in beside:
        yield Rectangle(col, row, col + width, row + height)


def _is_within(spot: Rectangle, *, width: int, height: int) -> bool:
    return spot.left >= 0 and spot.top >= 0 and spot.right <= width and spot.bottom <= height


def _hits(spot: Rectangle, taken: NDArray[np.float64]) -> bool:
    left, top, right, bottom = _edges(spot)
    apart = (taken[:, 0] >= right) | (taken[:, 2] <= left) | (taken[:, 1] >= bottom) | (taken[:, 3] <= top)
    return not apart.all()


def _edges(of: Rectangle) -> tuple[float, float, float, float]:
    return of.left, of.top, of.right, of.bottom
