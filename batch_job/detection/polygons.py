"""Shapes of views as polygons. Views that have none are upright boxes; where no view has one, nothing of this runs."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from batch_job.values.spaces import ImageDetection, PixelRing

Polygons = NDArray[np.object_]
"""shapely's; None for what has no shape."""
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

FILLS_BOX = 0.999
"""Share of its box from which a ring says no more than the box."""
RIGHT_ANGLE_LIMIT = 1.42
"""Corners up to right angles keep their point when a shape is grown, so that boxes grow as boxes; others are cut."""


def polygons_of(found: Sequence[ImageDetection]) -> Polygons | None:
    """Make polygons of the shapes; None where there is no shape at all."""
    if all(one.shape is None for one in found):
        return None
    made = np.full(len(found), None, dtype=object)
    for which, one in enumerate(found):
        if one.shape is not None:
            made[which] = shapely.Polygon(one.shape.points)
    # rounding on the way into the image may have crossed edges that all but touched
    for which in np.flatnonzero(~shapely.is_valid(made) & ~shapely.is_missing(made)).tolist():
        made[which] = largest_part(shapely.make_valid(made[which]))
    return made


def completed(polygons: Polygons | None, boxes: Floats, which: Ints) -> Polygons:
    """Give the polygons of some views, those of boxes too."""
    chosen = np.full(len(which), None, dtype=object) if polygons is None else polygons[which]
    bare = shapely.is_missing(chosen)
    chosen[bare] = shapely.box(*boxes[which[bare]].T)
    return chosen


def to_ring(polygon: shapely.Polygon | None) -> PixelRing | None:
    """Make a ring of a polygon; None where there is none, or its box says as much."""
    if polygon is None or polygon.area >= FILLS_BOX * shapely.box(*polygon.bounds).area:
        return None
    return PixelRing(tuple(map(tuple, shapely.get_coordinates(polygon.exterior)[:-1].tolist())))


def largest_part(polygon: shapely.Geometry) -> shapely.Polygon | None:
    """Give the largest polygon of what an operation left, without its holes; None where there is none."""
    parts = [part for part in shapely.get_parts(shapely.get_parts([polygon])) if isinstance(part, shapely.Polygon)]
    parts = [part for part in parts if part.area > 0]
    if not parts:
        return None
    return shapely.Polygon(max(parts, key=lambda part: part.area).exterior)


def ious(some: Polygons, others: Polygons, reach_px: Floats) -> Floats:
    """Give intersection over union of pairs of polygons, all grown by their pair's reach."""
    some, others = _grown(some, reach_px), _grown(others, reach_px)
    both = shapely.area(shapely.intersection(some, others))
    return np.asarray(both / (shapely.area(some) + shapely.area(others) - both))


def shares(parts: Polygons, wholes: Polygons, reach_px: Floats) -> Floats:
    """Give how much of each part lies in its whole, grown by its reach; 0–1."""
    inside = shapely.area(shapely.intersection(parts, _grown(wholes, reach_px)))
    return np.asarray(inside / shapely.area(parts))


def _grown(polygons: Polygons, reach_px: Floats) -> Polygons:
    return np.asarray(
        shapely.buffer(polygons, reach_px, join_style="mitre", mitre_limit=RIGHT_ANGLE_LIMIT), dtype=object
    )
