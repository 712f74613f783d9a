"""Coordinate reference systems of Earth, and how well the way from them to WGS 84 is known."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from batch_job.place.arrays import Floats

WGS84 = "EPSG:4326"

KNOWN_CRSS = 64
"""CRSs kept: to make a transformer takes some 10 ms, and the images of a bucket share few."""


@dataclass(frozen=True, slots=True)
class EarthCrs:
    """A CRS of positions on Earth."""

    name: str
    """``EPSG:…``, or its name where it has no code."""
    to_wgs84: Transformer
    """Easting or longitude first, whatever the authority's axis order; safe to share between threads."""

    @property
    def is_lonlat(self) -> bool:
        """Tell whether its coordinates are longitude and latitude in WGS 84 already, so that PROJ has nothing to do."""
        return self.to_wgs84.definition.startswith("proj=noop")

    def to_lonlat(self, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
        """Give longitudes and latitudes, degrees; infinite where there are none."""
        lons, lats = self.to_wgs84.transform(xs, ys)
        return np.asarray(lons), np.asarray(lats)

    def error_m(self, *, x: float, y: float) -> float | None:
        """Tell what PROJ says of the way to WGS 84 at a place, m: 0 where there is no change of datum, None unknown."""
        accuracy = self.to_wgs84.accuracy
        if accuracy < 0:
            # several ways may lead there, of which the place decides
            self.to_wgs84.transform(x, y)
            try:
                accuracy = self.to_wgs84.get_last_used_operation().accuracy
            except ProjError:
                return None
        return float(accuracy) if accuracy >= 0 else None


@lru_cache(maxsize=KNOWN_CRSS)
def find_earth_crs(text: str | None) -> EarthCrs | None:
    """Understand a CRS, heights left out.

    None for no CRS, one that PROJ does not know, another body's, a local one, and what has no horizontal coordinates.
    """
    if text is None:
        return None
    try:
        crs = CRS.from_user_input(text).to_2d()
        # PROJ knows a body by its ellipsoid, and refuses to go from one to another
        to_wgs84 = Transformer.from_crs(crs, WGS84, always_xy=True)
    except ProjError:
        return None
    if not (crs.is_projected or crs.is_geographic):
        return None
    code = crs.to_string()
    return EarthCrs(code if code.startswith("EPSG:") else crs.name, to_wgs84)
