"""The colours of objects, and the ground they lie on."""

import colorsys
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from local.rekognition.labels import PALETTE_HUES
from local.scenes.spec import Bands

SHADES = 4
"""Colours of one label."""
HUE_SWING_DEG = 8
TEXTURE_PX = 1024
"""The ground repeats after this many pixels."""
GREY_MEAN = 105
GREY_SPREAD = 16.0
GREY_LOW, GREY_HIGH = 40, 175
"""The ground stays within, so that 0 is nodata and nothing else."""
TINT_SPREAD = 2.0
TEXTURE_JPEG_QUALITY = 75
NIR_OF_TREES = 230
NIR_OF_OTHERS = 70
PALETTE_GREYS = 200
"""Indices below are greys of the ground; from here up come the labels' shades. 255 is nodata."""
PALETTE_NODATA = 255
SIXTEEN_BIT_SCALE = 40
SIXTEEN_BIT_OFFSET = 400
"""16-bit values are like reflectances times 10,000, and never 0."""

Colour = tuple[int, int, int]


def _shades(hue_deg: int) -> tuple[Colour, ...]:
    found = []
    for shade in range(SHADES):
        step = shade / (SHADES - 1)
        hue = (hue_deg + HUE_SWING_DEG * (2 * step - 1)) % 360
        red, green, blue = colorsys.hsv_to_rgb(hue / 360, 0.92 - 0.08 * step, 0.9 + 0.1 * step)
        found.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(found)


SHADES_OF: Mapping[str, tuple[Colour, ...]] = {label: _shades(hue) for label, hue in PALETTE_HUES.items()}
"""Red, green, blue of every colour in which an object of a label is painted."""

_FIRST_INDEX = {label: PALETTE_GREYS + SHADES * place for place, label in enumerate(PALETTE_HUES)}


def colour_of(label: str, *, shade: int) -> Colour:
    """Give one of a label's colours, counted round."""
    return SHADES_OF[label][shade % SHADES]


def sample_of(label: str, *, shade: int, bands: Bands) -> tuple[int, ...]:
    """Give the 8-bit sample of each band for an object."""
    red, green, blue = colour_of(label, shade=shade)
    if bands is Bands.GREY:
        return ((299 * red + 587 * green + 114 * blue) // 1000,)
    if bands is Bands.PALETTE:
        return (_FIRST_INDEX[label] + shade % SHADES,)
    infrared = (NIR_OF_TREES if label == "Tree" else NIR_OF_OTHERS,)
    return (red, green, blue) + (infrared if bands is Bands.RGBN else ())


def colour_table() -> dict[int, tuple[int, int, int, int]]:
    """Give red, green, blue, alpha of every index of a ``PALETTE`` scene."""
    table = {}
    for index in range(PALETTE_GREYS):
        grey = GREY_LOW + index * (GREY_HIGH - GREY_LOW) // (PALETTE_GREYS - 1)
        table[index] = (grey, grey, grey, 255)
    for label, first in _FIRST_INDEX.items():
        for shade, colour in enumerate(SHADES_OF[label]):
            table[first + shade] = (*colour, 255)
    return table


@lru_cache(maxsize=4)
def texture(bands: Bands, *, seed: int) -> NDArray[np.uint8]:
    """Make the ground, which repeats seamlessly but for JPEG's own blocks; (bands, ``TEXTURE_PX``, ``TEXTURE_PX``).

    Made once for many scenes, so it cannot be written to.
    """
    dice = np.random.default_rng(seed)
    waves = np.sum([_noise(dice, cell_px) for cell_px in (256, 64, 16, 4)], axis=0)
    grey = GREY_MEAN + GREY_SPREAD / 2 * waves
    grey += dice.normal(0, GREY_SPREAD / 4, grey.shape)
    tinted = grey[:, :, np.newaxis] + dice.normal(0, TINT_SPREAD, (*grey.shape, 3))
    picture = np.clip(tinted, GREY_LOW, GREY_HIGH).astype(np.uint8)
    file = simplejpeg.encode_jpeg(picture, quality=TEXTURE_JPEG_QUALITY, colorsubsampling="420")
    rgb = np.clip(simplejpeg.decode_jpeg(file), GREY_LOW, GREY_HIGH).transpose(2, 0, 1)
    samples = _as_bands(rgb, bands)
    samples.flags.writeable = False
    return samples


def _as_bands(rgb: NDArray[np.uint8], bands: Bands) -> NDArray[np.uint8]:
    if bands is Bands.RGB:
        return np.ascontiguousarray(rgb)
    if bands is Bands.RGBN:
        return np.concatenate([rgb, rgb[1:2] + np.uint8(GREY_LOW)])
    if bands is Bands.GREY:
        return np.ascontiguousarray(rgb[1:2])
    steps = (rgb[1:2].astype(np.int32) - GREY_LOW) * (PALETTE_GREYS - 1) // (GREY_HIGH - GREY_LOW)
    return np.asarray(steps, dtype=np.uint8)


def sixteen_bits(samples: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Spread 8-bit samples as a sensor would."""
    return samples.astype(np.uint16) * np.uint16(SIXTEEN_BIT_SCALE) + np.uint16(SIXTEEN_BIT_OFFSET)


def _noise(dice: np.random.Generator, cell_px: int) -> NDArray[np.float64]:
    """Make smooth noise of deviation about 1 that repeats after ``TEXTURE_PX``."""
    cells = TEXTURE_PX // cell_px
    knots = dice.normal(0, 1, (cells, cells))
    at = np.arange(TEXTURE_PX) / cell_px
    low = at.astype(int)
    share = at - low
    share = share * share * (3 - 2 * share)
    high = (low + 1) % cells
    rows = knots[low] * (1 - share)[:, np.newaxis] + knots[high] * share[:, np.newaxis]
    return np.asarray(rows[:, low] * (1 - share) + rows[:, high] * share)
