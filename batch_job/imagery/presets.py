"""The orders in which well-known sensors' bands stand in a file."""

from collections.abc import Mapping
from dataclasses import dataclass

from batch_job.settings import BandOrder

RgbBands = tuple[int, int, int]
"""Red, green and blue; 1-based."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Where red, green and blue stand."""

    bands: RgbBands
    whole_from: int = 1
    """In files of so many bands and more ..."""
    stacked: RgbBands = (3, 2, 1)
    """... in others, which hold a choice of the bands that begins with blue, green, red."""
    least: int = 4
    """A file with fewer bands is no product of the sensor but a preview in red, green and blue."""

    def of(self, n_bands: int) -> RgbBands | None:
        """Give the bands of a file that has so many, alpha not counted; None where the order is not its."""
        if n_bands < self.least:
            return None
        return self.bands if n_bands >= self.whole_from else self.stacked


PRESETS: Mapping[BandOrder, Preset] = {
    BandOrder.RGB: Preset((1, 2, 3), least=3),
    BandOrder.BGR: Preset((3, 2, 1), least=3),
    # red, green, blue, near infrared: USDA's NAIP quarter quads
    BandOrder.NAIP: Preset((1, 2, 3)),
    # B1 is coastal aerosol, B2 blue: ESA's MSI; of 10 m and 20 m bands alone, stacks begin with B2
    BandOrder.SENTINEL2: Preset((4, 3, 2), whole_from=12),
    # B1 is coastal aerosol, B2 blue: USGS's OLI; surface reflectance without B1 has 6 bands
    BandOrder.LANDSAT8: Preset((4, 3, 2), whole_from=7),
    # B1 is blue: USGS's TM and ETM+
    BandOrder.LANDSAT7: Preset((3, 2, 1)),
    # coastal, blue, green, yellow, red: WorldView-2 and -3; with 4 bands blue, green, red, infrared
    BandOrder.WORLDVIEW: Preset((5, 3, 2), whole_from=8),
    # coastal blue, blue, green I, green, yellow, red: SuperDove; with 4 bands blue, green, red, infrared
    BandOrder.PLANETSCOPE: Preset((6, 4, 2), whole_from=8),
}
