"""What a view shows of the ground that another chip sees too: only there can two chips be compared.

Most views lie where one chip alone looks. They are recognised by that chip's *core*, and cost nothing further.
"""

from dataclasses import dataclass

import numpy as np

from batch_job.detection.neighbours import Neighbours
from batch_job.detection.ordering import order_of
from batch_job.detection.polygons import Polygons
from batch_job.detection.views import SIDES, Flags, Floats, Ints, SideBits, Views, areas, grown, intersections, taken

JITTER_PX = 2.0
"""Pixels of the picture: how far two views of one object may disagree about a side, each wrong by about one."""
JITTER_SHARE = 0.05
"""The same of large objects, as a share of the box: detectors are off by some hundredths of it."""
ALIKE = 0.4
"""Two chips that both see the whole of an object give boxes with at least this intersection over union.

Boxes that are wrong by 4 % at each side, against each other, reach 0.72; a small thing in the empty corner of a
diagonal one's box stays below."""


MAX_AT_ONCE = 50_000
"""Glimpses worked out in one go: what they need stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Glimpses:
    """One item for each view and further chip that sees the same ground; ground by ground, of each end by end."""

    views: Ints
    """Index of the view."""
    grounds: Ints
    """Number of the two chips, the same for both."""
    ends: Ints
    """0 or 1: which of the two saw it."""
    boxes: Floats
    """(k, 4): the view within the other chip, cut sides moved to its own chip's edge."""
    beyond: SideBits
    """(k,): sides of the other chip beyond which the view goes on."""
    shapes: Polygons | None = None
    """(k,): of views that are no upright boxes (``shapes.narrowed``); None: there are none."""


def find_glimpses(views: Views) -> Glimpses:
    """Find all."""
    lands = grown(views.windows, JITTER_PX * views.resolutions_px[:, None])
    neighbours = Neighbours.of(lands)
    reaching = np.flatnonzero(_may_reach(views, neighbours))
    # chip by chip, then ground by ground: what is compared lies together in memory, which halves the time
    reaching = reaching[order_of(views.chips[reaching])]
    whole = _completed(views, reaching)
    which, pairs = neighbours.reached(whole, views.chips[reaching])
    kept = _worth_comparing(views, neighbours, reaching[which], pairs)
    which, pairs = which[kept], pairs[kept]
    order = order_of(neighbours.sides[pairs])
    which, pairs = which[order], pairs[order]
    first = np.minimum(neighbours.chips, neighbours.others)
    grounds = first * len(lands) + np.maximum(neighbours.chips, neighbours.others)
    boxes, beyond = _seen_by_both(views, neighbours, reaching, whole, which, pairs)
    return Glimpses(reaching[which], grounds[pairs], neighbours.sides[pairs] % 2, boxes, beyond)


def _seen_by_both(
    views: Views, neighbours: Neighbours, reaching: Ints, whole: Floats, which: Ints, pairs: Ints
) -> tuple[Floats, SideBits]:
    """Give what each glimpse shows, and where its view goes on beyond that."""
    boxes, beyond = np.empty((4, len(which))).T, np.empty(len(which), np.uint8)
    for begin in range(0, len(which), MAX_AT_ONCE):
        part = slice(begin, begin + MAX_AT_ONCE)
        others = neighbours.others.take(pairs[part])
        boxes[part] = intersections(taken(whole, which[part]), taken(neighbours.lands, others))
        beyond[part] = _beyond(views, reaching.take(which[part]), others)
    return boxes, beyond


def _may_reach(views: Views, neighbours: Neighbours) -> Flags:
    """Tell which views may show ground that another chip sees."""
    cores = _cores(views, neighbours)
    reaching = views.cut > 0  # up to the chip's edge, however far from it the box ends
    for side in range(4):
        limits = cores[:, side].take(views.chips)
        reaching |= views.boxes[:, side] <= limits if side < 2 else views.boxes[:, side] >= limits
    coarse = views.resolutions_px > views.resolutions_px.min(initial=np.inf)
    if coarse.any() and views.shapes is not None:
        reaching[:] = True
    elif coarse.any():
        in_coarse = coarse[views.chips]
        reach_px = JITTER_PX * views.resolutions_px.max()
        smallest = areas(grown(views.boxes[in_coarse], JITTER_PX)).min(initial=np.inf)
        reaching |= in_coarse | (areas(grown(views.boxes, reach_px)) >= ALIKE * smallest)
    return reaching


def _cores(views: Views, neighbours: Neighbours) -> Floats:
    """Give within each chip a box that no other chip sees, pictures of coarser pixels apart."""
    cores = neighbours.lands.copy()
    counted = views.resolutions_px[neighbours.others] <= views.resolutions_px[neighbours.chips]
    chips, others = neighbours.chips[counted], neighbours.others[counted]
    # moving the left side to the other's right one costs as much, and so on; the cheapest keeps them apart
    opposite = neighbours.lands[others][:, [2, 3, 0, 1]]
    sides = neighbours.lands[chips]
    costs = np.abs(opposite - sides) / np.tile(sides[:, 2:] - sides[:, :2], 2)
    cheapest = costs.argmin(axis=1)
    for side in range(4):
        moved = cheapest == side
        limit = np.maximum if side < 2 else np.minimum
        limit.at(cores[:, side], chips[moved], opposite[moved, side])
    return cores


def _completed(views: Views, which: Ints) -> Floats:
    """Move the cut sides of views to the edge of their chip, where the object surely reaches."""
    boxes, cut, chips = taken(views.boxes, which), views.cut[which], views.chips[which]
    for column, side in enumerate(SIDES):
        at_edge = np.flatnonzero(cut & side)
        boxes[at_edge, column] = views.windows[chips[at_edge], column]
    return boxes


def _worth_comparing(views: Views, neighbours: Neighbours, owners: Ints, pairs: Ints) -> Flags:
    """Leave out small whole things against a coarse picture that shows none as small."""
    worth = np.ones(len(owners), dtype=bool)
    if views.shapes is not None:  # sizes of boxes say too little of those
        return worth
    pixels = views.resolutions_px
    finer = pixels[neighbours.chips] < pixels[neighbours.others]
    doubtful = np.flatnonzero(finer[pairs])
    doubtful = doubtful[views.cut[owners[doubtful]] == 0]
    if not len(doubtful):
        return worth
    owners, others = owners[doubtful], neighbours.others[pairs[doubtful]]
    sizes = areas(grown(taken(views.boxes, owners), JITTER_PX * pixels[others, None]))
    worth[doubtful] = sizes >= ALIKE * _smallest_of_coarse(views)[others]
    return worth


def _smallest_of_coarse(views: Views) -> Floats:
    """Give for each coarse picture the area of the smallest thing in it, grown; infinite for others."""
    reach_px = JITTER_PX * views.resolutions_px
    smallest = np.full(len(views.windows), np.inf)
    coarse = views.resolutions_px > views.resolutions_px.min(initial=np.inf)
    which = np.flatnonzero(coarse[views.chips])
    chips = views.chips[which]
    np.minimum.at(smallest, chips, areas(grown(taken(views.boxes, which), reach_px[chips, None])))
    return smallest


def _beyond(views: Views, owners: Ints, others: Ints) -> SideBits:
    boxes, windows = taken(views.boxes, owners), taken(np.asfortranarray(views.windows), others)
    jitter_px = JITTER_PX * views.resolutions_px[views.chips[owners]]
    bits = np.zeros(len(owners), dtype=np.uint8)
    for axis in (0, 1):
        low, high = boxes[:, axis], boxes[:, axis + 2]
        tolerance = jitter_px + JITTER_SHARE * (high - low)
        bits |= (windows[:, axis] - low > tolerance) * np.uint8(SIDES[axis])
        bits |= (high - windows[:, axis + 2] > tolerance) * np.uint8(SIDES[axis + 2])
    return bits
