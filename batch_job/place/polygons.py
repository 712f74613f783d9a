"""Traced rings to polygons that GeoJSON readers and OpenSearch take: valid, counter-clockwise, never degenerate."""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

import numpy as np
import shapely
import shapely.geometry
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from batch_job.place.antimeridian import is_counter_clockwise, settle, split, wrap_lons
from batch_job.place.arrays import Flags, Floats, Geometries
from batch_job.place.outlines import Outlines
from batch_job.values.place import Footprint, LonLat

DECIMALS = 9
"""0.1 mm: far below a pixel of any image, yet without the digits that are noise. OpenSearch resolves 1e-7°."""
MIN_EXTENT_DEG = 1e-8
"""1 mm, the smallest box that OpenSearch was seen to take; what is thinner counts as collapsed."""
MAX_STEP_DEG = 90.0
"""Vertices further apart, as of a map of half the world, leave the way round to guesses: then all samples are used."""
POLYGON_TYPE = 3
"""``shapely.get_type_id`` of a polygon."""


def to_polygons(outlines: Outlines, inside: tuple[Floats, Floats]) -> Geometries:
    """Make a polygon of each ring; None where nothing with an area is left at ``DECIMALS``.

    Args:
        outlines: n rings.
        inside: Longitudes and latitudes, (n,) each, of points inside the rings.
    """
    lons, lats = (values.round(DECIMALS) for values in outlines.vertices)
    lons, fits = settle(lons)
    fits &= outlines.turns == 0
    made = np.full(len(fits), None, dtype=object)
    rings = np.stack([lons[fits].round(DECIMALS), lats[fits]], axis=-1)
    made[fits] = _counter_clockwise(rings)
    for row in np.flatnonzero(~fits).tolist():
        made[row] = _around(outlines, row, (inside[0][row], inside[1][row]))
    sound = fits.copy()
    sound[fits] = _keeps_shape(rings) & shapely.is_valid(made[fits])
    for row in np.flatnonzero(~sound).tolist():
        made[row] = clean(made[row])
    return made


def clean(geometry: BaseGeometry) -> BaseGeometry | None:
    """Mend a shape on the grid of ``DECIMALS``; None when no part with an area is left."""
    mended = shapely.set_precision(shapely.make_valid(geometry), 10.0**-DECIMALS)
    # twice: a collection may hold multipolygons
    parts = shapely.get_parts(shapely.get_parts([mended]))
    parts = parts[shapely.get_type_id(parts) == POLYGON_TYPE]
    kept = [orient(part) for part in parts[_has_extent(parts)]]
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else shapely.MultiPolygon(kept)


def to_footprints(geometries: Sequence[BaseGeometry | None] | Geometries) -> list[Footprint | None]:
    """Hand polygons over as values, in the same order."""
    found = [geometry for geometry in geometries if geometry is not None]
    if not found:
        return [None] * len(geometries)
    # as multipolygons all, so that one layout holds them
    _, coordinates, offsets = shapely.to_ragged_array([*found, shapely.MultiPolygon()])
    of_rings, of_polygons, of_geometries = (level.tolist() for level in offsets)
    points = list(map(tuple, coordinates.tolist()))
    rings = [tuple(points[start:end]) for start, end in pairwise(of_rings)]
    polygons = [tuple(rings[start:end]) for start, end in pairwise(of_polygons)]
    each = (tuple(polygons[start:end]) for start, end in pairwise(of_geometries))
    return [None if geometry is None else Footprint(next(each)) for geometry in geometries]


def to_outline(said: Footprint) -> tuple[Footprint, LonLat] | None:
    """Mend what somebody else says is an outline, and find a point in it; None when nothing on Earth is left."""
    coordinates = np.array([position for polygon in said.polygons for ring in polygon for position in ring])
    if not coordinates.size or not (np.abs(coordinates) <= (180, 90)).all():
        return None
    try:
        geometry = clean(shapely.geometry.shape(said.to_geojson()))
    except (ValueError, shapely.errors.GEOSException):
        return None
    if geometry is None:
        return None
    inside = geometry.centroid if geometry.contains(geometry.centroid) else geometry.point_on_surface()
    [footprint] = to_footprints([geometry])
    center = LonLat(lon=round(inside.x, DECIMALS), lat=round(inside.y, DECIMALS))
    return None if footprint is None else (footprint, center)


def to_positions(lons: Floats, lats: Floats) -> list[LonLat | None]:
    """Hand positions over as values; None for those that have no place."""
    wrapped, lats = wrap_lons(lons).round(DECIMALS), lats.round(DECIMALS)
    pairs = zip(wrapped.tolist(), lats.tolist(), strict=True)
    return [LonLat(lon=lon, lat=lat) if isfinite(lon) else None for lon, lat in pairs]


def _counter_clockwise(rings: Floats) -> Geometries:
    """Polygons of (n, k, 2) rings that lie within ±180."""
    closed = np.concatenate([rings, rings[:, :1]], axis=1)
    backwards = ~shapely.is_ccw(shapely.linearrings(closed))
    closed[backwards] = closed[backwards, ::-1]
    return np.asarray(shapely.polygons(closed), dtype=object)


def _around(outlines: Outlines, row: int, inside: tuple[float, float]) -> BaseGeometry:
    lons, lats = (values[row] for values in outlines.vertices)
    if np.abs(np.diff(lons, append=lons[0] + 360 * outlines.turns[row])).max() >= MAX_STEP_DEG:
        lons, lats = outlines.lons[row], outlines.lats[row]
    if not is_counter_clockwise(lons, lats, turns=int(outlines.turns[row]), inside=inside):
        lons, lats = lons[::-1], lats[::-1]
    return split(lons, lats)


def _keeps_shape(rings: Floats) -> Flags:
    """Tell which of (n, k, 2) rings have an extent and no point twice in a row; (n,)."""
    repeated = (rings == np.roll(rings, -1, axis=1)).all(axis=2).any(axis=1)
    return np.asarray((np.ptp(rings, axis=1) >= MIN_EXTENT_DEG).all(axis=1) & ~repeated)


def _has_extent(polygons: Geometries) -> Flags:
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    return np.asarray((bounds[:, 2:] - bounds[:, :2] >= MIN_EXTENT_DEG).all(axis=1))
