"""Lengths and areas on WGS 84's ellipsoid, on arrays."""

import numpy as np
from pyproj import Geod, Proj

from batch_job.place.arrays import Floats
from batch_job.place.outlines import Outlines
from batch_job.place.project import Ground

WGS84_ELLIPSOID = Geod(ellps="WGS84")
EQUAL_AREA = Proj("+proj=cea +ellps=WGS84 +over")
"""An equal-area map of the ellipsoid; an area on it is the area on the ground."""
PLANE_LAT_DEG = 80.0
"""Nearer to a pole, rings are measured one by one as geodesic polygons."""

GSD_SPAN_PX = 10.0
"""The ground distance is taken over this many pixels: RPCs are inverted to a thousandth of a pixel only."""


def areas_m2(outlines: Outlines) -> Floats:
    """Give the area of each ring, (n,).

    Most are measured at once on an equal-area map, their samples standing close enough; those around or near a pole
    as geodesic polygons.
    """
    east, north = EQUAL_AREA(outlines.lons - outlines.lons[:, :1], outlines.lats)
    north = north - north[:, :1]
    crossed = east * np.roll(north, -1, axis=1) - np.roll(east, -1, axis=1) * north
    areas: Floats = np.abs(crossed.sum(axis=1)) / 2
    polar = (outlines.turns != 0) | (np.abs(outlines.lats).max(axis=1) > PLANE_LAT_DEG)
    for row in np.flatnonzero(polar):
        area, _ = WGS84_ELLIPSOID.polygon_area_perimeter(outlines.lons[row], outlines.lats[row])
        areas[row] = abs(area)
    return areas


def lengths_m(outlines: Outlines) -> Floats:
    """Give the longer side of each four-sided ring, (n,): each side is the mean of two that face each other."""
    sides = _distances_m(*outlines.vertices).reshape(len(outlines.which), 4, -1).sum(axis=2)
    return np.asarray(np.maximum(sides[:, 0] + sides[:, 2], sides[:, 1] + sides[:, 3]) / 2)


def ground_sample_m(ground: Ground, *, width: int, height: int) -> float | None:
    """Give the mean of a pixel's width and height at the image's centre, m; None where that has no place."""
    half = GSD_SPAN_PX / 2
    cols = width / 2 + np.array([-half, half, 0, 0])
    rows = height / 2 + np.array([0, 0, -half, half])
    lons, lats = ground.to_lonlat(cols=cols, rows=rows)
    if not np.isfinite(lons).all():
        return None
    _, _, metres = WGS84_ELLIPSOID.inv(lons[::2], lats[::2], lons[1::2], lats[1::2])
    return float(metres.mean() / GSD_SPAN_PX)


def _distances_m(lons: Floats, lats: Floats) -> Floats:
    """From each point to the next, the last one's being the first; (n, k)."""
    following = np.roll(lons, -1, axis=1), np.roll(lats, -1, axis=1)
    _, _, metres = WGS84_ELLIPSOID.inv(lons, lats, *following)
    return np.asarray(metres)
