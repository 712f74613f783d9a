"""A mask in a file beside an image, GDAL's ``scene.tif.msk``: which pixels are a picture.

It is read as its image is: by ranges, under its ETag, with GDAL's TIFF driver alone. Its blocks may lie otherwise than
the image's, so what was decoded is kept, a bit a pixel, until other parts of the mask need the room.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.windows import Window as GdalWindow

from batch_job.adapters.gdal_open import closing, open_dataset
from batch_job.adapters.gdal_thread import as_ours
from batch_job.adapters.ranges import RangedObject, RangeReader
from batch_job.adapters.raster_blocks import Blocks
from batch_job.adapters.raster_header import HEAD_BYTES, driver_of, read_layout
from batch_job.adapters.raster_limits import check_size
from batch_job.adapters.raster_parts import Layout, shared
from batch_job.adapters.raster_pieces import MAX_ROW_BYTES, PIECE_PX, PieceGrid
from batch_job.errors import UnreadableImageError, UnsupportedImageError
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Window

KEPT_BYTES = MAX_ROW_BYTES // 3 // 8
"""What a row of the image's pieces shows of it; beside that, two rows of its own blocks are kept, where they meet."""
READ_BYTES = 4 * 1024**2
"""Decoded, on its way to bits."""
PICKED_PIXELS = 64 * 1024**2
"""What is read smaller is picked from what is kept; of larger windows GDAL picks, and decodes all it needs again."""

_FLAGS = "INTERNAL_MASK_FLAGS_{}"
"""GDAL's metadata of a mask: by the image's band, whether the mask's first band is for all of them."""


class MaskBeside:
    """An open mask; for the thread of its image."""

    def __init__(self, image: ImageRef, file: RangedObject, dataset: Any) -> None:
        """Take the file's name, what reads it, and rasterio's dataset."""
        self._image, self._file, self._dataset = image, file, dataset
        self._layout = read_layout(dataset)
        self._grid = _grid(self._layout)
        apart = dataset.interleaving is not None and dataset.interleaving.value != "PIXEL"
        self._blocks = Blocks(dataset, self._layout, bands_apart=apart)
        self._tags: dict[str, str] = dataset.tags()
        self._kept: OrderedDict[tuple[tuple[int, ...], Window], NDArray[np.uint8]] = OrderedDict()

    @property
    def most_kept(self) -> int:
        """Bytes that are kept at most, or those of one piece where it has more."""
        return KEPT_BYTES + 2 * self._grid.piece_height * self._grid.width // 8

    def has_copy_for(self, max_px: int) -> bool:
        """Tell whether a smaller copy of it is at hand, as ``Layout.has_copy_for``."""
        return self._layout.has_copy_for(max_px)

    def read(
        self, bands: Sequence[int], *, window: Window | None = None, out_size: tuple[int, int] | None = None
    ) -> NDArray[np.bool_] | None:
        """Tell where any of the image's bands shows something in a window, or in all of the image.

        Args:
            bands: 1-based, the image's.
            window: Of the image.
            out_size: Rows and columns, nearest neighbours; else one for each pixel.

        Returns:
            (rows, columns); None where the mask does not speak of one of the bands: all its pixels are.
        """
        told_by = self._told_by(bands)
        if not told_by:
            return None
        window = window or Window(col_off=0, row_off=0, width=self._layout.width, height=self._layout.height)
        with as_ours(self._image, self._file):
            if out_size is None:
                return self._exact(told_by, window)
            if self._layout.shrinks or window.width * window.height > PICKED_PIXELS:
                return self._by_gdal(told_by, window, out_size)
            rows, cols = (_nearest(*spans) for spans in zip((window.height, window.width), out_size, strict=True))
            return self._exact(told_by, window)[np.ix_(rows, cols)]

    def _told_by(self, bands: Sequence[int]) -> tuple[int, ...]:
        """Name the mask's bands that speak of the image's; none where one of these has no mask."""
        if self._is_for_all(1):
            return (1,)
        told_by = {1 if self._is_for_all(band) else band for band in bands}
        spoken_of = all(_FLAGS.format(band) in self._tags for band in bands) and max(told_by) <= self._dataset.count
        return tuple(sorted(told_by)) if spoken_of else ()

    def _is_for_all(self, band: int) -> bool:
        flags = self._tags.get(_FLAGS.format(band), "").strip()
        return flags.isdigit() and bool(int(flags) & MaskFlags.per_dataset.value)

    def _exact(self, told_by: tuple[int, ...], window: Window) -> NDArray[np.bool_]:
        valid = np.empty((window.height, window.width), np.bool_)
        for place in self._grid.over(window):
            rows, rows_there = shared(window.row_off, window.height, place.row_off, place.height)
            cols, cols_there = shared(window.col_off, window.width, place.col_off, place.width)
            first = cols_there.start // 8
            bits = self._piece(told_by, place)[rows_there, first : -(-cols_there.stop // 8)]
            opened = np.unpackbits(bits, axis=1).view(np.bool_)
            valid[rows, cols] = opened[:, cols_there.start - first * 8 : cols_there.stop - first * 8]
        return valid

    def _piece(self, told_by: tuple[int, ...], place: Window) -> NDArray[np.uint8]:
        """Give whole blocks, a bit a pixel."""
        bits = self._kept.get((told_by, place))
        if bits is None:
            bits = self._kept[told_by, place] = self._decoded(told_by, place)
            size = sum(piece.nbytes for piece in self._kept.values())
            while size > self.most_kept and len(self._kept) > 1:
                size -= self._kept.popitem(last=False)[1].nbytes
        self._kept.move_to_end((told_by, place))
        return bits

    def _decoded(self, told_by: tuple[int, ...], place: Window) -> NDArray[np.uint8]:
        self._blocks.fetch(self._file, place, told_by, end_col=self._layout.width)
        bits = np.zeros((place.height, -(-place.width // 8)), np.uint8)
        step = max(1, READ_BYTES // place.width)
        for band in told_by:  # one after the other: GDAL holds a block of one of them decoded
            for row in range(0, place.height, step):
                window = GdalWindow(place.col_off, place.row_off + row, place.width, min(step, place.height - row))
                values = self._dataset.read(band, window=window, out_dtype="uint8")
                bits[row : row + step] |= np.packbits(values, axis=1)
        return bits

    def _by_gdal(self, told_by: tuple[int, ...], window: Window, out_size: tuple[int, int]) -> NDArray[np.bool_]:
        values: NDArray[np.uint8] = self._dataset.read(
            list(told_by),
            window=GdalWindow(window.col_off, window.row_off, window.width, window.height),
            out_shape=(len(told_by), *out_size),
            out_dtype="uint8",
            resampling=Resampling.nearest,
        )
        valid: NDArray[np.bool_] = np.any(values, axis=0)
        return valid


@contextmanager
def opened_mask(reader: RangeReader, beside: ImageRef, *, etag: str | None, of: Any) -> Iterator[MaskBeside]:
    """Open a mask.

    Args:
        reader: Of the image's store.
        beside: The mask's own bucket and key.
        etag: Its version.
        of: The image, as rasterio's dataset.

    Raises:
        UnreadableImageError, UnsupportedImageError, TooLargeError: it is no mask of this image; the message names it.
        ChangedError: it is not that version any more.
    """
    file = RangedObject(reader, beside, etag=etag)
    head = file.read(0, HEAD_BYTES)
    if driver_of(beside, head) != "GTiff":
        raise UnsupportedImageError(f"{beside.uri}: a mask beside an image is read as TIFF alone")
    with as_ours(beside, file):
        dataset = open_dataset(beside, file, driver="GTiff")
    with closing(dataset):
        with as_ours(beside, file):
            check_size(beside, dataset, head)
            if (dataset.width, dataset.height) != (of.width, of.height):
                raise UnreadableImageError(
                    f"{beside.uri}: a mask of {dataset.width} x {dataset.height} px beside an image of "
                    f"{of.width} x {of.height} px"
                )
            mask = MaskBeside(beside, file, dataset)
        yield mask


def _grid(layout: Layout) -> PieceGrid:
    """Divide a mask into whole blocks, several together where they are small."""
    width, height = (side * -(-PIECE_PX // side) for side in (layout.block_width, layout.block_height))
    return PieceGrid(layout.width, layout.height, min(width, layout.width), min(height, layout.height), pixel_bytes=1)


def _nearest(length: int, out: int) -> NDArray[np.intp]:
    """Tell which of so many pixels GDAL picks."""
    picked: NDArray[np.intp] = np.floor((np.arange(out) + 0.5) * (length / out) + _EPSILON).astype(np.intp)
    return picked.clip(max=length - 1)


_EPSILON = 1e-10
"""GDAL's own, so that what is on the border falls on the same side."""
