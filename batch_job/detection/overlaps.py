"""Which pairs of views show the same object."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch_job.detection.candidates import candidates
from batch_job.detection.dechip import EDGE_TOLERANCE_PX
from batch_job.detection.glimpses import ALIKE, JITTER_PX, Glimpses
from batch_job.detection.measures import glimpse_ious, view_ious, view_shares
from batch_job.detection.ordering import starts_of
from batch_job.detection.views import SIDES, Flags, Floats, Ints, SideBits, Views, areas, grown, taken

SAME_OBJECT_SHARE = 0.5
"""More than this of a part inside its whole: the same object, the rule measured best in peers."""
FACING = 0.25
"""Intersection over union of glimpses from which two halves, each cut by the other's chip, are one object. Upright
things reach 0.85; of a long diagonal one the halves agree on less, as its glimpses' boxes hold much else.
Where one ends a few pixels before its chip's edge it may be whole, and the other a neighbour: then it is ``ALIKE``."""
CONFUSED = 0.7
"""The same from which a view of one label and a view of another, both whole or one part of the other, are one object
under two names. Never halves that face each other: things of two labels may lie over one another, and each be seen by
one of the chips only."""

MAX_AT_ONCE = 50_000
"""Glimpses compared in one go, but whole grounds: what they need stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of views that show the same object; the arrays have one item a pair."""

    first: Ints
    """Index of the view that comes earlier."""
    second: Ints
    closeness: Floats
    """Larger is likelier; 1 more where the labels are the same."""


def find_pairs(views: Views, glimpses: Glimpses) -> Pairs:
    """Find the pairs of glimpses of one ground, one from either chip, that show the same object."""
    found = [
        _of_one_object(views, part, *_comparable(part, measured, some, others))
        for part, measured in ((part, _Measured.of(views, part)) for part in _parts(glimpses))
        for some, others in candidates(part, measured.reaching)
    ]
    return Pairs(
        first=np.concatenate([np.empty(0, np.int64), *(pairs.first for pairs in found)]),
        second=np.concatenate([np.empty(0, np.int64), *(pairs.second for pairs in found)]),
        closeness=np.concatenate([np.empty(0), *(pairs.closeness for pairs in found)]),
    )


def _parts(glimpses: Glimpses) -> Iterator[Glimpses]:
    """Yield the glimpses of some grounds after the others."""
    starts = starts_of(glimpses.grounds)
    ends = np.append(starts[1:], len(glimpses.grounds)) if len(starts) else starts
    kept = np.append(np.diff(ends // MAX_AT_ONCE) > 0, True) if len(ends) else np.empty(0, bool)
    begin = 0
    for end in ends[kept].tolist():
        part = slice(begin, end)
        shapes = None if glimpses.shapes is None else glimpses.shapes[part]
        boxes = np.asfortranarray(glimpses.boxes[part])
        columns = (glimpses.views[part], glimpses.grounds[part], glimpses.ends[part], boxes, glimpses.beyond[part])
        yield Glimpses(*columns, shapes)
        begin = end


@dataclass(frozen=True, slots=True)
class _Measured:
    """What glimpses are found by, one item each."""

    areas: Floats
    reaching: Floats
    """(k, 4): where the middle of a smaller glimpse of the same object lies."""

    @classmethod
    def of(cls, views: Views, glimpses: Glimpses) -> "_Measured":
        boxes = glimpses.boxes
        reach_px = JITTER_PX * views.resolutions_px[views.chips[glimpses.views]]
        # halves that face each other share a quarter at least: so the middle of one lies at most a quarter beside
        beside = (boxes[:, 2:] - boxes[:, :2]) * (0.5 - FACING) + reach_px[:, None]
        return cls(areas(boxes), grown(boxes, beside))


def _comparable(glimpses: Glimpses, measured: _Measured, some: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Keep the candidates of which the other one is smaller and its middle in the first one's reach."""
    size, smaller = measured.areas.take(some), measured.areas.take(others)
    # of equals that of the first chip counts as the larger, so that each pair is found once
    kept = np.flatnonzero((size > smaller) | ((size == smaller) & (glimpses.ends.take(some) == 0)))
    some, others = some[kept], others[kept]
    boxes, reaching = taken(glimpses.boxes, others), taken(measured.reaching, some)
    near = np.ones(len(some), dtype=bool)
    for axis in (0, 1):
        middles = (boxes[:, axis] + boxes[:, axis + 2]) / 2
        near &= (reaching[:, axis] <= middles) & (middles <= reaching[:, axis + 2])
    return some[near], others[near]


def _of_one_object(views: Views, glimpses: Glimpses, some: Ints, others: Ints) -> Pairs:
    """Apply the rule of ``merge`` to pairs of glimpses."""
    first, second = glimpses.views[some], glimpses.views[others]
    px = np.maximum(views.resolutions_px[views.chips[first]], views.resolutions_px[views.chips[second]])
    closeness = glimpse_ious(views, glimpses, some, others, JITTER_PX * px)
    same = view_ious(views, first, second, JITTER_PX * px) >= ALIKE
    rest = np.flatnonzero(~same)
    same[rest] = _are_parts(views, glimpses, some[rest], others[rest], closeness[rest])
    same_label = views.labels[first] == views.labels[second]
    facing = (glimpses.beyond[some] > 0) & (glimpses.beyond[others] > 0)
    same &= same_label | (~facing & (closeness >= CONFUSED))
    first, second = np.minimum(first, second)[same], np.maximum(first, second)[same]
    return Pairs(first, second, (closeness + same_label)[same])


def _are_parts(views: Views, glimpses: Glimpses, some: Ints, others: Ints, closeness: Floats) -> Flags:
    """Tell of which pairs one is part of the other, or both are halves that face each other."""
    first, second = glimpses.views[some], glimpses.views[others]
    goes_on = glimpses.beyond[some] > 0
    facing = goes_on & (glimpses.beyond[others] > 0)
    part, whole = np.where(goes_on, second, first), np.where(goes_on, first, second)
    px = np.maximum(views.resolutions_px[views.chips[part]], views.resolutions_px[views.chips[whole]])
    share = view_shares(views, part, whole, JITTER_PX * px)
    unsure = _ends_short(views, first, glimpses.beyond[others]) | _ends_short(views, second, glimpses.beyond[some])
    agree = np.where(facing, closeness >= np.where(unsure, ALIKE, FACING), share > SAME_OBJECT_SHARE)
    return np.asarray(agree & _cut_towards(views, glimpses, some, others))


def _cut_towards(views: Views, glimpses: Glimpses, some: Ints, others: Ints) -> Flags:
    """Tell whether each view that the other goes beyond is cut on such a side, as it must be; and one does."""
    beyond, further = glimpses.beyond[some], glimpses.beyond[others]
    cut, there = views.cut[glimpses.views[some]], views.cut[glimpses.views[others]]
    towards = ((further == 0) | ((cut & further) > 0)) & ((beyond == 0) | ((there & beyond) > 0))
    return np.asarray(towards & ((beyond | further) > 0))


def _ends_short(views: Views, which: Ints, towards: SideBits) -> Flags:
    """Tell which views end, on a cut side of these, more than a few pixels before the edge of their chip."""
    chips = views.chips[which]
    gaps_px = np.abs(taken(views.boxes, which) - views.windows[chips])
    sides = ((views.cut[which] & towards)[:, None] & np.array(SIDES, np.uint8)) > 0
    return np.asarray((sides & (gaps_px > EDGE_TOLERANCE_PX * views.resolutions_px[chips, None])).any(axis=1))
