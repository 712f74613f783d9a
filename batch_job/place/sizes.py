"""Lengths and areas on WGS 84's ellipsoid, on arrays."""

import numpy as np
from pyproj import Geod, Proj

from batch_job.place.antimeridian import is_counter_clockwise
from batch_job.place.arrays import Floats
from batch_job.place.outlines import Outlines
from batch_job.place.project import Ground

WGS84_ELLIPSOID = Geod(ellps="WGS84")
EQUAL_AREA = Proj("+proj=cea +ellps=WGS84 +over")
"""An equal-area map of the ellipsoid; an area on it is the area on the ground."""
METRES_PER_DEG: float = EQUAL_AREA(1.0, 0.0)[0]
"""Easting of a degree of longitude on that map, whatever the latitude."""
POLE_NORTHING_M: float = EQUAL_AREA(0.0, 90.0)[1]
LONG_STEP_DEG = 1.0
"""Between points nearer than this, the geodesic is as long as the straight edge in longitude and latitude, to 1e-4."""

GSD_SPAN_PX = 10.0
"""The ground distance is taken over this many pixels: RPCs are inverted to a thousandth of a pixel only."""


def areas_m2(outlines: Outlines, inside: tuple[Floats, Floats]) -> Floats:
    """Give the area of each ring, (n,), its edges being straight in longitude and latitude between its samples.

    Args:
        outlines: n rings.
        inside: Longitudes and latitudes, (n,) each, of points inside the rings.
    """
    east, north = _on_equal_area(outlines.lons - outlines.lons[:, :1], outlines.lats)
    # the last step of a ring around a pole ends a whole turn on
    onward = np.roll(east, -1, axis=1)
    onward[:, -1] += 360 * METRES_PER_DEG * outlines.turns
    following = np.roll(outlines.lats, -1, axis=1)
    _, north_amid = _on_equal_area(np.zeros_like(following), (outlines.lats + following) / 2)
    # Simpson's rule: such an edge is no straight line on the map, which tells on maps of half a continent
    heights = (north + 4 * north_amid + np.roll(north, -1, axis=1)) / 6 - _base_lines(outlines, inside)[:, None]
    return np.asarray(np.abs(((onward - east) * heights).sum(axis=1)))


def sides_m(outlines: Outlines) -> tuple[Floats, Floats]:
    """Give the longer and the shorter side of each four-sided ring, (n,) each: means of two that face each other."""
    lons, lats = outlines.vertices
    if max(_longest_step(lons), _longest_step(lats)) > LONG_STEP_DEG:
        lons, lats = outlines.lons, outlines.lats
    sides = _distances_m(lons, lats).reshape(len(lons), 4, -1).sum(axis=2)
    pairs = (sides[:, :2] + sides[:, 2:]) / 2
    return np.asarray(pairs.max(axis=1)), np.asarray(pairs.min(axis=1))


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


def _on_equal_area(lons: Floats, lats: Floats) -> tuple[Floats, Floats]:
    # the easting is the longitude's alone, also of rings so long that PROJ has none
    _, north = EQUAL_AREA(np.zeros_like(lons), lats)
    return lons * METRES_PER_DEG, np.asarray(north)


def _base_lines(outlines: Outlines, inside: tuple[Floats, Floats]) -> Floats:
    """Give the northing from which each ring's area is counted, (n,): any will do, but around a pole the pole's."""
    _, bases = _on_equal_area(outlines.lons[:, 0], outlines.lats[:, 0])
    for row in np.flatnonzero(outlines.turns).tolist():
        turns = int(outlines.turns[row])
        left = is_counter_clockwise(
            outlines.lons[row], outlines.lats[row], turns=turns, inside=(inside[0][row], inside[1][row])
        )
        # eastwards with the inside to the left: the inside is north
        bases[row] = POLE_NORTHING_M if (turns > 0) == left else -POLE_NORTHING_M
    return bases


def _longest_step(degrees: Floats) -> float:
    return float(np.abs(np.diff(degrees, axis=1)).max())
