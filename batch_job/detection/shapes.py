"""Objects that are no upright boxes: what a view's shape shows of shared ground, and the shape of a merged object."""

from dataclasses import replace

import numpy as np
import shapely

from batch_job.detection.dechip import EDGE_TOLERANCE_PX, EDGE_TOLERANCE_SHARE
from batch_job.detection.glimpses import JITTER_PX, Glimpses
from batch_job.detection.objects import Objects
from batch_job.detection.polygons import Floats, Ints, Polygons, completed
from batch_job.detection.views import SIDES, Views, grown

ALMOST = 0.9
"""Share of its convex hull, or of the smallest turned rectangle around that, from which a union of parts is taken for
that: the parts of a rectangle, each side wrong by some hundredths, fill so much of one; an ellipse does not (0.79)."""
STRAIGHT_PX = 0.1
"""Points of a union that stand off the line between their neighbours by less are left out."""


def narrowed(views: Views, glimpses: Glimpses) -> Glimpses:
    """Give glimpses of shapes the shape within the other chip, and the box around that; none where that is nothing.

    Where no view has a shape, the glimpses stay as they are.
    """
    if views.shapes is None:
        return glimpses
    shaped = np.flatnonzero(~shapely.is_missing(views.shapes[glimpses.views]))
    first, second = np.divmod(glimpses.grounds[shaped], len(views.windows))
    others = np.where(glimpses.ends[shaped] == 0, second, first)
    lands = grown(views.windows, JITTER_PX * views.resolutions_px[:, None])
    whole = _stretched(views, views.shapes[glimpses.views[shaped]], glimpses.views[shaped])
    shown = shapely.intersection(whole, shapely.box(*lands[others].T))
    shapes = np.full(len(glimpses.views), None, dtype=object)
    shapes[shaped] = shown
    boxes = glimpses.boxes.copy()
    boxes[shaped] = shapely.bounds(shown)
    kept = np.ones(len(shapes), dtype=bool)
    kept[shaped[shapely.area(shown) == 0]] = False
    return Glimpses(
        glimpses.views[kept],
        glimpses.grounds[kept],
        glimpses.ends[kept],
        boxes[kept],
        glimpses.beyond[kept],
        shapes[kept],
    )


def with_shapes(views: Views, groups: Ints, objects: Objects) -> Objects:
    """Give objects of which a view has a shape their shape, and the box around it.

    Args:
        views: All.
        groups: (n,): index of the first view of each view's object.
        objects: Those with more than one view.
    """
    if views.shapes is None:
        return objects
    numbers = np.full(len(groups), -1)
    numbers[objects.firsts] = np.arange(len(objects.firsts))
    of = numbers[groups]
    has_shape = np.zeros(len(objects.firsts) + 1, dtype=bool)
    has_shape[of[~shapely.is_missing(views.shapes)]] = True
    has_shape[-1] = False
    members = np.flatnonzero(has_shape[of])
    members = members[np.argsort(of[members], kind="stable")]
    boxes, shapes = objects.boxes.copy(), np.full(len(objects.firsts), None, dtype=object)
    starts = np.flatnonzero(np.diff(of[members], prepend=-1))
    for which in np.split(members, starts[1:]) if len(members) else ():
        number = of[which[0]]
        shapes[number] = _shape(views, which, boxes[number])
        boxes[number] = shapes[number].bounds
    return replace(objects, boxes=boxes, shapes=shapes)


def _shape(views: Views, which: Ints, box: Floats) -> shapely.Geometry:
    """Give the shape of one object: of an uncut view in the finest picture the largest one's, else the parts' union.

    An uncut view in a coarser picture joins the union where it gave a side of the box.
    """
    pixels = views.resolutions_px[views.chips[which]]
    polygons = completed(views.shapes, views.boxes, which)
    fine, uncut = pixels == pixels.min(), views.cut[which] == 0
    best = int(np.where(uncut, shapely.area(polygons) / pixels**4, -1.0).argmax())
    if uncut[best] and fine[best]:
        whole: shapely.Geometry = polygons[best]
        return whole
    parts = polygons[fine]
    if uncut[best] and (shapely.total_bounds(parts) != box).any():
        parts = np.append(parts, polygons[best])
    windows = views.windows[views.chips[which]]
    return _cleaned(shapely.union_all(parts), shapely.box(*windows[:, :2].min(axis=0), *windows[:, 2:].max(axis=0)))


def _cleaned(union: shapely.Geometry, limits: shapely.Geometry) -> shapely.Geometry:
    """Make one ring of parts that do not quite fit one another; nothing reaches beyond the limits."""
    hull = shapely.convex_hull(union)
    if not isinstance(union, shapely.Polygon) or union.area >= ALMOST * hull.area:
        turned = shapely.minimum_rotated_rectangle(hull)
        ring = turned.intersection(limits) if hull.area >= ALMOST * turned.area else hull
    else:
        ring = shapely.Polygon(union.exterior)
    return shapely.simplify(ring, STRAIGHT_PX)


def _stretched(views: Views, shapes: Polygons, which: Ints) -> Polygons:
    """Move the points at cut sides to the edge of their chip, as is done with boxes."""
    chips = views.chips[which]
    points, of = shapely.get_coordinates(shapes, return_index=True)
    boxes, windows = views.boxes[which], views.windows[chips]
    near_px = np.maximum(
        EDGE_TOLERANCE_PX * views.resolutions_px[chips, None], EDGE_TOLERANCE_SHARE * (boxes[:, 2:] - boxes[:, :2])
    )
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    for column, side in enumerate(SIDES):
        axis = column % 2
        at = points[:, axis]
        outer = at > middles[of, axis] if column > 1 else at < middles[of, axis]
        near = np.abs(at - windows[of, column]) <= near_px[of, axis]
        moved = outer & near & ((views.cut[which][of] & side) > 0)
        points[moved, axis] = windows[of[moved], column]
    stretched = shapely.set_coordinates(shapes.copy(), points)
    broken = np.flatnonzero(~shapely.is_valid(stretched))
    stretched[broken] = shapely.make_valid(stretched[broken])
    return np.asarray(stretched)
