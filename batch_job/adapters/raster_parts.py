"""Which parts of a raster are read together: whole blocks, so that none is fetched or decoded twice. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batch_job.values.spaces import Window

PART_BYTES = 8 * 1024**2
"""Of an overview without a smaller copy in the file: half of GDAL's cache, in which all bands of a part must fit."""

SAMPLE_BLOCKS = (64, 256, 1024)
"""How many places of an image are looked at: the next number only if nothing but nodata stands at all of the former."""
SAMPLE_PIXELS = 16 * 1024**2
"""... and no more than so many in all of the first 64, where blocks are larger than 512²."""
LEAST_BLOCKS = 9

MAX_OVERSIZE = 4
"""A copy up to so many times larger than asked for is read whole: COGs halve down to 512 px, other files to less."""
_GDAL_THRESHOLD = 1.2
"""GDAL reads the smallest copy that is not more than so much smaller than asked for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a raster lies in its file."""

    width: int
    height: int
    block_width: int
    block_height: int
    pixel_bytes: int
    """Of all bands that lie in one block."""
    shrinks: tuple[int, ...] = ()
    """How many times smaller its copies are (GDAL's overviews)."""

    def has_copy_for(self, max_px: int) -> bool:
        """Tell whether GDAL will read a copy not much larger than ``max_px`` a side."""
        longer = max(self.width, self.height)
        fitting = [shrink for shrink in self.shrinks if shrink * max_px <= _GDAL_THRESHOLD * longer]
        return bool(fitting) and longer <= MAX_OVERSIZE * max_px * max(fitting)


@dataclass(frozen=True, slots=True)
class Part:
    """A window of a raster, and where it comes to lie in the overview."""

    window: Window
    rows: slice
    cols: slice

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns in the overview."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start


def overview_size(layout: Layout, *, max_px: int) -> tuple[int, int]:
    """Give rows and columns of the whole image scaled so that neither is over ``max_px``."""
    shrink = max(layout.width, layout.height, max_px) / max_px
    return max(1, round(layout.height / shrink)), max(1, round(layout.width / shrink))


def parts_of(layout: Layout, *, rows: int, cols: int) -> Iterator[Part]:
    """Divide an overview of ``rows`` x ``cols`` into parts of whole blocks; each of its pixels is in one of them."""
    row_bytes = layout.block_height * layout.width * layout.pixel_bytes
    block_bytes = layout.block_height * layout.block_width * layout.pixel_bytes
    part_height = layout.block_height * max(1, PART_BYTES // row_bytes)
    part_width = layout.width if row_bytes <= PART_BYTES else layout.block_width * max(1, PART_BYTES // block_bytes)
    across = list(_spans(layout.width, part_width, cols))
    for row_off, height, out_rows in _spans(layout.height, part_height, rows):
        for col_off, width, out_cols in across:
            yield Part(Window(col_off=col_off, row_off=row_off, width=width, height=height), out_rows, out_cols)


def sample_of(layout: Layout, *, blocks: int) -> list[Window]:
    """Give the windows of blocks spread evenly over a raster, at most ``blocks``, all when there are no more."""
    block_pixels = layout.block_width * layout.block_height
    blocks = max(LEAST_BLOCKS, min(blocks, SAMPLE_PIXELS * blocks // SAMPLE_BLOCKS[0] // block_pixels))
    there_across, there_down = -(-layout.width // layout.block_width), -(-layout.height // layout.block_height)
    down = min(blocks, there_down, math.ceil(math.sqrt(blocks * there_down / there_across)))
    across = min(there_across, blocks // down)
    return [
        _block(layout, row=row, col=col) for row in _spread(there_down, down) for col in _spread(there_across, across)
    ]


def sampled_sizes(windows: Sequence[Window], *, max_pixels: int) -> list[tuple[int, int]]:
    """Give rows and columns to which each window is scaled so that together they have about ``max_pixels``."""
    step = max(1.0, math.sqrt(sum(window.width * window.height for window in windows) / max_pixels))
    return [(math.ceil(window.height / step), math.ceil(window.width / step)) for window in windows]


def shared(off: int, length: int, there: int, length_there: int) -> tuple[slice, slice]:
    """Give what two spans share, as the first and as the second counts."""
    start, stop = max(off, there), min(off + length, there + length_there)
    return slice(start - off, stop - off), slice(start - there, stop - there)


def _spans(length: int, part: int, out: int) -> Iterator[tuple[int, int, slice]]:
    """Yield start and length of each part of a side that shows in the overview, and where it does."""
    for start in range(0, length, part):
        end = min(start + part, length)
        shown = slice(round(start * out / length), round(end * out / length))
        if shown.start < shown.stop:
            yield start, end - start, shown


def _spread(there: int, taken: int) -> list[int]:
    return [(2 * n + 1) * there // (2 * taken) for n in range(taken)]


def _block(layout: Layout, *, row: int, col: int) -> Window:
    row_off, col_off = row * layout.block_height, col * layout.block_width
    return Window(
        col_off=col_off,
        row_off=row_off,
        width=min(layout.block_width, layout.width - col_off),
        height=min(layout.block_height, layout.height - row_off),
    )
