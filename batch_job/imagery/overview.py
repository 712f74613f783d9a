"""A picture of the whole image, put together from its chips, so that nothing is read twice."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batch_job.imagery.grid import count_chips
from batch_job.values.spaces import ChipGrid, Window

_OPAQUE = 255


class Overview:
    """Grows while chips pass; holds one picture of at most ``grid.overview_px`` a side."""

    def __init__(self, grid: ChipGrid) -> None:
        """Begin an empty one."""
        self._chips_left = count_chips(grid)
        shrink = max(grid.image_width, grid.image_height, grid.overview_px) / grid.overview_px
        width, height = max(1, round(grid.image_width / shrink)), max(1, round(grid.image_height / shrink))
        self._px_per_col, self._px_per_row = grid.image_width / width, grid.image_height / height
        self.rgb: NDArray[np.uint8] = np.zeros((3, height, width), np.uint8)
        """(3, rows, columns)."""
        self.valid: NDArray[np.bool_] = np.zeros((height, width), np.bool_)
        """(rows, columns)."""

    @property
    def is_complete(self) -> bool:
        """Tell whether every chip has passed."""
        return self._chips_left == 0

    def add(self, window: Window, rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        """Average a chip's pixels into the pixels of the overview whose middle it holds.

        Args:
            window: Each of the grid's once.
            rgb: (3, rows, columns); fewer than the window has, of an image that is read smaller.
            valid: (rows, columns).
        """
        self._chips_left -= 1
        cols = _pixels(window.col_off, window.width, self._px_per_col, limit=self.rgb.shape[2])
        rows = _pixels(window.row_off, window.height, self._px_per_row, limit=self.rgb.shape[1])
        if cols.start >= cols.stop or rows.start >= rows.stop:
            return
        # in the chip's own pixels, which may be larger; an outer pixel may begin before it, by less than half of itself
        per_col, per_row = rgb.shape[2] / window.width, rgb.shape[1] / window.height
        box = (
            max(cols.start * self._px_per_col - window.col_off, 0.0) * per_col,
            max(rows.start * self._px_per_row - window.row_off, 0.0) * per_row,
            min(cols.stop * self._px_per_col - window.col_off, float(window.width)) * per_col,
            min(rows.stop * self._px_per_row - window.row_off, float(window.height)) * per_row,
        )
        size = (cols.stop - cols.start, rows.stop - rows.start)
        picture = Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0)))
        smaller = np.asarray(picture.resize(size, Image.Resampling.BOX, box=box))
        self.rgb[:, rows, cols] = smaller.transpose(2, 0, 1)
        if valid.all():
            self.valid[rows, cols] = True
            return
        mask = Image.fromarray(valid.astype(np.uint8) * _OPAQUE)
        self.valid[rows, cols] = np.asarray(mask.resize(size, Image.Resampling.BOX, box=box)) > _OPAQUE // 2


def _pixels(offset: int, length: int, px: float, *, limit: int) -> slice:
    """Give the overview's pixels along one axis whose middle lies in a window."""
    return slice(max(int(np.ceil(offset / px - 0.5)), 0), min(int(np.ceil((offset + length) / px - 0.5)), limit))
