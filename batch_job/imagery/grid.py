"""Where an image is cut."""

from collections.abc import Iterator

from batch_job.imagery.orientation import Turn
from batch_job.values.raster import UPRIGHT
from batch_job.values.spaces import ChipGrid, Window


def windows(grid: ChipGrid, *, orientation: int = UPRIGHT) -> Iterator[Window]:
    """Yield the window of each chip, each once: row by row from the top left, or as the file holds the rows.

    Neighbours overlap by ``overlap_px`` or more: the last of a row or column is pulled back to end at the image's
    edge, so that it is as large as the others. An image smaller than a chip has one chip of its own size there.

    Args:
        grid: How the image is cut, as it is seen.
        orientation: EXIF's number of the file, which is read once only in the order of its own rows.
    """
    width = min(grid.chip_px, grid.image_width)
    height = min(grid.chip_px, grid.image_height)
    turn = Turn.by_exif(orientation)
    for col_off, row_off in _corners(grid, turn):
        yield Window(col_off=col_off, row_off=row_off, width=width, height=height)


def overview_window(grid: ChipGrid) -> Window | None:
    """Give the window of the overview: the whole image, where one is looked at."""
    if not grid.overview_px or count_chips(grid) == 1:
        return None
    return Window(col_off=0, row_off=0, width=grid.image_width, height=grid.image_height)


def asked(grid: ChipGrid, *, orientation: int = UPRIGHT) -> Iterator[Window]:
    """Yield all that a detector is to see: the windows of the chips, as ``windows`` does, then the overview's."""
    yield from windows(grid, orientation=orientation)
    if (overview := overview_window(grid)) is not None:
        yield overview


def count(grid: ChipGrid) -> int:
    """Tell how many windows are asked about, without making them."""
    return count_chips(grid) + (overview_window(grid) is not None)


def count_chips(grid: ChipGrid) -> int:
    """Tell how many chips there are, the overview apart."""
    return _steps(grid.image_width, grid) * _steps(grid.image_height, grid)


def _corners(grid: ChipGrid, turn: Turn) -> Iterator[tuple[int, int]]:
    """Yield (col_off, row_off); a turned file's rows are columns as seen, or come from the bottom."""
    cols = range(_steps(grid.image_width, grid))[:: -1 if turn.flips_cols else 1]
    rows = range(_steps(grid.image_height, grid))[:: -1 if turn.flips_rows else 1]
    ordered = ((col, row) for col in cols for row in rows) if turn.transposes else ((c, r) for r in rows for c in cols)
    for col, row in ordered:
        yield _offset(col, grid.image_width, grid), _offset(row, grid.image_height, grid)


def _offset(step: int, length: int, grid: ChipGrid) -> int:
    return min(step * (grid.chip_px - grid.overlap_px), max(length - grid.chip_px, 0))


def _steps(length: int, grid: ChipGrid) -> int:
    last = max(length - grid.chip_px, 0)
    return -(-last // (grid.chip_px - grid.overlap_px)) + 1
