"""Which windows are read together when an image is read smaller, and means that leave out what is hidden. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch_job.adapters.raster_parts import Layout, Part
from batch_job.values.raster import Pixels
from batch_job.values.spaces import Window

PART_BYTES = 16 * 1024**2
"""Of a part, decoded: with the blocks around it less than half of GDAL's cache."""
TOGETHER_BYTES = 32 * 1024**2
"""Of one read, as it is given."""


def rows_of(windows: Iterable[Window], *, shrink: int, pixel_bytes: int) -> Iterator[list[Window]]:
    """Group windows that follow each other in one row, so that what they share is read once.

    Those of a group stand whole pixels of the smaller image apart: each is exactly what it would be if read alone. The
    last of a row, pulled back to the image's edge, often is not, and is a group of its own.
    """
    for _, row in groupby(windows, key=lambda window: (window.row_off, window.height)):
        group: list[Window] = []
        for window in row:
            if group and not _fits(window, group, shrink=shrink, pixel_bytes=pixel_bytes):
                yield group
                group = []
            group.append(window)
        yield group


def around(group: list[Window]) -> Window:
    """Give the window around those of a row."""
    start = min(window.col_off for window in group)
    end = max(window.col_off + window.width for window in group)
    return Window(col_off=start, row_off=group[0].row_off, width=end - start, height=group[0].height)


def size_of(window: Window, *, shrink: int) -> tuple[int, int]:
    """Give rows and columns of a window read smaller."""
    return max(1, round(window.height / shrink)), max(1, round(window.width / shrink))


def smaller_parts(window: Window, layout: Layout, *, shrink: int) -> Iterator[Part]:
    """Divide a window into parts that GDAL can hold decoded in all bands, each whole pixels of the smaller image.

    One that is no multiple of such pixels, as of an image smaller than a chip, stays whole.
    """
    rows, cols = size_of(window, shrink=shrink)
    row_step, col_step = rows, cols
    if (window.height, window.width) == (rows * shrink, cols * shrink):
        row_step, col_step = _steps(window, layout, shrink=shrink)
    for row in range(0, rows, row_step):
        for col in range(0, cols, col_step):
            to_row, to_col = min(row + row_step, rows), min(col + col_step, cols)
            part = Window(
                col_off=window.col_off + col * shrink,
                row_off=window.row_off + row * shrink,
                width=window.width * (to_col - col) // cols,
                height=window.height * (to_row - row) // rows,
            )
            yield Part(part, slice(row, to_row), slice(col, to_col))


def is_whole(window: Window, size: tuple[int, int]) -> bool:
    """Tell whether each smaller pixel, rows and columns given, stands for as many whole ones."""
    return window.height % size[0] == 0 and window.width % size[1] == 0


def means(pixels: Pixels, size: tuple[int, int], *, nodata: Sequence[float | None]) -> Pixels:
    """Give pixels in fewer rows and columns, each the mean of those that are valid, as GDAL's.

    Args:
        pixels: Of a window that ``is_whole``.
        size: Rows and columns.
        nodata: For each of the bands.

    Returns:
        Valid where the pixel in the middle was; 0 where none of them was.
    """
    rows, cols = size
    down, across = pixels.valid.shape[0] // rows, pixels.valid.shape[1] // cols
    smaller = np.zeros((pixels.bands.shape[0], rows, cols), pixels.bands.dtype)
    for shown, band, none in zip(smaller, pixels.bands, nodata, strict=True):
        counted = pixels.valid if none is None else pixels.valid & (band != none)
        counted = counted & ~np.isnan(band) if band.dtype.kind == "f" else counted
        shown[:] = _mean_of(band, counted, (rows, down, cols, across))
    return Pixels(smaller, pixels.valid[down // 2 :: down, across // 2 :: across])


def _mean_of(band: NDArray[Any], counted: NDArray[np.bool_], parts: tuple[int, int, int, int]) -> NDArray[np.float64]:
    sums = np.where(counted, band, 0).reshape(parts).sum(axis=(1, 3), dtype=np.float64)
    mean: NDArray[np.float64] = sums / np.maximum(counted.reshape(parts).sum(axis=(1, 3)), 1)
    return mean if band.dtype.kind == "f" else np.floor(mean + 0.5)


def _steps(window: Window, layout: Layout, *, shrink: int) -> tuple[int, int]:
    """Give rows and columns of a part, in smaller pixels: a square of blocks, or all that strips hold beside it."""
    pixels = max(1, PART_BYTES // layout.pixel_bytes)
    is_strip = layout.block_width >= layout.width
    width = window.width if is_strip else math.isqrt(pixels)
    return max(1, pixels // (layout.width if is_strip else width) // shrink), max(1, width // shrink)


def _fits(window: Window, group: list[Window], *, shrink: int, pixel_bytes: int) -> bool:
    first = group[0]
    aligned = (window.col_off - first.col_off) % shrink == 0 and window.width == first.width
    rows, cols = size_of(around([*group, window]), shrink=shrink)
    return aligned and window.width % shrink == 0 and rows * cols * pixel_bytes <= TOGETHER_BYTES
