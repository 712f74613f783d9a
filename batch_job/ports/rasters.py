"""Pixels, and where they are on the ground."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batch_job.values.image import ImageRef, SideFile
from batch_job.values.place import Georeference, Heights
from batch_job.values.raster import Pixels, RasterFacts, Shown
from batch_job.values.spaces import Window

Show = Callable[[Pixels], NDArray[np.uint8]]
"""Makes (3, rows, columns) in 8-bit RGB of pixels as they stand in the file; each pixel by itself, in any thread."""


class RasterSource(Protocol):
    """One open image."""

    @property
    def facts(self) -> RasterFacts:
        """The header."""
        ...

    def read_windows(self, windows: Iterable[Window], *, bands: Sequence[int]) -> Iterator[tuple[Window, Pixels]]:
        """Yield the pixels of each window, in the order given, of the bands given (1-based, as in GDAL).

        Raises:
            UnreadableImageError: the bytes are broken.
            ChangedError: the object is not the version that was opened.
        """
        ...

    def read_shown(
        self, windows: Iterable[Window], *, bands: Sequence[int], show: Show
    ) -> Iterator[tuple[Window, Shown]]:
        """Yield each window as it is shown, in the order given; ``read_windows`` in one streamed pass.

        Of windows that come row by row from the top, as a grid's do, every block is fetched and decoded once. Alive are
        at most two rows of windows and the picture, in 8 bits, of the rows that are still needed. Raises as
        ``read_windows``.
        """
        ...

    def read_scaled(
        self, windows: Iterable[Window], *, bands: Sequence[int], shrink: int
    ) -> Iterator[tuple[Window, Pixels]]:
        """Yield each window ``shrink`` times smaller a side: means of its pixels, or of a smaller copy in the file.

        Raises as ``read_windows``.
        """
        ...

    def read_overview(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read the whole image, scaled down so that neither side is over ``max_px``. Raises as ``read_windows``."""
        ...

    def has_copy_for(self, max_px: int) -> bool:
        """Tell whether the file holds a smaller copy of the image, not much larger than ``max_px`` a side."""
        ...

    def read_sample(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read about ``max_px``² pixels from all over the image, in any arrangement, without reading all of it.

        Raises as ``read_windows``.
        """
        ...


class OpenRaster(Protocol):
    """Opens images of allowed formats, under ``If-Match`` where the store has it."""

    def __call__(
        self, image: ImageRef, *, etag: str | None, mask: SideFile | None = None
    ) -> AbstractContextManager[RasterSource]:
        """Open an image, with the mask that lies beside it.

        Raises:
            UnreadableImageError, UnsupportedImageError, TooLargeError: image or mask is none that we read.
            ChangedError: the object is not the version ``etag`` any more, or the mask not its own.
        """
        ...


class ReadSideFile(Protocol):
    """Reads small files that lie beside an image."""

    def __call__(self, image: ImageRef, side_file: SideFile) -> bytes:
        """Read one whole, of exactly its version; nothing of one that is empty, or too large to tell of a place.

        Raises:
            ChangedError: it is not that version any more.
        """
        ...


class GroundTransform(Protocol):
    """Pixels to the ground where that takes more than an affine transform (GCPs, RPCs)."""

    def to_lonlat(
        self,
        georeference: Georeference,
        *,
        cols: NDArray[np.float64],
        rows: NDArray[np.float64],
        above_m: float = 0.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give longitudes and latitudes, degrees; not finite where there is no answer.

        ``above_m`` lifts the ground of RPCs above the height that is taken for it.

        Raises:
            SettingsError, AccessError: there is to be a DEM under RPCs, and it cannot be used.
            UnavailableError: its store does not answer.
        """
        ...

    def heights(self, georeference: Georeference, *, cols: NDArray[np.float64], rows: NDArray[np.float64]) -> Heights:
        """Tell how well the heights under pixels are known that are placed by RPCs. Raises as ``to_lonlat``."""
        ...
