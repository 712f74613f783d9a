"""Which of an image's bands make its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from batch_job.errors import UnsupportedImageError
from batch_job.values.raster import RasterFacts


class Colours(StrEnum):
    """How the chosen bands become red, green and blue."""

    RGB = auto()
    GRAY = auto()
    """One band, shown three times."""
    PALETTE = auto()
    """One band of indices into a table of colours."""
    CMYK = auto()
    """Inks. Full ink is the type's highest value."""


@dataclass(frozen=True, slots=True)
class BandChoice:
    """The bands to read, in this order."""

    bands: tuple[int, ...]
    """1-based, as in GDAL."""
    colours: Colours


_RGB = ("red", "green", "blue")
_CMYK = ("cyan", "magenta", "yellow", "black")


def choose_bands(facts: RasterFacts) -> BandChoice:
    """Choose by what the file says its bands are; where it says too little, the first three, else the first.

    The rule is told to users in ``docs/pixels.md``.

    Raises:
        UnsupportedImageError: there is no band, or its numbers have no order from dark to bright.
    """
    choice = _by_meaning(facts)
    for band in choice.bands:
        dtype = facts.dtypes[band - 1]
        if dtype.startswith("complex"):
            raise UnsupportedImageError(f"band {band} holds complex numbers ({dtype}): there is no picture to show")
    return choice


def _by_meaning(facts: RasterFacts) -> BandChoice:
    meanings = facts.color_interp
    if meanings[:1] == ("palette",) and facts.palette:
        return BandChoice(bands=(1,), colours=Colours.PALETTE)
    for wanted, colours in ((_RGB, Colours.RGB), (_CMYK, Colours.CMYK)):
        if set(wanted) <= set(meanings):
            return BandChoice(bands=tuple(meanings.index(name) + 1 for name in wanted), colours=colours)
    return _by_position(meanings)


def _by_position(meanings: Sequence[str]) -> BandChoice:
    # GDAL calls the first band of many a multispectral file gray, so gray alone does not make a picture gray
    shown = tuple(band for band, meaning in enumerate(meanings, start=1) if meaning != "alpha")
    if not shown:
        raise UnsupportedImageError(f"no band shows anything: {', '.join(meanings) or 'there is none'}")
    if len(shown) >= len(_RGB):
        return BandChoice(bands=shown[:3], colours=Colours.RGB)
    return BandChoice(bands=shown[:1], colours=Colours.GRAY)
