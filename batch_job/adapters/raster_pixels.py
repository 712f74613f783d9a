"""Pixels of an open raster, and which of them are valid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.windows import Window as GdalWindow

from batch_job.adapters.raster_mask import MaskBeside
from batch_job.values.raster import Pixels, RasterFacts
from batch_job.values.spaces import Window

OPAQUE = 255


@dataclass(frozen=True, slots=True)
class Raw:
    """What GDAL gives of a window."""

    values: NDArray[Any]
    """(bands, rows, columns)."""
    opacity: tuple[NDArray[Any], ...]
    """Alpha and the file's own mask, where there are: (rows, columns), 0 where there is no picture."""


@dataclass(frozen=True, slots=True)
class PixelReader:
    """Reads windows; ``raw`` for the thread of the dataset, ``to_pixels`` for any."""

    dataset: Any
    """rasterio's."""
    facts: RasterFacts
    beside: MaskBeside | None = None
    """A mask in a file of its own."""

    def read(
        self,
        bands: Sequence[int],
        *,
        window: Window | None = None,
        out_size: tuple[int, int] | None = None,
        by: Resampling = Resampling.nearest,
    ) -> Pixels:
        """Read a window, or the whole image, of the bands given (1-based); at another size resampled as ``by`` says."""
        return self.to_pixels(self.raw(bands, window=window, out_size=out_size, by=by), bands)

    def raw(
        self,
        bands: Sequence[int],
        *,
        window: Window | None = None,
        out_size: tuple[int, int] | None = None,
        by: Resampling = Resampling.nearest,
    ) -> Raw:
        """Read as ``read``, without telling yet what is valid."""
        if self.facts.palette:
            by = Resampling.nearest  # there is no mean of two colours' numbers
        alpha = [n for n, meaning in enumerate(self.facts.color_interp, start=1) if meaning == "alpha"][:1]
        wanted = [*bands, *alpha]
        shape = None if out_size is None else (len(wanted), *out_size)
        values = self.dataset.read(wanted, window=_to_gdal(window), out_shape=shape, resampling=by)
        opacity = [values[-1]] if alpha else []
        return Raw(values[: len(bands)], (*opacity, *self.masks(bands, window, out_size)))

    def interleaved(self, bands: Sequence[int], window: Window) -> Raw:
        """Read 8-bit bands into memory as JPEG wants them: (rows, columns, bands), seen as (bands, rows, columns)."""
        pixels = np.empty((window.height, window.width, len(bands)), np.uint8)
        values = pixels.transpose(2, 0, 1)
        self.dataset.read(list(bands), window=_to_gdal(window), out=values)
        return Raw(values, self.masks(bands, window))

    def masks(
        self, bands: Sequence[int], window: Window | None, out_size: tuple[int, int] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """Read the mask that a TIFF may carry inside, or else the one beside the image; nearest neighbours."""
        if has_mask(self.dataset):
            return (self.dataset.read_masks(1, window=_to_gdal(window), out_shape=out_size),)
        beside = None if self.beside is None else self.beside.read(bands, window=window, out_size=out_size)
        return () if beside is None else (beside,)

    def to_pixels(self, raw: Raw, bands: Sequence[int]) -> Pixels:
        """Tell which pixels are valid. They are read-only from now on."""
        valid = self._has_data(raw.values, bands)
        for more in (*raw.opacity, self._table_alpha(raw.values, bands)):
            if more is not None:
                valid &= more > 0
        raw.values.setflags(write=False)
        return Pixels(raw.values, valid)

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


def has_mask(dataset: Any) -> bool:
    """Tell whether an open rasterio dataset has a mask of its own, beside alpha and nodata."""
    flags = dataset.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _to_gdal(window: Window | None) -> GdalWindow | None:
    return None if window is None else GdalWindow(window.col_off, window.row_off, window.width, window.height)
