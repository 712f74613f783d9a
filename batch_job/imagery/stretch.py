"""From the file's numbers to 8-bit RGB."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch_job.imagery.bands import BandChoice, Colours
from batch_job.settings import Stretch
from batch_job.values.raster import Pixels, RasterFacts

LOW_PERCENTILE, HIGH_PERCENTILE = 2.0, 98.0
"""What viewers of overhead imagery cut off by default (QGIS, rio-tiler): outliers would darken all the rest."""

MIN_CONTRAST = 0.1
"""The least width of the limits, as a part of their larger end: over plain water the sensor's noise, stretched over the
whole range, would look like a picture, and in saturated colours."""

_BYTE = 8
_WHITE = 255
_FEW_BITS = 16
"""Integers of so many bits are looked up in a table: 65,536 entries, measured 4 times as fast as arithmetic."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What becomes black and what becomes white; one entry for each band read."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]


def needs_measuring(facts: RasterFacts, choice: BandChoice) -> bool:
    """Tell whether the limits must be measured; else ``declared_limits`` knows them."""
    return choice.colours in (Colours.RGB, Colours.GRAY) and not _has_byte_range(facts, choice)


def declared_limits(choice: BandChoice, facts: RasterFacts) -> Limits | None:
    """Give the limits of data that says by its type how bright it is: 1-bit data and its like fill their few bits.

    Returns:
        None where the values go through as they are: 8-bit data, colour tables, inks.
    """
    if choice.colours in (Colours.PALETTE, Colours.CMYK) or facts.bits is None or facts.bits >= _BYTE:
        return None
    n = len(choice.bands)
    return Limits(lows=(0.0,) * n, highs=(float(2**facts.bits - 1),) * n)


def measure_limits(sample: Pixels, choice: BandChoice, facts: RasterFacts, stretch: Stretch) -> Limits | None:
    """Find the limits for a whole image from some of its pixels.

    Args:
        sample: (bands, rows, columns) of the bands chosen.
        choice: The bands of the sample.
        facts: The image's header.
        stretch: One pair of limits for all bands, or one each.

    Returns:
        As ``declared_limits`` where nothing must be measured.
    """
    if not needs_measuring(facts, choice):
        return declared_limits(choice, facts)
    samples = [
        _shown(band, sample.valid, facts.nodata[n - 1]) for n, band in zip(choice.bands, sample.bands, strict=True)
    ]
    if stretch is Stretch.JOINT:
        low, high = _percentiles(np.concatenate(samples))
        return Limits(lows=(low,) * len(samples), highs=(high,) * len(samples))
    pairs = [_percentiles(sample) for sample in samples]
    return Limits(lows=tuple(low for low, _ in pairs), highs=tuple(high for _, high in pairs))


def to_rgb(pixels: Pixels, facts: RasterFacts, choice: BandChoice, limits: Limits | None) -> NDArray[np.uint8]:
    """Make the picture; pixels that are not valid, and values that are not numbers, are black.

    Args:
        pixels: (bands, rows, columns) of the bands chosen.
        facts: The image's header.
        choice: The bands of ``pixels``.
        limits: What ``measure_limits`` gave for the image.

    Returns:
        (3, rows, columns). It may share memory with ``pixels``: do not write into it.
    """
    if choice.colours is Colours.PALETTE:
        shown = _looked_up(pixels.bands[0], facts.palette)
    elif choice.colours is Colours.CMYK:
        shown = _from_inks(pixels.bands)
    else:
        shown = pixels.bands if limits is None else _stretched(pixels.bands, limits)
    if shown.shape[0] == 1:
        shown = np.repeat(shown, 3, axis=0)
    return shown if pixels.valid.all() else shown * pixels.valid


def _has_byte_range(facts: RasterFacts, choice: BandChoice) -> bool:
    return all(facts.dtypes[band - 1] == "uint8" for band in choice.bands)


def _shown(band: NDArray[Any], valid: NDArray[np.bool_], nodata: float | None) -> NDArray[Any]:
    values = band[valid]
    if nodata is not None:
        values = values[values != nodata]
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _percentiles(values: NDArray[Any]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = (float(at) for at in np.percentile(values, (LOW_PERCENTILE, HIGH_PERCENTILE)))
    if low == high:  # few pixels differ from the rest: they are all there is to see
        low, high = float(values.min()), float(values.max())
    missing = MIN_CONTRAST * max(abs(low), abs(high)) - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def _stretched(bands: NDArray[Any], limits: Limits) -> NDArray[np.uint8]:
    rgb = np.empty(bands.shape, np.uint8)
    few_bits = bands.dtype.kind in "iu" and bands.dtype.itemsize * _BYTE <= _FEW_BITS
    for shown, band, low, high in zip(rgb, bands, limits.lows, limits.highs, strict=True):
        if few_bits:
            # no pattern is outside of the table; to make sure of that numpy would copy
            np.take(_table(bands.dtype.str, low, high), band.view(f"u{bands.dtype.itemsize}"), out=shown, mode="clip")
        else:
            shown[:] = _to_bytes(band, low, high)
    return rgb


@lru_cache(maxsize=16)
def _table(dtype: str, low: float, high: float) -> NDArray[np.uint8]:
    """The byte for every bit pattern of an integer type."""
    size = np.dtype(dtype).itemsize
    patterns = np.arange(2 ** (_BYTE * size), dtype=f"u{size}")
    return _to_bytes(patterns.view(dtype), low, high)


def _to_bytes(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    exact: type[np.floating[Any]] = np.float32 if values.dtype.itemsize <= 2 or values.dtype == "f4" else np.float64
    scale = _WHITE / (high - low) if high > low else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        bright: NDArray[np.floating[Any]] = (values.astype(exact) - exact(low)) * exact(scale)
    # an infinite value times zero, and NaN itself, are no numbers: black
    return _rounded(np.nan_to_num(bright, copy=False))


def _rounded(bright: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(np.clip(bright, 0, _WHITE)).astype(np.uint8)
    return rounded


def _looked_up(indices: NDArray[Any], palette: tuple[tuple[int, int, int, int], ...]) -> NDArray[np.uint8]:
    table = np.zeros((2 ** (_BYTE * indices.dtype.itemsize), 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8)[: len(table), :3]
    return np.ascontiguousarray(table[indices].transpose(2, 0, 1))


def _from_inks(inks: NDArray[Any]) -> NDArray[np.uint8]:
    full = np.iinfo(inks.dtype).max if inks.dtype.kind in "iu" else 1
    light: NDArray[np.float32] = 1 - inks.astype(np.float32) / np.float32(full)
    return _rounded(light[:3] * light[3] * _WHITE)
