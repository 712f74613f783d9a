"""Objects that are no upright boxes, on the ground."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np
import shapely

from batch_job.place.arrays import Floats, Geometries, Indices
from batch_job.place.outlines import trace
from batch_job.place.polygons import to_footprints, to_polygons, to_positions
from batch_job.place.project import Ground
from batch_job.place.sizes import areas_m2, sides_m
from batch_job.values.spaces import Feature

RECTANGLE_CORNERS = 4
MAX_POINTS = 40_000
"""Of rings traced at once: as many as the boxes of a block have corners."""


def place_shapes(features: Sequence[Feature], ground: Ground) -> list[Feature]:
    """Put an object's shape in place of its box; what has none stays as it is.

    Footprint and area are the shape's. Length and width are the sides, on the ground, of the smallest rectangle of any
    direction around it in the image. The centre is the centroid, or where that is outside some point inside.
    """
    shaped = [which for which, feature in enumerate(features) if feature.detection.shape is not None]
    placed = list(features)
    if not shaped:
        return placed
    rings = [np.array(shape.points) for each in shaped if (shape := features[each].detection.shape) is not None]
    pixels = np.array([shapely.Polygon(ring) for ring in rings], dtype=object)
    middles = shapely.get_coordinates(_points_inside(pixels))
    inside = ground.to_lonlat(cols=middles[:, 0], rows=middles[:, 1])
    polygons, areas = _faces(rings, inside, ground)
    values = zip(shaped, to_footprints(polygons), to_positions(*inside), areas, *_sides(pixels, ground), strict=True)
    for which, footprint, center, area, length, width in values:
        known = {"area_m2": _known(area), "length_m": _known(length), "width_m": _known(width)}
        placed[which] = replace(features[which], footprint=footprint, center=center, **known)
    return placed


def _points_inside(polygons: Geometries) -> Geometries:
    middles = np.asarray(shapely.centroid(polygons), dtype=object)
    outside = ~shapely.contains(polygons, middles)
    middles[outside] = shapely.point_on_surface(polygons[outside])
    return middles


def _faces(rings: Sequence[Floats], inside: tuple[Floats, Floats], ground: Ground) -> tuple[Geometries, Floats]:
    """Give the polygons on the ground and their areas; rings with equally many points are traced together."""
    polygons, areas = np.full(len(rings), None, dtype=object), np.full(len(rings), np.nan)
    for alike in _portions(np.array([len(ring) for ring in rings])):
        for outlines in trace(np.stack([rings[which] for which in alike.tolist()]), ground):
            which = alike[outlines.which]
            within = inside[0][which], inside[1][which]
            polygons[which], areas[which] = to_polygons(outlines, within), areas_m2(outlines, within)
    return polygons, areas


def _portions(lengths: Indices) -> Iterator[Indices]:
    """Yield rings with equally many points, as many as may be traced at once."""
    for length in np.unique(lengths).tolist():
        alike = np.flatnonzero(lengths == length)
        yield from np.array_split(alike, len(alike) * length // MAX_POINTS + 1)


def _sides(pixels: Geometries, ground: Ground) -> tuple[Floats, Floats]:
    """Give the longer and the shorter sides of the smallest rectangles around polygons, (n,) each."""
    around = shapely.get_coordinates(shapely.minimum_rotated_rectangle(pixels))
    corners = around.reshape(len(pixels), RECTANGLE_CORNERS + 1, 2)[:, :RECTANGLE_CORNERS]
    longer, shorter = np.full((2, len(pixels)), np.nan)
    for outlines in trace(corners, ground):
        longer[outlines.which], shorter[outlines.which] = sides_m(outlines)
    return longer, shorter


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
