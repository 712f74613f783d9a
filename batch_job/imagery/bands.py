"""Which of an image's bands make its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from batch_job.errors import UnsupportedImageError
from batch_job.imagery.presets import PRESETS
from batch_job.settings import AUTO_BANDS, BandOrder
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
_SENTINEL2 = ("b04", "b03", "b02")
"""As products of Sentinel-2, and those harmonised with it, call red, green and blue."""
_ALPHA = "alpha"
_CMYK = ("cyan", "magenta", "yellow", "black")


def choose_bands(facts: RasterFacts, wanted: str = AUTO_BANDS) -> BandChoice:
    """Choose the bands wanted; else by what the file says its bands are; else the first three, or the first.

    The rule is told to users in ``docs/pixels.md``.

    Args:
        facts: The header.
        wanted: The setting ``bands``. A file that does not have these bands, or has a colour table, is shown as if
            nothing were wanted: a bucket holds previews beside its products.

    Raises:
        UnsupportedImageError: there is no band, or its numbers have no order from dark to bright.
    """
    choice = _by_wish(facts, wanted) or _by_meaning(facts)
    for band in choice.bands:
        dtype = facts.dtypes[band - 1]
        if dtype.startswith("complex"):
            raise UnsupportedImageError(f"band {band} holds complex numbers ({dtype}): there is no picture to show")
    return choice


def _by_wish(facts: RasterFacts, wanted: str) -> BandChoice | None:
    if wanted == AUTO_BANDS or _has_table(facts):
        return None
    bands: tuple[int, ...] | None
    if wanted in set(BandOrder):
        bands = PRESETS[BandOrder(wanted)].of(facts.bands - facts.color_interp.count(_ALPHA))
    else:
        bands = tuple(int(number) for number in wanted.split(","))
    if bands is None or max(bands) > facts.bands or any(facts.color_interp[band - 1] == _ALPHA for band in bands):
        return None
    return BandChoice(bands=bands, colours=Colours.RGB if len(bands) == len(_RGB) else Colours.GRAY)


def _has_table(facts: RasterFacts) -> bool:
    return facts.color_interp[:1] == ("palette",) and bool(facts.palette)


def _by_meaning(facts: RasterFacts) -> BandChoice:
    meanings = facts.color_interp
    if _has_table(facts):
        return BandChoice(bands=(1,), colours=Colours.PALETTE)
    names = [text.strip().lower() for text in facts.descriptions]
    for known in (_RGB, _SENTINEL2):
        if set(known) <= set(names):
            return BandChoice(bands=tuple(names.index(name) + 1 for name in known), colours=Colours.RGB)
    for wanted, colours in ((_RGB, Colours.RGB), (_CMYK, Colours.CMYK)):
        if set(wanted) <= set(meanings):
            return BandChoice(bands=tuple(meanings.index(name) + 1 for name in wanted), colours=colours)
    return _by_position(meanings)


def _by_position(meanings: Sequence[str]) -> BandChoice:
    # GDAL calls the first band of many a multispectral file gray, so gray alone does not make a picture gray
    shown = tuple(band for band, meaning in enumerate(meanings, start=1) if meaning != _ALPHA)
    if not shown:
        raise UnsupportedImageError(f"no band shows anything: {', '.join(meanings) or 'there is none'}")
    if len(shown) >= len(_RGB):
        return BandChoice(bands=shown[:3], colours=Colours.RGB)
    return BandChoice(bands=shown[:1], colours=Colours.GRAY)
