"""An open image: windows, samples, overviews, and one streamed pass over all of it."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling

from batch_job.adapters.decoders import Coded, Decoder
from batch_job.adapters.gdal_thread import GdalThread
from batch_job.adapters.ranges import RangedObject
from batch_job.adapters.raster_blocks import Blocks
from batch_job.adapters.raster_parts import (
    SAMPLE_BLOCKS,
    Layout,
    Part,
    overview_size,
    parts_of,
    sample_of,
    sampled_sizes,
)
from batch_job.adapters.raster_pieces import Cutter, Piece, PieceGrid
from batch_job.adapters.raster_pixels import PixelReader, Raw
from batch_job.adapters.raster_scaled import around, is_whole, means, rows_of, size_of, smaller_parts
from batch_job.ports import RasterSource
from batch_job.ports.rasters import Show
from batch_job.values.raster import Pixels, RasterFacts, Shown
from batch_job.values.spaces import Window

_RGB = 3


@dataclass(frozen=True, slots=True)
class GdalRaster:
    """An open image; fits ``ports.RasterSource``."""

    facts: RasterFacts
    layout: Layout
    pixels: PixelReader
    file: RangedObject
    gdal: GdalThread
    """The only thread that uses the dataset and the file."""
    threads: ThreadPoolExecutor
    """Decode JPEG and stretch, while the next pieces are read."""
    blocks: Blocks | None
    """Of a TIFF."""
    decoder: Decoder | None
    """Decodes what is plain faster than GDAL."""

    def read_windows(self, windows: Iterable[Window], *, bands: Sequence[int]) -> Iterator[tuple[Window, Pixels]]:
        """Yield each window's pixels, read-only; see ``ports.RasterSource``."""
        for window in windows:
            yield window, self._read(bands, window)

    def read_shown(
        self, windows: Iterable[Window], *, bands: Sequence[int], show: Show
    ) -> Iterator[tuple[Window, Shown]]:
        """Yield each window as it is shown; see ``ports.RasterSource``."""
        pixel_bytes = sum(np.dtype(self.facts.dtypes[band - 1]).itemsize for band in bands)
        grid = PieceGrid.of(self.layout, pixel_bytes=pixel_bytes)

        def make(place: Window, end_col: int) -> "Future[Future[Piece]]":
            return self.gdal.start(lambda: self._begun(place, bands, end_col, show))

        yield from Cutter(grid, make).cut(windows)

    def read_scaled(
        self, windows: Iterable[Window], *, bands: Sequence[int], shrink: int
    ) -> Iterator[tuple[Window, Pixels]]:
        """Yield each window smaller; see ``ports.RasterSource``. What two rows of windows share is read twice."""
        pixel_bytes = sum(np.dtype(self.facts.dtypes[band - 1]).itemsize for band in bands)
        for row in rows_of(windows, shrink=shrink, pixel_bytes=pixel_bytes):
            whole = self._scaled(bands, around(row), shrink)
            for window in row:
                _, cols = size_of(window, shrink=shrink)
                start = (window.col_off - min(other.col_off for other in row)) // shrink
                yield window, Pixels(whole.bands[..., start : start + cols], whole.valid[:, start : start + cols])

    def _scaled(self, bands: Sequence[int], window: Window, shrink: int) -> Pixels:
        rows, cols = size_of(window, shrink=shrink)
        if any(copy <= shrink for copy in self.layout.shrinks):
            return self._mean(bands, window, (rows, cols))
        read = (
            (part, self._mean(bands, part.window, part.size))
            for part in smaller_parts(window, self.layout, shrink=shrink)
        )
        return _joined(read, rows=rows, cols=cols)

    def _mean(self, bands: Sequence[int], window: Window, size: tuple[int, int]) -> Pixels:
        """Read smaller. GDAL leaves out what it knows to be hidden; a mask beside the image it does not know."""
        by_hand = self.pixels.beside is not None and not self.layout.shrinks and not self.facts.palette
        if by_hand and is_whole(window, size):
            return means(self._read(bands, window), size, nodata=[self.facts.nodata[band - 1] for band in bands])
        return self.gdal.call(lambda: self.pixels.read(bands, window=window, out_size=size, by=Resampling.average))

    def read_overview(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read the whole image, nearest neighbours, at most ``max_px`` a side; see ``ports.RasterSource``.

        Where the file holds no smaller copy, it is read part by part, every block once for all bands.
        """
        rows, cols = overview_size(self.layout, max_px=max_px)
        if self.layout.has_copy_for(max_px):
            return self._read(bands, None, (rows, cols))
        read = (
            (part, self._read(bands, part.window, part.size)) for part in parts_of(self.layout, rows=rows, cols=cols)
        )
        return _joined(read, rows=rows, cols=cols)

    def read_sample(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read pixels from all over the image, of few of its blocks; see ``ports.RasterSource``."""
        if max(self.facts.width, self.facts.height) <= max_px or self.has_copy_for(max_px):
            return self.read_overview(bands=bands, max_px=max_px)
        for blocks in SAMPLE_BLOCKS:
            windows = sample_of(self.layout, blocks=blocks)
            sample = self._read_all(windows, bands, max_pixels=max_px**2)
            if sample.valid.any():
                break
        return sample

    def has_copy_for(self, max_px: int) -> bool:
        """Tell whether an overview costs little; see ``ports.RasterSource``."""
        beside = self.pixels.beside
        return self.layout.has_copy_for(max_px) and (beside is None or beside.has_copy_for(max_px))

    def _read_all(self, windows: Sequence[Window], bands: Sequence[int], *, max_pixels: int) -> Pixels:
        """Read windows scaled down, and put their pixels into one row."""
        sizes = sampled_sizes(windows, max_pixels=max_pixels)
        read = [self._read(bands, window, size) for window, size in zip(windows, sizes, strict=True)]
        values = np.concatenate([pixels.bands.reshape(len(bands), 1, -1) for pixels in read], axis=-1)
        return Pixels(values, np.concatenate([pixels.valid.reshape(1, -1) for pixels in read], axis=-1))

    def _read(self, bands: Sequence[int], window: Window | None, out_size: tuple[int, int] | None = None) -> Pixels:
        return self.gdal.call(lambda: self.pixels.read(bands, window=window, out_size=out_size))

    def _begun(self, place: Window, bands: Sequence[int], end_col: int, show: Show) -> "Future[Piece]":
        """Read a piece, in GDAL's thread, and have another thread make something of it."""
        if self.blocks is not None:
            self.blocks.fetch(self.file, place, bands, end_col=end_col)
        coded = self._coded(place)
        if coded is None:
            return self.threads.submit(self._piece, self._raw(place, bands), bands, show)
        masks = self.pixels.masks(bands, place)
        return self.threads.submit(self._decoded, coded, masks, bands, show)

    def _coded(self, place: Window) -> Coded | None:
        return None if self.decoder is None else self.decoder.read(self.file, place)

    def _raw(self, place: Window, bands: Sequence[int]) -> Raw:
        plain = {self.facts.dtypes[band - 1] for band in bands} == {"uint8"} and "alpha" not in self.facts.color_interp
        if plain and len(bands) == _RGB:
            return self.pixels.interleaved(bands, place)
        return self.pixels.raw(bands, window=place)

    def _decoded(self, coded: Coded, masks: tuple[NDArray[Any], ...], bands: Sequence[int], show: Show) -> Piece:
        values = coded.decode()
        if values is None:
            return self._piece(self.gdal.call(lambda: self._raw(coded.piece, bands)), bands, show)
        is_all = tuple(bands) == tuple(range(1, len(values) + 1))
        chosen = values if is_all else values[[band - 1 for band in bands]]
        return self._piece(Raw(chosen, masks), bands, show)

    def _piece(self, raw: Raw, bands: Sequence[int], show: Show) -> Piece:
        pixels = self.pixels.to_pixels(raw, bands)
        return Piece.of(show(pixels), pixels)


def _joined(parts: Iterator[tuple[Part, Pixels]], *, rows: int, cols: int) -> Pixels:
    first, pixels = next(parts)
    values = np.empty((pixels.bands.shape[0], rows, cols), pixels.bands.dtype)
    valid = np.empty((rows, cols), np.bool_)
    for part, read in chain([(first, pixels)], parts):
        values[:, part.rows, part.cols], valid[part.rows, part.cols] = read.bands, read.valid
    return Pixels(values, valid)


if TYPE_CHECKING:
    _source: type[RasterSource] = GdalRaster
