"""Which of a grid's chips are cut."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_job.imagery.grid import asked, count, overview_window
from batch_job.values.raster import UPRIGHT
from batch_job.values.spaces import ChipGrid, ImageDetection, Window


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chips that are cut, and with them the overview: it is looked at where any chip is."""

    grid: ChipGrid
    chips: frozenset[Window] | None = None
    """None: all, however many there are."""
    has_no_place: bool = False
    """Some were to be chosen by their place on the ground, and the image has none."""

    def __contains__(self, window: Window) -> bool:
        if self.chips is None or window in self.chips:
            return True
        return bool(self.chips) and window == overview_window(self.grid)

    def asked(self, *, orientation: int = UPRIGHT) -> Iterator[Window]:
        """Yield all that a detector is to see, in the order of ``grid.asked``."""
        windows = asked(self.grid, orientation=orientation)
        return windows if self.chips is None else (window for window in windows if window in self)

    @property
    def count(self) -> int:
        """Tell how many windows are asked about."""
        if self.chips is None:
            return count(self.grid)
        return len(self.chips) + (bool(self.chips) and overview_window(self.grid) is not None)

    @property
    def skipped(self) -> int:
        """Tell how many are not."""
        return count(self.grid) - self.count

    def concerned(self, detections: Iterable[ImageDetection]) -> Iterator[ImageDetection]:
        """Yield what a chosen chip saw, or could have seen: not what the overview alone saw beyond all of them."""
        if self.chips is None:
            yield from detections
            return
        lands = np.array([(w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height) for w in self.chips])
        for found in detections:
            if not self.chips.isdisjoint(found.windows) or _touches(found, lands.reshape(-1, 4)):
                yield found


def _touches(found: ImageDetection, lands: NDArray[np.int_]) -> bool:
    """Tell whether a detection shares pixels with any of some windows, (n, 4) as boxes."""
    box = found.box
    apart = (
        (lands[:, 0] >= box.max_col)
        | (lands[:, 1] >= box.max_row)
        | (lands[:, 2] <= box.min_col)
        | (lands[:, 3] <= box.min_row)
    )
    return not bool(apart.all())
