"""The rule of ``detection.merge`` for objects, step by step, comparing all with all: slow, and plain Python.

Steps are numbered as in the docstring of ``merge``.
"""

from dataclasses import dataclass

import shapely

from batch_job.detection.dechip import EDGE_TOLERANCE_PX, EDGE_TOLERANCE_SHARE
from batch_job.detection.glimpses import ALIKE, JITTER_PX, JITTER_SHARE
from batch_job.detection.overlaps import CONFUSED, FACING, SAME_OBJECT_SHARE
from batch_job.values.spaces import ImageDetection, Sides

Box = tuple[float, float, float, float]
Outline = Box | shapely.Geometry
"""Boxes are measured by arithmetic, so that equally close pairs come out equal; with shapes polygons are."""


@dataclass(frozen=True)
class View:
    label: str
    confidence: float
    box: Box
    cut: Sides
    land: Box
    px: float
    shape: shapely.Polygon | None = None

    @property
    def outline(self) -> Outline:
        return self.box if self.shape is None else self.shape

    @property
    def chip(self) -> tuple[Box, float]:
        return self.land, self.px


def reference(detections: list[ImageDetection]) -> list[tuple[object, ...]]:
    """Give (label, confidence, box, cut, number of views, shape) of each object, sorted; in merge's order.

    The shape is a polygon; None where all views are upright boxes.
    """
    views = [_view(found) for found in detections]
    pairs = []
    for i, one in enumerate(views):
        for j in range(i + 1, len(views)):
            closeness = _closeness(one, views[j], views)
            if closeness is not None:
                pairs.append((-closeness, i, j))
    objects = [{i} for i in range(len(views))]
    of = list(range(len(views)))
    for _, i, j in sorted(pairs):  # 6
        here, there = objects[of[i]], objects[of[j]]
        if of[i] != of[j] and {views[k].chip for k in here}.isdisjoint({views[k].chip for k in there}):
            here |= there
            for k in there:
                of[k] = of[i]
    whole = [[views[k] for k in sorted(objects[n])] for n in set(of)]
    return sorted((_described(one) for one in whole if not _is_crowd(one, whole)), key=lambda facts: facts[:5])


def _view(found: ImageDetection) -> View:
    [w], b = found.windows, found.box
    box = (b.min_col, b.min_row, b.max_col, b.max_row)
    land = (w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height)
    shape = None if found.shape is None else shapely.Polygon(found.shape.points)
    return View(found.label.name, found.confidence, box, found.cut, land, found.resolution_px, shape)


def _closeness(one: View, other: View, views: list[View]) -> float | None:
    if one.chip == other.chip:
        return None
    reach = JITTER_PX * max(one.px, other.px)
    chips = list(dict.fromkeys(view.chip for view in views))
    if chips.index(one.chip) > chips.index(other.chip):
        one, other = other, one
    mine, theirs = _glimpse(one, other), _glimpse(other, one)
    if mine is None or theirs is None or not _near(_bounds(mine), one, _bounds(theirs), other):
        return None
    closeness = _iou(mine, theirs, reach)
    goes_on, further = _beyond(one, other), _beyond(other, one)
    facing = bool(goes_on) and bool(further)
    if facing:
        unsure = _ends_short(one, further) or _ends_short(other, goes_on)
        agree = closeness >= (ALIKE if unsure else FACING)
    else:
        part, whole = (other, one) if goes_on else (one, other)
        agree = _share(part.outline, whole.outline, reach) > SAME_OBJECT_SHARE
    towards = (not further or one.cut & further) and (not goes_on or other.cut & goes_on) and (goes_on or further)
    alike = _iou(one.outline, other.outline, reach) >= ALIKE
    if not (alike or (agree and towards)):  # 3, 4
        return None
    if one.label == other.label:
        return closeness + 1
    return closeness if not facing and closeness >= CONFUSED else None


def _glimpse(view: View, other: View) -> Outline | None:
    """2; of a shape the points near a cut side are moved, on that side's half of its box."""
    if view.shape is not None:
        ring = [tuple(_moved(view, point, axis) for axis in (0, 1)) for point in view.shape.exterior.coords]
        seen = shapely.make_valid(shapely.Polygon(ring)) & shapely.box(*_grown(other.land, JITTER_PX * other.px))
        return seen if seen.area else None
    sides = zip(view.box, view.land, (Sides.LEFT, Sides.TOP, Sides.RIGHT, Sides.BOTTOM), strict=True)
    completed = [edge if view.cut & side else own for own, edge, side in sides]
    left, top, right, bottom = _shared(tuple(completed), _grown(other.land, JITTER_PX * other.px))  # type: ignore[arg-type]
    return (left, top, right, bottom) if left <= right and top <= bottom else None


def _moved(view: View, point: tuple[float, ...], axis: int) -> float:
    low, high = view.box[axis], view.box[axis + 2]
    near = max(EDGE_TOLERANCE_PX * view.px, EDGE_TOLERANCE_SHARE * (high - low))
    for side, half in ((axis, point[axis] < (low + high) / 2), (axis + 2, point[axis] > (low + high) / 2)):
        at_edge = abs(point[axis] - view.land[side]) <= near
        if half and at_edge and view.cut & (Sides.LEFT, Sides.TOP, Sides.RIGHT, Sides.BOTTOM)[side]:
            return view.land[side]
    return point[axis]


def _near(mine: Box, one: View, theirs: Box, other: View) -> bool:
    """2: the middle of the smaller glimpse in or near the larger one; of equals the first chip's counts as larger."""
    if _area(mine) >= _area(theirs):
        return _holds(mine, one, theirs)
    return _holds(theirs, other, mine)


def _holds(large: Box, view: View, small: Box) -> bool:
    middles = ((small[0] + small[2]) / 2, (small[1] + small[3]) / 2)
    reach = JITTER_PX * view.px
    return all(
        large[axis] - (large[axis + 2] - large[axis]) * (0.5 - FACING) - reach
        <= middles[axis]
        <= large[axis + 2] + (large[axis + 2] - large[axis]) * (0.5 - FACING) + reach
        for axis in (0, 1)
    )


def _beyond(view: View, other: View) -> Sides:
    tolerance = [JITTER_PX * view.px + JITTER_SHARE * (view.box[axis + 2] - view.box[axis]) for axis in (0, 1)]
    sides = Sides.NONE
    sides |= Sides.LEFT if other.land[0] - view.box[0] > tolerance[0] else Sides.NONE
    sides |= Sides.TOP if other.land[1] - view.box[1] > tolerance[1] else Sides.NONE
    sides |= Sides.RIGHT if view.box[2] - other.land[2] > tolerance[0] else Sides.NONE
    sides |= Sides.BOTTOM if view.box[3] - other.land[3] > tolerance[1] else Sides.NONE
    return sides


def _ends_short(view: View, towards: Sides) -> bool:
    """3: whether a cut side of these is further than two pixels of the picture from its chip's edge."""
    sides = zip(view.box, view.land, (Sides.LEFT, Sides.TOP, Sides.RIGHT, Sides.BOTTOM), strict=True)
    return any(view.cut & towards & side and abs(own - edge) > EDGE_TOLERANCE_PX * view.px for own, edge, side in sides)


def _is_crowd(one: list[View], whole: list[list[View]]) -> bool:
    """9; only one picture is coarse, so what it alone saw has one view."""
    least = min(view.px for views in whole for view in views)
    if any(view.px == least for view in one):
        return False
    [coarse] = one
    held = 0
    for other in whole:
        fine = [view for view in other if view.px == least and view.label == coarse.label]
        held += any(_share(view.outline, coarse.outline, JITTER_PX) > 0.7 for view in fine)
    return held > 1


def _described(views: list[View]) -> tuple[object, ...]:
    if len(views) == 1:
        [only] = views
        return only.label, only.confidence, only.box, only.cut, 1, only.shape
    finest = min(view.px for view in views)
    fine = [view for view in views if view.px == finest]
    box: list[float] = [min(view.box[0] for view in fine), min(view.box[1] for view in fine)]
    box += [max(view.box[2] for view in fine), max(view.box[3] for view in fine)]
    cut = Sides.NONE
    for axis, side in enumerate((Sides.LEFT, Sides.TOP, Sides.RIGHT, Sides.BOTTOM)):
        if not any(abs(view.box[axis] - box[axis]) <= JITTER_PX * finest and not view.cut & side for view in fine):
            cut |= side
    uncut = [view for view in views if not view.cut]
    if uncut:  # 7
        cut = Sides.NONE
        best = max(uncut, key=lambda view: _area(view.box) / view.px**4)
        box = list(best.box) if best.px == finest else _mended(box, best)
    shape = _shape_of(views, box)
    if shape is not None:
        box = list(shape.bounds)
    return *_named(views), tuple(box), cut, len(views), shape


def _shape_of(views: list[View], box: list[float]) -> shapely.Geometry | None:
    """7, of shapes."""
    if all(view.shape is None for view in views):
        return None
    finest = min(view.px for view in views)
    parts = [_polygon(view.outline) for view in views if view.px == finest]
    uncut = [view for view in views if not view.cut]
    if uncut:
        best = max(uncut, key=lambda view: _polygon(view.outline).area / view.px**4)
        if best.px == finest:
            return _polygon(best.outline)
        if list(shapely.union_all(parts).bounds) != box:
            parts.append(_polygon(best.outline))
    union = shapely.union_all(parts)
    hull = union.convex_hull
    if union.geom_type == "Polygon" and union.area < 0.9 * hull.area:
        return shapely.Polygon(union.exterior).simplify(0.1)
    turned = hull.minimum_rotated_rectangle
    lands = [view.land for view in views]
    limits = (min(x[0] for x in lands), min(x[1] for x in lands), max(x[2] for x in lands), max(x[3] for x in lands))
    return (turned & shapely.box(*limits) if hull.area >= 0.9 * turned.area else hull).simplify(0.1)


def _mended(box: list[float], coarse: View) -> list[float]:
    wrong = [JITTER_PX * coarse.px + JITTER_SHARE * (coarse.box[axis + 2] - coarse.box[axis]) for axis in (0, 1)] * 2
    out = [box[0] - coarse.box[0], box[1] - coarse.box[1], coarse.box[2] - box[2], coarse.box[3] - box[3]]
    return [coarse.box[side] if out[side] > wrong[side] else box[side] for side in range(4)]


def _named(views: list[View]) -> tuple[str, float]:
    """8."""
    labels = sorted({view.label for view in views})
    label = max(labels, key=lambda name: sum(view.confidence for view in views if view.label == name))
    return label, max(view.confidence for view in views if view.label == label)


def _grown(box: Box, px: float) -> Box:
    return (box[0] - px, box[1] - px, box[2] + px, box[3] + px)


def _shared(box: Box, other: Box) -> Box:
    return (max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3]))


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _iou(some: Outline, other: Outline, reach: float) -> float:
    if isinstance(some, tuple) and isinstance(other, tuple):
        some, other = _grown(some, reach), _grown(other, reach)
        shared = _area(_shared(some, other))
        return shared / (_area(some) + _area(other) - shared)
    one, two = _buffered(_polygon(some), reach), _buffered(_polygon(other), reach)
    both = (one & two).area
    return float(both / (one.area + two.area - both))


def _share(part: Outline, whole: Outline, reach: float) -> float:
    if isinstance(part, tuple) and isinstance(whole, tuple):
        return _area(_shared(part, _grown(whole, reach))) / _area(part)
    return float((_polygon(part) & _buffered(_polygon(whole), reach)).area / _polygon(part).area)


def _polygon(outline: Outline) -> shapely.Geometry:
    return shapely.box(*outline) if isinstance(outline, tuple) else outline


def _bounds(outline: Outline) -> Box:
    return outline if isinstance(outline, tuple) else outline.bounds


def _buffered(shape: shapely.Geometry, by_px: float) -> shapely.Geometry:
    """Corners up to right angles keep their point, as those of boxes do."""
    return shape.buffer(by_px, join_style="mitre", mitre_limit=1.42)
