"""What the rule of ``merge`` measures of two views: of boxes by arithmetic, and by polygons where one has a shape."""

import numpy as np
import shapely

from batch_job.detection import polygons
from batch_job.detection.glimpses import Glimpses
from batch_job.detection.views import Flags, Floats, Ints, Views, areas, grown, intersections, taken


def glimpse_ious(views: Views, glimpses: Glimpses, some: Ints, others: Ints, reach_px: Floats) -> Floats:
    """Give intersection over union of glimpses, all grown by their pair's reach."""
    found = box_ious(taken(glimpses.boxes, some), taken(glimpses.boxes, others), reach_px)
    rest = _shaped(views, glimpses.views[some], glimpses.views[others])
    if glimpses.shapes is not None and len(rest):
        one, other = (polygons.completed(glimpses.shapes, glimpses.boxes, ends[rest]) for ends in (some, others))
        found[rest] = polygons.ious(one, other, reach_px[rest])
    return found


def view_ious(views: Views, first: Ints, second: Ints, reach_px: Floats) -> Floats:
    """Give the same of whole views."""
    found = box_ious(taken(views.boxes, first), taken(views.boxes, second), reach_px)
    rest = _shaped(views, first, second)
    if len(rest):
        one, other = (polygons.completed(views.shapes, views.boxes, ends[rest]) for ends in (first, second))
        found[rest] = polygons.ious(one, other, reach_px[rest])
    return found


def view_shares(views: Views, parts: Ints, wholes: Ints, reach_px: Floats) -> Floats:
    """Give how much of each part lies in its whole, which is grown by its pair's reach; 0–1."""
    boxes = taken(views.boxes, parts)
    found = areas(intersections(boxes, grown(taken(views.boxes, wholes), reach_px[:, None]))) / areas(boxes)
    rest = _shaped(views, parts, wholes)
    if len(rest):
        part, whole = (polygons.completed(views.shapes, views.boxes, ends[rest]) for ends in (parts, wholes))
        found[rest] = polygons.shares(part, whole, reach_px[rest])
    return np.asarray(found)


def box_ious(boxes: Floats, others: Floats, reach_px: Floats) -> Floats:
    """Give intersection over union of boxes whose sides are moved outwards."""
    shared = intersections(boxes, others)
    total = _grown_areas(boxes, reach_px) + _grown_areas(others, reach_px)
    both = _grown_areas(shared, reach_px)
    ious: Floats = both / (total - both)
    return ious


def _grown_areas(boxes: Floats, reach_px: Floats) -> Floats:
    width = np.maximum(boxes[:, 2] - boxes[:, 0] + 2 * reach_px, 0.0)
    height = np.maximum(boxes[:, 3] - boxes[:, 1] + 2 * reach_px, 0.0)
    product: Floats = width * height
    return product


def _shaped(views: Views, first: Ints, second: Ints) -> Ints:
    """Give the places of the pairs in which one has a shape."""
    if views.shapes is None:
        return np.empty(0, dtype=np.int64)
    boxes: Flags = shapely.is_missing(views.shapes[first]) & shapely.is_missing(views.shapes[second])
    return np.flatnonzero(~boxes)
