"""Which windows are read together when an image is read smaller. Pure."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from batch_job.values.spaces import Window

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


def _fits(window: Window, group: list[Window], *, shrink: int, pixel_bytes: int) -> bool:
    first = group[0]
    aligned = (window.col_off - first.col_off) % shrink == 0 and window.width == first.width
    rows, cols = size_of(around([*group, window]), shrink=shrink)
    return aligned and window.width % shrink == 0 and rows * cols * pixel_bytes <= TOGETHER_BYTES
