"""How well ground control points are met by a fit, and which fit suits them."""

from dataclasses import replace

import numpy as np
from pyproj import Geod

from batch_job.place.arrays import Floats
from batch_job.place.crs import find_earth_crs
from batch_job.ports import GroundTransform
from batch_job.values.place import Georeference, Georeferencing

PROJECTIVE_POINTS = 4
"""Four corners; more of them, and the residuals show what a plane seen by a camera does not explain."""
LEAST_POINTS = 3
"""That settle an affine image."""
MIN_SPLINE_POINTS = 10
"""With fewer, a point left out is as often in a corner, where a spline only guesses."""
MAX_SPLINE_POINTS = 500
"""A spline takes n³ steps to fit and n for each pixel: with 500 points 0.1 s, and 10 s for a million corners."""
MAX_POLYNOMIAL_ERROR_PX = 1.0
"""A polynomial that meets the points so well is taken as it is: what a spline would add is the points' own noise."""

FOLDS = 10
"""Fits through the other points, for the error at those left out: each point alone where there are so few."""

WGS84_ELLIPSOID = Geod(ellps="WGS84")


def suits_points(asked: Georeference, transform: GroundTransform) -> bool:
    """Tell whether GCPs are to be fitted as ``asked.by`` says.

    Four points are a plane seen by a camera. A spline goes through many points that no polynomial meets, if it places
    points that it did not see better than that. A polynomial always does.
    """
    n = len(asked.gcps)
    if asked.by is Georeferencing.GCPS_PROJECTIVE:
        return n == PROJECTIVE_POINTS
    if asked.by is Georeferencing.GCPS_THIN_PLATE:
        return MIN_SPLINE_POINTS <= n <= MAX_SPLINE_POINTS and _spline_is_better(asked, transform)
    return n >= LEAST_POINTS  # of two, GDAL makes a map whose top is north


def left_out_error_m(asked: Georeference, transform: GroundTransform) -> float | None:
    """Estimate how far from the truth a fit places a pixel: the root mean square at points that it did not see, m.

    None where the points are just enough for a fit.
    """
    n = len(asked.gcps)
    if asked.by is Georeferencing.GCPS_PROJECTIVE or n <= LEAST_POINTS:
        return None
    # mixed, always alike: points come in rows and columns, and a whole row left out would be guessed from afar
    folds = (np.random.default_rng(0).permutation(n) % FOLDS).tolist()
    errors: list[Floats] = []
    for fold in range(min(n, FOLDS)):
        left_out = tuple(point for point, its in zip(asked.gcps, folds, strict=True) if its == fold)
        others = tuple(point for point, its in zip(asked.gcps, folds, strict=True) if its != fold)
        errors.append(_off_m(replace(asked, gcps=others), replace(asked, gcps=left_out), transform))
    return _root_mean_square(np.concatenate(errors))


def _spline_is_better(asked: Georeference, transform: GroundTransform) -> bool:
    polynomial = replace(asked, by=Georeferencing.GCPS)
    residual_px = _residual_px(polynomial, transform)
    if residual_px is None or residual_px <= MAX_POLYNOMIAL_ERROR_PX:
        return False
    spline_m, polynomial_m = left_out_error_m(asked, transform), left_out_error_m(polynomial, transform)
    return spline_m is not None and (polynomial_m is None or spline_m < polynomial_m)


def _residual_px(asked: Georeference, transform: GroundTransform) -> float | None:
    """Give the root mean square at the points themselves, in pixels as large as those around the points."""
    off_m = _root_mean_square(_off_m(asked, asked, transform))
    cols, rows = _pixels(asked)
    # a pixel's size, from the shift by one column and by one row at each point
    lons, lats = transform.to_lonlat(asked, cols=cols, rows=rows)
    right, down = (
        transform.to_lonlat(asked, cols=cols + d_col, rows=rows + d_row) for d_col, d_row in ((1, 0), (0, 1))
    )
    sizes_m = np.concatenate([_distances_m((lons, lats), right), _distances_m((lons, lats), down)])
    size_m = _root_mean_square(sizes_m)
    return None if off_m is None or not size_m else off_m / size_m


def _off_m(fitted: Georeference, at: Georeference, transform: GroundTransform) -> Floats:
    """How far from the points ``at`` a fit through others places them, m; (n,), NaN where it does not."""
    cols, rows = _pixels(at)
    crs = find_earth_crs(at.gcps_crs)
    if crs is None:
        return np.full(cols.shape, np.nan)
    placed = transform.to_lonlat(fitted, cols=cols, rows=rows)
    truth = crs.to_lonlat(np.array([p.x for p in at.gcps], float), np.array([p.y for p in at.gcps], float))
    return _distances_m(placed, truth)


def _pixels(asked: Georeference) -> tuple[Floats, Floats]:
    return np.array([p.col for p in asked.gcps], float), np.array([p.row for p in asked.gcps], float)


def _distances_m(start: tuple[Floats, Floats], end: tuple[Floats, Floats]) -> Floats:
    usable = np.isfinite(np.array([*start, *end])).all(axis=0)
    metres = np.full(len(usable), np.nan)
    _, _, metres[usable] = WGS84_ELLIPSOID.inv(*(values[usable] for values in (*start, *end)))
    return metres


def _root_mean_square(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.sqrt((known**2).mean())) if len(known) else None
