"""Where an image is cut."""

from collections.abc import Iterator

from batch_job.values.spaces import ChipGrid, Window


def windows(grid: ChipGrid) -> Iterator[Window]:
    """Yield the window of each chip, row by row from the top left, each once.

    Neighbours overlap by ``overlap_px`` or more: the last of a row or column is pulled back to end at the image's
    edge, so that it is as large as the others. An image smaller than a chip has one chip of its own size there.
    """
    width = min(grid.chip_px, grid.image_width)
    height = min(grid.chip_px, grid.image_height)
    for row_off in _offsets(grid.image_height, grid):
        for col_off in _offsets(grid.image_width, grid):
            yield Window(col_off=col_off, row_off=row_off, width=width, height=height)


def count(grid: ChipGrid) -> int:
    """Tell how many windows there are, without making them."""
    return _steps(grid.image_width, grid) * _steps(grid.image_height, grid)


def _offsets(length: int, grid: ChipGrid) -> Iterator[int]:
    last = max(length - grid.chip_px, 0)
    yield from range(0, last, grid.chip_px - grid.overlap_px)
    yield last


def _steps(length: int, grid: ChipGrid) -> int:
    last = max(length - grid.chip_px, 0)
    return -(-last // (grid.chip_px - grid.overlap_px)) + 1
