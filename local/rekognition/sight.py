"""Finding solid coloured shapes in a picture; all that the stand-in knows of the world.

``docs/local.md`` states these rules for people who paint scenes. All arithmetic is on whole numbers, so that one
picture gives one answer on every machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from batch_job.values.spaces import PixelBox
from local.rekognition.labels import PALETTE_HUES

MIN_VALUE = 128
"""Half of the largest channel value."""
CORE_PX = 3
"""A shape must somewhere hold a solid square of this side: JPEG noise and the fringes between colours do not."""
HALF_CONFIDENT_PX = 4
"""A visible short side of this length has confidence 50; so the default of 55 asks for 5 px."""
MAX_CONFIDENCE = 99.0
ROWS_AT_ONCE = 256
"""Colours are told so many rows at a time, so that what is needed besides the picture stays small."""

Picture = NDArray[np.uint8]
"""(rows, columns, 3): red, green, blue, as decoders give it."""
Box = tuple[slice, slice]
"""Rows and columns of an array."""

# A hue's nearest multiple of 60 degrees says which channels lie above the middle between the largest and the smallest:
# red 100, yellow 110, green 010, cyan 011, blue 001, magenta 101.
_CODE_OF_HUE = {0: 0b100, 60: 0b110, 120: 0b010, 180: 0b011, 240: 0b001, 300: 0b101}
_LABEL_OF_CODE = {_CODE_OF_HUE[hue]: label for label, hue in PALETTE_HUES.items()}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A shape that was seen."""

    label: str
    confidence: float
    box: PixelBox


def look(picture: Picture) -> list[Sighting]:
    """Find every shape, from the top down.

    Args:
        picture: (rows, columns, 3), red, green, blue.
    """
    codes = _colour_codes(picture)
    found = []
    for outer, coloured in _shapes(codes > 0):
        within = np.where(coloured, codes[outer], 0)
        for code, label in _LABEL_OF_CODE.items():
            found += [_sighting(label, outer, inner) for inner, _ in _shapes(within == code)]
    return found


def confidence_of(*, short_side_px: float) -> float:
    """Give the confidence, 0–100, in a shape whose visible part has this short side."""
    return min(MAX_CONFIDENCE, round(100 * short_side_px / (short_side_px + HALF_CONFIDENT_PX), 4))


def _colour_codes(picture: Picture) -> NDArray[np.uint8]:
    """Give the hue code of each pixel, 0 where it is background; (rows, columns)."""
    codes = np.zeros(picture.shape[:2], dtype=np.uint8)
    for row_off in range(0, len(picture), ROWS_AT_ONCE):
        rows = slice(row_off, row_off + ROWS_AT_ONCE)
        _find_codes(picture[rows], into=codes[rows])
    return codes


def _find_codes(picture: Picture, *, into: NDArray[np.uint8]) -> None:
    red, green, blue = (picture[..., channel] for channel in range(3))
    high = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    # saturation of at least a half: low is at most half of high
    coloured = np.nonzero((high >= MIN_VALUE) & (low <= high >> 1))
    middle_twice = high[coloured].astype(np.int16) + low[coloured]
    above = [channel[coloured].astype(np.int16) * 2 > middle_twice for channel in (red, green, blue)]
    into[coloured] = above[0] * np.uint8(4) + above[1] * np.uint8(2) + above[2]


def _shapes(mask: NDArray[np.bool_]) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
    """Yield box and outline of each connected set of pixels (neighbours share a side) that holds a core."""
    if min(mask.shape) < CORE_PX or not mask.any():
        return
    numbered, count = ndimage.label(mask)
    solid = np.zeros(count + 1, dtype=bool)
    solid[numbered[: 1 - CORE_PX, : 1 - CORE_PX][_cores(mask)]] = True
    # numbered anew without the rest: noise has a hundred thousand specks, and each would cost a look of its own
    renumbering = np.where(solid, np.cumsum(solid), 0).astype(np.int32)
    np.take(renumbering, numbered, out=numbered, mode="clip")
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        yield box, numbered[box] == number


def _cores(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell where a solid square has its upper left corner; ``CORE_PX`` - 1 rows and columns fewer than the mask."""
    rows, cols = (side - CORE_PX + 1 for side in mask.shape)
    tall = np.logical_and.reduce([mask[down : down + rows] for down in range(CORE_PX)])
    return np.asarray(np.logical_and.reduce([tall[:, right : right + cols] for right in range(CORE_PX)]))


def _sighting(label: str, outer: Box, inner: Box) -> Sighting:
    row_off, col_off = outer[0].start, outer[1].start
    rows, cols = inner
    box = PixelBox(
        min_col=col_off + cols.start,
        min_row=row_off + rows.start,
        max_col=col_off + cols.stop,
        max_row=row_off + rows.stop,
    )
    return Sighting(label, confidence_of(short_side_px=min(box.width, box.height)), box)
