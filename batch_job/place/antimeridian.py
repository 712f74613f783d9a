"""Longitudes across 180°, and rings around the poles; the cutting is the ``antimeridian`` package's."""

import antimeridian
import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from batch_job.place.arrays import Flags, Floats


def turn_degrees(steps: Floats) -> Floats:
    """Take each difference of longitudes the short way round: -180 ≤ step < 180."""
    return (steps + 180) % 360 - 180


def wrap_lons(lons: Floats) -> Floats:
    """Bring longitudes into ±180; those that are there already stay exactly as they are."""
    return np.where(np.abs(lons) > 180, turn_degrees(lons), lons)


def settle(lons: Floats) -> tuple[Floats, Flags]:
    """Move rings by whole turns to where they lie within ±180, and tell which do so.

    A ring as wide as the Earth, or wider by the overshoot that world maps have, is taken to start at -180.

    Args:
        lons: (n, k) degrees, without jumps from point to point.

    Returns:
        The longitudes moved, and (n,) whether the ring fits; one that does not has the antimeridian inside.
    """
    low, high = lons.min(axis=1, keepdims=True), lons.max(axis=1, keepdims=True)
    moved = lons - 360 * np.floor((low + 180) / 360)
    around = np.clip(lons - (low + high) / 2, -180, 180)
    moved = np.where(high - low >= 360, around, moved)
    return moved, moved.max(axis=1) <= 180


def is_counter_clockwise(lons: Floats, lats: Floats, *, turns: int, inside: tuple[float, float]) -> bool:
    """Tell whether the inside of one ring lies to its left.

    Args:
        lons: (k,) degrees, without jumps; not closed.
        lats: (k,) degrees.
        turns: How often the ring goes round the Earth's axis.
        inside: Longitude and latitude of a point inside, which only a ring around a pole needs.
    """
    if turns == 0:
        return bool(shapely.is_ccw(shapely.linearrings(lons, lats)))
    # seen from the point inside, the ring's directed area points towards the viewer
    ring = _on_sphere(lons, lats)
    directed = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)
    return bool(directed @ _on_sphere(np.array([inside[0]]), np.array([inside[1]]))[0] > 0)


def split(lons: Floats, lats: Floats) -> BaseGeometry:
    """Cut one counter-clockwise ring where it crosses the antimeridian, and close it over the pole that it goes round.

    Its points must be less than half a turn apart.

    Args:
        lons: (k,) degrees, not closed.
        lats: (k,) degrees.
    """
    ring = np.column_stack([wrap_lons(lons), lats])
    # flat: the points stand so close that straight lines between them are right in longitude and latitude
    cut: BaseGeometry = antimeridian.fix_polygon(Polygon(ring), fix_winding=True, great_circle=False)
    return cut


def _on_sphere(lons: Floats, lats: Floats) -> Floats:
    lons, lats = np.radians(lons), np.radians(lats)
    return np.column_stack([np.cos(lons) * np.cos(lats), np.sin(lons) * np.cos(lats), np.sin(lats)])
