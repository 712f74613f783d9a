"""From what every chip saw to what the image shows, each thing once.

Neighbouring chips overlap, so an object at their border is seen more than once: whole in at least one of them (an
object no larger than the overlap is never cut by all), and in parts in the others. A part lies inside its object, which
is why views are compared by intersection over *smaller*.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from batch_job.detection.overlaps import JITTER_PX, Floats, Ints, areas, find_pairs, grown
from batch_job.values.spaces import ImageDetection, Kind, PixelBox, Window


def merge(detections: Iterable[ImageDetection]) -> list[ImageDetection]:
    """Merge the views of each object, and the regions of each label.

    *Objects*: the views of a label are visited from the most complete to the least (by area; one that is not cut by a
    chip's edge comes before its cut ones). Each joins the closest object found so far of which it shows more than half
    or that shows more than half of it (``overlaps.SAME_OBJECT_SHARE``); otherwise it is a new object. No object takes
    two views from one chip: a detector that reports two things in one picture saw two things. The object has the label,
    box and ``touches_edge`` of its most complete view, the highest confidence of all, and the windows of all.

    *Regions*: one per label: the union of its windows, with the highest confidence.

    The result does not depend on the order of the input, and merging it again changes nothing. Time and memory grow
    about linearly where boxes of a label are not piled up.

    Args:
        detections: Of one image.

    Returns:
        Sorted by label, then from top to bottom.
    """
    ordered = sorted(detections, key=_all_facts)
    regions: dict[str, list[ImageDetection]] = {}
    for found in ordered:
        if found.kind is Kind.REGION:
            regions.setdefault(found.label.name, []).append(found)
    objects = [found for found in ordered if found.kind is Kind.OBJECT]
    merged = [*_merge_objects(objects), *map(_merge_region, regions.values())]
    return sorted(merged, key=_all_facts)


def _all_facts(found: ImageDetection) -> tuple[object, ...]:
    """Give everything that tells two detections apart: nothing is left to the order of the input."""
    box, label = found.box, found.label
    edges = (box.min_row, box.min_col, box.max_row, box.max_col)
    details = (label.parents, label.aliases, label.categories, found.touches_edge)
    return (label.name, found.kind, *edges, -found.confidence, found.windows, details)


def _merge_objects(objects: Sequence[ImageDetection]) -> list[ImageDetection]:
    """Merge views that are sorted by all their facts."""
    if not objects:
        return []
    boxes = np.array([(b.min_col, b.min_row, b.max_col, b.max_row) for b in (found.box for found in objects)])
    cut = np.array([found.touches_edge for found in objects])
    order = np.argsort(-_completeness(boxes, cut), kind="stable")
    views = [objects[i] for i in order]
    parts = _find_parts(views, boxes[order])
    joined = {part for members in parts.values() for part in members}
    return [
        _merge_views(view, [views[part] for part in parts.get(i, ())])
        for i, view in enumerate(views)
        if i not in joined
    ]


def _completeness(boxes: Floats, cut: Ints) -> Floats:
    """Give what views are visited by, largest first: the area, of uncut ones with the jitter on their side.

    A whole object comes before its own parts then, however both are off by a pixel, and no small object comes before a
    large one that happens to be cut.
    """
    return np.where(cut, areas(boxes), areas(grown(boxes, JITTER_PX)))


def _find_parts(views: Sequence[ImageDetection], boxes: Floats) -> dict[int, list[int]]:
    """Give by an object's first view, as an index, the further views of it."""
    labels = _numbered(view.label.name for view in views)
    pairs = find_pairs(boxes, labels, _numbered(view.windows[0] for view in views))
    # for each view in turn the objects before it, the closest first, of equals the most complete
    order = np.lexsort((pairs.first, -pairs.closeness, pairs.second))
    parts: dict[int, list[int]] = {}
    windows: dict[int, set[Window]] = {}
    joined: set[int] = set()
    for first, second in zip(pairs.first[order].tolist(), pairs.second[order].tolist(), strict=True):
        if second in joined or first in joined:
            continue
        seen_in = windows.setdefault(first, set(views[first].windows))
        if seen_in.isdisjoint(views[second].windows):
            seen_in.update(views[second].windows)
            parts.setdefault(first, []).append(second)
            joined.add(second)
    return parts


def _numbered(things: Iterable[Hashable]) -> Ints:
    """Number things from 0 on, equal ones alike."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(thing, len(numbers)) for thing in things], dtype=np.int64)


def _merge_views(whole: ImageDetection, parts: Sequence[ImageDetection]) -> ImageDetection:
    if not parts:
        return whole
    return replace(whole, confidence=_highest([whole, *parts]), windows=_union([whole, *parts]))


def _merge_region(seen: Sequence[ImageDetection]) -> ImageDetection:
    windows = _union(seen)
    box = PixelBox(
        min_col=float(min(window.col_off for window in windows)),
        min_row=float(min(window.row_off for window in windows)),
        max_col=float(max(window.col_off + window.width for window in windows)),
        max_row=float(max(window.row_off + window.height for window in windows)),
    )
    surest = max(seen, key=lambda found: found.confidence)
    return ImageDetection(surest.label, surest.confidence, Kind.REGION, box, windows)


def _highest(views: Sequence[ImageDetection]) -> float:
    return max(view.confidence for view in views)


def _union(views: Sequence[ImageDetection]) -> tuple[Window, ...]:
    return tuple(sorted(set(chain.from_iterable(view.windows for view in views))))
