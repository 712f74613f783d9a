"""Images through GDAL, by rasterio: from files of this machine and, under ``If-Match``, from S3.

GDAL reads through Python (rasterio's ``opener``), never through ``/vsis3``, whose cache would serve the bytes of an
older version; measured, that costs nothing. Only the driver that the first bytes call for may open a file.
"""

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.session import DummySession
from rasterio.windows import Window as GdalWindow

from batch_job.adapters.ranges import LocalFiles, RangedFile, RangedObject, RangeReader
from batch_job.adapters.raster_header import HEAD_BYTES, check_parts, check_size, driver_of, read_facts, read_layout
from batch_job.adapters.raster_nitf import read_segment
from batch_job.adapters.raster_parts import (
    SAMPLE_BLOCKS,
    Layout,
    Part,
    overview_size,
    parts_of,
    sample_of,
    sampled_sizes,
)
from batch_job.adapters.raster_single import check_single, check_single_head
from batch_job.adapters.signals import signals_held
from batch_job.errors import BackfillError, TooLargeError, UnreadableImageError
from batch_job.ports import OpenRaster, RasterSource
from batch_job.values.image import LOCAL_FILES, ImageRef
from batch_job.values.raster import Pixels, RasterFacts
from batch_job.values.spaces import Window

BLOCK_CACHE_BYTES = 96 * 1024**2
"""GDAL's cache of decoded blocks, for the whole process: it must hold the rows that two rows of chips share, or a plain
JPEG is decoded from its top again for each; 40 MB for the widest JPEG there is."""

BAND_OF_ROWS_BYTES = 32 * 1024**2
"""Windows in one row are cut from one read of at most so much; 1,024 rows of 10,000 px in RGB."""

_GDAL_OPTIONS = {
    "GDAL_CACHEMAX": BLOCK_CACHE_BYTES,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no side files: they only count as part of the version
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # a truncated JPEG is an error, not grey
    "GDAL_NUM_THREADS": "1",  # its threads do not find the opener: a JPEG 2000 in parts would be stray memory, silently
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # with it GDAL 3.10 fills a truncated PNG with stray memory, silently
}

OPAQUE = 255

_OPENING = threading.Lock()
"""Each opening adds a file system to GDAL's table, which has no lock of its own."""

_NEEDS_MEMORY = "libjpeg to allocate"
"""GDAL's words for a progressive JPEG whose coefficients do not fit in 500 MB."""


@dataclass(frozen=True, slots=True)
class RasterOpener:
    """Opens images; fits ``ports.OpenRaster``. Each open image is for one thread."""

    objects: RangeReader
    """Of the object store."""
    files: RangeReader = field(default_factory=LocalFiles)

    @contextmanager
    def __call__(self, image: ImageRef, *, etag: str | None) -> Iterator[RasterSource]:
        """Open an image; see ``ports.OpenRaster``."""
        reader = self.files if image.bucket == LOCAL_FILES else self.objects
        file = RangedObject(reader, image, etag=etag)
        head = file.read(0, HEAD_BYTES)
        driver = driver_of(image, head)
        check_single_head(image, head)
        if driver == "NITF":
            segment = read_segment(image, file.read)
            head = file.read(segment.start, HEAD_BYTES) if segment.is_jpeg_2000 else head
        check_parts(image, head)
        with rasterio.Env(session=DummySession(), **_GDAL_OPTIONS):
            with _as_ours(image, file):
                dataset = _open(image, file, driver)
            with dataset:
                with _as_ours(image, file):
                    check_single(image, dataset)
                    check_size(image, dataset, head)
                    facts, layout = read_facts(dataset, file.read), read_layout(dataset)
                yield GdalRaster(image, dataset, file, facts, layout)


@dataclass(frozen=True, slots=True)
class GdalRaster:
    """An open image; fits ``ports.RasterSource``."""

    image: ImageRef
    dataset: Any
    """rasterio's."""
    file: RangedObject
    facts: RasterFacts
    layout: Layout

    def read_windows(self, windows: Iterable[Window], *, bands: Sequence[int]) -> Iterator[tuple[Window, Pixels]]:
        """Yield each window's pixels, read-only; see ``ports.RasterSource``.

        Windows that follow each other in one row are cut from one read, so that every block is decoded about once.
        """
        for row in _rows(windows, bytes_per_pixel=self._bytes_per_pixel(bands)):
            yield from self._cut(row, bands)

    def _cut(self, row: Sequence[Window], bands: Sequence[int]) -> Iterator[tuple[Window, Pixels]]:
        around = _around(row)
        pixels = self._read(bands, window=_to_gdal(around))
        for window in row:
            cols = slice(window.col_off - around.col_off, window.col_off - around.col_off + window.width)
            yield window, Pixels(pixels.bands[:, :, cols], pixels.valid[:, cols])

    def read_overview(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read the whole image, nearest neighbours, at most ``max_px`` a side; see ``ports.RasterSource``.

        Where the file holds no smaller copy, it is read part by part, every block once for all bands.
        """
        rows, cols = overview_size(self.layout, max_px=max_px)
        if self.layout.has_copy_for(max_px):
            return self._read(bands, out_size=(rows, cols))
        read = (
            (part, self._read(bands, window=_to_gdal(part.window), out_size=part.size))
            for part in parts_of(self.layout, rows=rows, cols=cols)
        )
        return _joined(read, rows=rows, cols=cols)

    def read_sample(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read pixels from all over the image, of few of its blocks; see ``ports.RasterSource``."""
        if max(self.facts.width, self.facts.height) <= max_px or self.layout.has_copy_for(max_px):
            return self.read_overview(bands=bands, max_px=max_px)
        for blocks in SAMPLE_BLOCKS:
            windows = sample_of(self.layout, blocks=blocks)
            sample = self._read_all(windows, bands, max_pixels=max_px**2)
            if sample.valid.any():
                break
        return sample

    def _read_all(self, windows: Sequence[Window], bands: Sequence[int], *, max_pixels: int) -> Pixels:
        """Read windows scaled down, and put their pixels into one row."""
        sizes = sampled_sizes(windows, max_pixels=max_pixels)
        read = [
            self._read(bands, window=_to_gdal(window), out_size=size)
            for window, size in zip(windows, sizes, strict=True)
        ]
        values = np.concatenate([pixels.bands.reshape(len(bands), 1, -1) for pixels in read], axis=-1)
        return Pixels(values, np.concatenate([pixels.valid.reshape(1, -1) for pixels in read], axis=-1))

    def _read(
        self, bands: Sequence[int], *, window: GdalWindow | None = None, out_size: tuple[int, int] | None = None
    ) -> Pixels:
        alpha = [n for n, meaning in enumerate(self.facts.color_interp, start=1) if meaning == "alpha"][:1]
        wanted = [*bands, *alpha]
        shape = None if out_size is None else (len(wanted), *out_size)
        with _as_ours(self.image, self.file):
            read = self.dataset.read(wanted, window=window, out_shape=shape)
            mask = self._own_mask(window, out_size)
        values = read[: len(bands)]
        valid = self._has_data(values, bands)
        for more in (read[-1] if alpha else None, mask, self._table_alpha(values, bands)):
            if more is not None:
                valid &= more > 0
        values.setflags(write=False)
        return Pixels(values, valid)

    def _own_mask(self, window: GdalWindow | None, out_size: tuple[int, int] | None) -> NDArray[Any] | None:
        """Read the mask that a TIFF may carry inside, beside alpha and nodata."""
        flags = self.dataset.mask_flag_enums[0]
        if MaskFlags.per_dataset not in flags or MaskFlags.alpha in flags:
            return None
        mask: NDArray[Any] = self.dataset.read_masks(1, window=window, out_shape=out_size)
        return mask

    def _has_data(self, values: NDArray[Any], bands: Sequence[int]) -> NDArray[np.bool_]:
        """Tell where any band has a number, as rasterio's ``dataset_mask`` does; NaN is none.

        JPEG's noise in a border of nodata is data, for GDAL and for us: such images need a mask.
        """
        if values.dtype.kind != "f" and all(self.facts.nodata[band - 1] is None for band in bands):
            return np.ones(values.shape[1:], np.bool_)
        valid = np.zeros(values.shape[1:], np.bool_)
        for band, shown in zip(bands, values, strict=True):
            nodata = self.facts.nodata[band - 1]
            present = ~np.isnan(shown) if shown.dtype.kind == "f" else np.ones(shown.shape, np.bool_)
            valid |= present if nodata is None else present & (shown != nodata)
        return valid

    def _table_alpha(self, values: NDArray[Any], bands: Sequence[int]) -> NDArray[np.uint8] | None:
        """Look up how opaque the colours are that a table has for band 1; None where all are."""
        if 1 not in bands or all(opacity for *_, opacity in self.facts.palette):
            return None
        indices = values[bands.index(1)]
        table: NDArray[np.uint8] = np.full(2 ** (8 * indices.dtype.itemsize), OPAQUE, np.uint8)
        table[: len(self.facts.palette)] = [opacity for *_, opacity in self.facts.palette[: len(table)]]
        looked_up: NDArray[np.uint8] = table[indices]
        return looked_up

    def _bytes_per_pixel(self, bands: Sequence[int]) -> int:
        return sum(np.dtype(self.facts.dtypes[band - 1]).itemsize for band in bands)


@contextmanager
def _as_ours(image: ImageRef, file: RangedObject) -> Iterator[None]:
    """Raise our error for GDAL's; what went wrong below GDAL comes first, and also when GDAL saw nothing of it."""
    try:
        with signals_held():
            yield
    except BackfillError:
        raise
    # GDAL may open a file and complain of it (broken EXIF, GeoTIFF keys): rasterio lets that through as it is
    except (RasterioError, CPLE_BaseError, ValueError, OSError, MemoryError) as error:
        if file.error is not None:
            raise file.error from error
        reason = str(error.__cause__ or error).removeprefix(f"{image.id}, ")
        if _NEEDS_MEMORY in reason or isinstance(error, MemoryError):
            raise TooLargeError(f"{image.uri}: {reason}") from error
        raise UnreadableImageError(f"{image.uri}: {reason}") from error
    if file.error is not None:
        raise file.error


def _open(image: ImageRef, file: RangedObject, driver: str) -> Any:
    def opener(_path: str, _mode: str = "rb", **_options: Any) -> RangedFile:
        return file.open()

    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(image.id, driver=driver, opener=opener)


def _rows(windows: Iterable[Window], *, bytes_per_pixel: int) -> Iterator[list[Window]]:
    """Group windows that follow each other in one row of an image, as far as one read may hold them."""
    for _, row in groupby(windows, key=lambda window: (window.row_off, window.height)):
        group: list[Window] = []
        for window in row:
            together = _around([*group, window])
            if group and together.width * together.height * bytes_per_pixel > BAND_OF_ROWS_BYTES:
                yield group
                group = []
            group.append(window)
        yield group


def _around(row: Sequence[Window]) -> Window:
    start = min(window.col_off for window in row)
    end = max(window.col_off + window.width for window in row)
    return Window(col_off=start, row_off=row[0].row_off, width=end - start, height=row[0].height)


def _joined(parts: Iterator[tuple[Part, Pixels]], *, rows: int, cols: int) -> Pixels:
    first, pixels = next(parts)
    values = np.empty((pixels.bands.shape[0], rows, cols), pixels.bands.dtype)
    valid = np.empty((rows, cols), np.bool_)
    for part, read in chain([(first, pixels)], parts):
        values[:, part.rows, part.cols], valid[part.rows, part.cols] = read.bands, read.valid
    return Pixels(values, valid)


def _to_gdal(window: Window) -> GdalWindow:
    return GdalWindow(window.col_off, window.row_off, window.width, window.height)


if TYPE_CHECKING:
    _open_raster: type[OpenRaster] = RasterOpener
    _source: type[RasterSource] = GdalRaster
