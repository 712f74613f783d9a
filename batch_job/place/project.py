"""Image space to longitude and latitude: which of an image's own statements is used, and CRS to WGS 84."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from batch_job.place.arrays import Floats
from batch_job.place.control_points import suits_points
from batch_job.place.crs import WGS84, EarthCrs, find_earth_crs
from batch_job.ports import GroundTransform
from batch_job.values.place import Georeference, Georeferencing
from batch_job.values.raster import RasterFacts

Projection = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Columns and rows to longitudes and latitudes."""

PREFERENCE = (
    Georeferencing.AFFINE,
    Georeferencing.GCPS_PROJECTIVE,
    Georeferencing.GCPS_THIN_PLATE,
    Georeferencing.GCPS,
    Georeferencing.RPCS,
)
"""What is tried, in this order, where what an image is said to be placed by cannot be used."""

FITS = (Georeferencing.GCPS_PROJECTIVE, Georeferencing.GCPS_THIN_PLATE, Georeferencing.GCPS)
"""What GCPs can be fitted by, the first that suits them."""

NO_TRANSFORM = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""What GDAL answers when a file has none, so never taken for one."""

MAX_BEYOND_POLE_DEG = 1.0
"""Grids whose outermost pixel *centres* lie on the poles reach half a pixel beyond; up to this it is cut off."""
MAX_LON_DEG = 540.0
"""A grid from 0 to 360 degrees, or from before -180, is in order; metres taken for degrees are not."""

MAX_COORDINATE = 1e9
"""Of a CRS, in whatever unit: 25 times around Earth in metres. Broken transforms reach 1e16, where PROJ's answers are
noise, and outlines so tangled that GEOS takes hours to mend them."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The way from an image's pixels to the ground."""

    by: Georeferencing
    crs: str
    """``EPSG:…``, or the name of a CRS without a code."""
    project: Projection
    asked: Georeference
    """What the image says, ``by`` being the way that is used."""

    def to_lonlat(self, *, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Give longitudes and latitudes in WGS 84, degrees, in the shape of ``cols``; NaN where there is no answer.

        A longitude may leave ±180, as the image has it; a latitude never leaves ±90.
        """
        lons, lats = self.project(cols.ravel(), rows.ravel())
        if _within(lons, MAX_LON_DEG) and _within(lats, 90):
            return lons.reshape(cols.shape), lats.reshape(cols.shape)
        # comparisons with NaN are false
        placed = (np.abs(lons) <= MAX_LON_DEG) & (np.abs(lats) <= 90 + MAX_BEYOND_POLE_DEG)
        lons, lats = np.where(placed, lons, np.nan), np.where(placed, np.clip(lats, -90, 90), np.nan)
        return lons.reshape(cols.shape), lats.reshape(cols.shape)


def find_ground(facts: RasterFacts, transform: GroundTransform) -> Ground | None:
    """Choose how to place an image: what it says it is placed by, else the first of ``PREFERENCE`` that works.

    A way works when its CRS is one of Earth and it gives a position to the image's centre or to a corner.
    """
    said = facts.georeference
    if said.by is Georeferencing.NONE:
        return None
    first = FITS if said.by is Georeferencing.GCPS else (said.by,)
    ways = (_ground(replace(said, by=by), transform) for by in dict.fromkeys((*first, *PREFERENCE)))
    return next((ground for ground in ways if ground is not None and _reaches(ground, facts)), None)


def _ground(asked: Georeference, transform: GroundTransform) -> Ground | None:
    def through_port(cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        return transform.to_lonlat(asked, cols=cols, rows=rows)

    if asked.by is Georeferencing.RPCS and asked.rpcs:
        return Ground(asked.by, WGS84, through_port, asked)
    if asked.by in FITS and asked.gcps:
        crs = find_earth_crs(asked.gcps_crs)
        suits = crs is not None and suits_points(asked, transform)
        return Ground(asked.by, crs.name, through_port, asked) if crs is not None and suits else None
    if asked.by is Georeferencing.AFFINE and asked.transform is not None and _has_inverse(asked.transform):
        crs = find_earth_crs(asked.crs)
        return None if crs is None else Ground(asked.by, crs.name, _affine(asked.transform, crs), asked)
    return None


def _has_inverse(coefficients: tuple[float, ...]) -> bool:
    a, b, _, d, e, _ = coefficients
    # comparisons with NaN are false; what is larger overflows when it is multiplied
    sound = all(abs(value) <= MAX_COEFFICIENT for value in coefficients)
    return sound and coefficients != NO_TRANSFORM and a * e != b * d


def _affine(coefficients: tuple[float, ...], crs: EarthCrs) -> Projection:
    a, b, c, d, e, f = coefficients
    is_lonlat = crs.is_lonlat

    def project(cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        # each step in the arrays of the one before: of a million pixels, new memory takes longer than the sums
        xs, ys = a * cols, d * cols
        part = b * rows
        xs += part
        ys += np.multiply(rows, e, out=part)
        xs += c
        ys += f
        if is_lonlat:
            return xs, ys  # whoever asks sees to what is off the Earth
        if not (_within(xs, MAX_COORDINATE) and _within(ys, MAX_COORDINATE)):
            near = (np.abs(xs) <= MAX_COORDINATE) & (np.abs(ys) <= MAX_COORDINATE)
            xs, ys = np.where(near, xs, np.inf), np.where(near, ys, np.inf)
        lons, lats = crs.to_wgs84.transform(xs, ys, inplace=True)
        return lons, lats

    return project


MAX_COEFFICIENT = 1e100
"""Of an affine transform, in whatever unit: far from any, and from where doubles end."""


def _within(values: Floats, limit: float) -> bool:
    """Tell whether all are within ± limit; False where one is no number."""
    return not values.size or bool(-limit <= values.min() and values.max() <= limit)


def _reaches(ground: Ground, facts: RasterFacts) -> bool:
    cols = np.array([0.5, 0, 1, 1, 0]) * facts.width
    rows = np.array([0.5, 0, 0, 1, 1]) * facts.height
    lons, _ = ground.to_lonlat(cols=cols, rows=rows)
    return bool(np.isfinite(lons).any())
