"""An open raster as people see it: 8-bit RGB, all windows of one image stretched alike."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_job.imagery.bands import BandChoice, choose_bands
from batch_job.imagery.orientation import upright
from batch_job.imagery.stretch import Limits, declared_limits, measure_limits, needs_measuring, to_rgb
from batch_job.ports import RasterSource
from batch_job.settings import AUTO_BANDS, PipelineSettings, Stretch
from batch_job.values.raster import Pixels, RasterFacts
from batch_job.values.spaces import ChipGrid, Window

MEASURED_PX = 1024
"""The stretch is measured on the square of so many: a million pixels settle percentiles well enough."""

NOTHING = Pixels(np.empty((0, 0, 0), np.uint8), np.empty((0, 0), np.bool_))


GSD_TOLERANCE = 1.05
"""A pixel may be so many times larger than asked for: 0.3 m is computed as 0.3001 m here and as 0.2999 m there."""


def grid_of(facts: RasterFacts, settings: PipelineSettings, *, gsd_m: float | None = None) -> ChipGrid:
    """Cut an image as the settings say.

    Args:
        facts: Of the image as it is seen.
        settings: The size of a chip is that of the picture sent: of an image that is read smaller, it covers more.
        gsd_m: Of the image's pixels, where it is known; else the image is read as it is.
    """
    shrink = 1
    if settings.target_gsd_m and gsd_m:
        shrink = max(1, math.floor(GSD_TOLERANCE * settings.target_gsd_m / gsd_m))
    # no chip is larger than the image: a pixel of 1 mm and a target of 1 km must not make numbers without end
    shrink = min(shrink, max(1, -(-max(facts.width, facts.height) // settings.chip_px)))
    return ChipGrid(
        image_width=facts.width,
        image_height=facts.height,
        chip_px=settings.chip_px * shrink,
        overlap_px=settings.overlap_px * shrink,
        overview_px=settings.chip_px if settings.overview_pass else 0,
    )


def shrink_of(grid: ChipGrid, settings: PipelineSettings) -> int:
    """Tell how many times smaller a side the chips of a grid are read."""
    return max(1, grid.chip_px // settings.chip_px)


def shrink_to(max_px: int, grid: ChipGrid) -> int:
    """Tell how many times smaller a side an image is at most ``max_px`` a side."""
    return max(1, -(-max(grid.image_width, grid.image_height) // max_px))


@dataclass(frozen=True, slots=True)
class Picture:
    """Reads windows and overviews of one raster as (3, rows, columns) 8-bit RGB with their validity masks."""

    source: RasterSource
    choice: BandChoice
    limits: Limits | None
    """None: 8-bit values pass as they are."""
    shrink: int = 1
    """Windows are read so many times smaller a side."""

    @property
    def facts(self) -> RasterFacts:
        """The raster's header."""
        return self.source.facts

    def read(self, windows: Iterable[Window]) -> Iterator[tuple[Window, NDArray[np.uint8], NDArray[np.bool_]]]:
        """Yield each window's pixels and which of them are valid, as ``RasterSource.read_shown``; errors as there."""
        if self.shrink > 1:
            for window, pixels in self.source.read_scaled(windows, bands=self.choice.bands, shrink=self.shrink):
                yield window, self._rgb(pixels), pixels.valid
            return
        for window, shown in self.source.read_shown(windows, bands=self.choice.bands, show=self._rgb):
            yield window, shown.rgb, shown.valid

    def overview(self, *, max_px: int) -> NDArray[np.uint8]:
        """Read the whole image scaled down to at most ``max_px`` a side."""
        return self._rgb(self.source.read_overview(bands=self.choice.bands, max_px=max_px))

    def _rgb(self, pixels: Pixels) -> NDArray[np.uint8]:
        return to_rgb(pixels, facts=self.facts, choice=self.choice, limits=self.limits)


def open_picture(source: RasterSource, *, stretch: Stretch, bands: str = AUTO_BANDS) -> Picture:
    """Turn a raster upright, choose its bands and measure the stretch.

    That is done on a sample of a large image, and not at all on 8-bit data.

    Raises:
        UnsupportedImageError: there is no picture in these bands.
    """
    source = upright(source)
    choice = choose_bands(source.facts, bands)
    if not needs_measuring(source.facts, choice):
        return Picture(source, choice, declared_limits(choice, source.facts))
    sample = source.read_sample(bands=choice.bands, max_px=MEASURED_PX)
    return Picture(source, choice, measure_limits(sample, choice, source.facts, stretch))
