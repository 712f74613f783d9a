"""From what every chip saw to what the image shows, each thing once.

Neighbouring chips overlap, so an object at their border is seen more than once, whole or in parts. But **two chips see
the same pixels where they overlap: of one object both must say the same there.** That is what the rule looks at.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import repeat
from operator import attrgetter

import numpy as np

from batch_job.detection.crowds import are_crowds
from batch_job.detection.glimpses import find_glimpses
from batch_job.detection.grouping import group
from batch_job.detection.objects import Objects, describe
from batch_job.detection.overlaps import find_pairs
from batch_job.detection.polygons import to_ring
from batch_job.detection.shapes import narrowed, with_shapes
from batch_job.detection.views import Ints, Views
from batch_job.values.spaces import ImageDetection, Kind, PixelBox, Sides, Window

_CORNERS = attrgetter(*(each.name for each in fields(Window)))
"""What windows are sorted by; twice as fast as comparing them."""


def merge(detections: Iterable[ImageDetection]) -> list[ImageDetection]:
    """Merge the views of each object, and the regions of each label.

    1. A side of a box that ends at an edge of its chip, and not of the image, may be cut (``dechip``).
    2. Of each view only the part on ground that another chip sees too is compared, with that chip's views; a cut side
       is first moved to the chip's edge, where the object surely reaches.
    3. *Parts*: more than half of the smaller part lies in the larger one, and whichever view goes on beyond the other's
       chip, the other is cut there. So a part joins its whole, and halves that face each other across the border join;
       they agree the better, the less sure it is that both are cut.
    4. *Wholes*: or both views, whole, are alike. So a small thing in the corner of a large one's box stays itself.
    5. What is compared may be off by two pixels of the coarser picture, and sides by a share of the box. A view that
       has a shape is measured by it, in all of this, and not by its box.
    6. Pairs are joined the closest first, never two views of one chip; those of two labels last, and only if they lie
       on each other and one of them is whole there: one object under two names.
    7. *Geometry*: an uncut view of the finest picture; else the box around the cut ones, mended where a coarser picture
       saw more. ``cut`` names the sides that no chip saw the end of. Of shapes in place of that box the outer ring of
       their union: as its convex hull, and that as the smallest turned rectangle, where it fills nine tenths of it.
    8. *Label*: of which the views are surest together (sum of confidences); *confidence*: the highest with that label.
    9. What only a coarse picture saw is left out where it holds two things of its label that chips saw: a crowd.
    10. *Regions*: one per label: the chips that carry it, with the highest confidence; a picture of the whole image
        counts only where no chip carries the label.

    The result does not depend on the order of the input, and merging it again changes nothing: what several chips saw
    is taken as merged. Time and memory grow about linearly. Of hundreds of boxes that two chips saw in one place each
    is compared with a few only (``candidates``); merging what is left of such a pile again may join some more.

    Args:
        detections: Of one image; each seen in one chip (``dechip``), or merged already.

    Returns:
        Sorted by label, then from top to bottom.
    """
    ordered = _in_order(list(detections))
    regions: dict[str, list[ImageDetection]] = {}
    objects: list[ImageDetection] = []
    merged: list[ImageDetection] = []
    for found in ordered:
        if found.kind is Kind.REGION:
            regions.setdefault(found.label.name, []).append(found)
        else:
            (objects if len(found.windows) == 1 else merged).append(found)
    merged += [*_merge_objects(objects), *map(_merge_region, regions.values())]
    return _in_order(merged)


def merge_views(views: Views) -> tuple[Ints, Objects]:
    """Merge views as ``merge`` does, on arrays; of equally close pairs those of earlier views come first.

    Returns:
        For each view the index of the first view of its object, and the objects with more than one view.
    """
    pairs = find_pairs(views, narrowed(views, find_glimpses(views)))
    groups = group(pairs, views.chips)
    return groups, with_shapes(views, groups, describe(views, groups))


def _all_facts(found: ImageDetection) -> tuple[object, ...]:
    """Give everything that tells two detections apart: by label, kind, and from top to bottom first."""
    box, label = found.box, found.label
    edges = (box.min_row, box.min_col, box.max_row, box.max_col)
    shape = () if found.shape is None else found.shape.points
    details = (label.parents, label.aliases, label.categories, found.cut, found.resolution_px, shape)
    return (label.name, found.kind, *edges, -found.confidence, found.windows, details)


def _in_order(found: Sequence[ImageDetection]) -> list[ImageDetection]:
    """Sort by all facts: by numbers in numpy, which is faster, and by the rest only what is equal in those."""
    if not found:
        return []
    ranks = {name: rank for rank, name in enumerate(sorted({one.label.name for one in found}))}
    boxes = [one.box for one in found]
    numbers = (
        [box.max_col for box in boxes],
        [box.max_row for box in boxes],
        [box.min_col for box in boxes],
        [box.min_row for box in boxes],
        [one.kind is Kind.REGION for one in found],
        [ranks[one.label.name] for one in found],
    )
    columns = [np.array(column) for column in numbers]
    order = np.lexsort(columns)
    ordered = [found[which] for which in order.tolist()]
    same = np.logical_and.reduce([column[order[1:]] == column[order[:-1]] for column in columns])
    begins = np.append(0, np.flatnonzero(~same) + 1)
    ends = np.append(begins[1:], len(found))
    for several in np.flatnonzero(ends - begins > 1).tolist():
        part = slice(begins[several], ends[several])
        ordered[part] = sorted(ordered[part], key=_all_facts)
    return ordered


def _merge_objects(objects: Sequence[ImageDetection]) -> list[ImageDetection]:
    """Merge views that are sorted by all their facts."""
    if not objects:
        return []
    views = Views.of(objects)
    groups, several = merge_views(views)
    members: dict[int, list[ImageDetection]] = {}
    joined = np.bincount(groups, minlength=len(groups))[groups] > 1
    for which, first in zip(np.flatnonzero(joined).tolist(), groups[joined].tolist(), strict=True):
        members.setdefault(first, []).append(objects[which])
    alone = [objects[which] for which in np.flatnonzero(~joined & ~are_crowds(views, groups)).tolist()]
    names = dict(zip(views.labels.tolist(), (one.label.name for one in objects), strict=True))
    return [*alone, *_described(several, members, names)]


def _described(
    several: Objects, members: Mapping[int, Sequence[ImageDetection]], names: Mapping[int, str]
) -> Iterator[ImageDetection]:
    """Give the objects with more than one view; members by the first view's index, names by the label's number."""
    columns = (several.firsts, several.boxes, several.labels, several.confidences, several.cut, several.resolutions_px)
    rings = repeat(None) if several.shapes is None else map(to_ring, several.shapes)
    for facts, ring in zip(zip(*(column.tolist() for column in columns), strict=True), rings, strict=False):
        first, edges, label, confidence, cut, px = facts
        seen = members[first]
        bearer = max((one for one in seen if one.label.name == names[label]), key=lambda one: one.confidence)
        box = PixelBox(*edges)
        yield ImageDetection(bearer.label, confidence, Kind.OBJECT, box, _union(seen), Sides(cut), px, ring)


def _merge_region(seen: Sequence[ImageDetection]) -> ImageDetection:
    windows = _finest(_union(seen))
    box = PixelBox(
        min_col=float(min(window.col_off for window in windows)),
        min_row=float(min(window.row_off for window in windows)),
        max_col=float(max(window.col_off + window.width for window in windows)),
        max_row=float(max(window.row_off + window.height for window in windows)),
    )
    surest = max(seen, key=lambda found: found.confidence)
    return replace(surest, box=box, windows=windows)


def _finest(windows: Sequence[Window]) -> tuple[Window, ...]:
    """Leave out the windows of larger chips, which say less about where: those of an overview, beside usual ones."""
    least = min(window.width * window.height for window in windows)
    return tuple(window for window in windows if window.width * window.height == least)


def _union(views: Sequence[ImageDetection]) -> tuple[Window, ...]:
    return tuple(sorted({window for view in views for window in view.windows}, key=_CORNERS))
