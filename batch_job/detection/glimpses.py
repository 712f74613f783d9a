"""What a view shows of the ground that another chip sees too: only there can two chips be compared.

Most views lie where one chip alone looks. They are recognised by that chip's *core*, and cost nothing further.
"""

from dataclasses import dataclass, fields

import numpy as np
import shapely
from numpy.typing import NDArray

from batch_job.detection.polygons import Polygons
from batch_job.detection.views import SIDES, Flags, Floats, Ints, SideBits, Views, areas, grown, intersections

JITTER_PX = 2.0
"""Pixels of the picture: how far two views of one object may disagree about a side, each wrong by about one."""
JITTER_SHARE = 0.05
"""The same of large objects, as a share of the box: detectors are off by some hundredths of it."""
ALIKE = 0.4
"""Two chips that both see the whole of an object give boxes with at least this intersection over union.

Boxes that are wrong by 4 % at each side, against each other, reach 0.72; a small thing in the empty corner of a
diagonal one's box stays below."""


MAX_SHAPES = 50_000
"""Boxes looked up in one go: 20 MB of shapes."""


@dataclass(frozen=True, slots=True)
class Glimpses:
    """One item for each view and further chip that sees the same ground."""

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
    tree = shapely.STRtree(rectangles(lands))
    reaching = np.flatnonzero(_may_reach(views, lands, tree))
    # chip by chip: what is compared lies together in memory then, which halves the time
    reaching = reaching[np.argsort(views.chips[reaching].astype(np.int32), kind="stable")]
    portions = np.array_split(reaching, len(reaching) // MAX_SHAPES + 1)
    found = [_glimpses_of(views, owners, lands, tree) for owners in portions]
    names = [each.name for each in fields(Glimpses) if each.name != "shapes"]
    return Glimpses(*(np.concatenate([getattr(one, name) for one in found]) for name in names))


def _glimpses_of(views: Views, owners: Ints, lands: Floats, tree: shapely.STRtree) -> Glimpses:
    whole = _completed(views, owners)
    which, others = tree.query(rectangles(whole))
    kept = _worth_comparing(views, owners[which], others)
    which, others = which[kept], others[kept]
    owners, chips = owners[which], views.chips[owners[which]]
    first = np.minimum(chips, others)
    return Glimpses(
        views=owners,
        grounds=first * len(lands) + np.maximum(chips, others),
        ends=(chips != first).astype(np.int64),
        boxes=intersections(whole[which], lands[others]),
        beyond=_beyond(views, owners, others),
    )


def _may_reach(views: Views, lands: Floats, tree: shapely.STRtree) -> Flags:
    """Tell which views may show ground that another chip sees."""
    cores = _cores(views, lands, tree)
    cores_of = cores[views.chips]
    outside = (views.boxes[:, :2] < cores_of[:, :2]) | (views.boxes[:, 2:] > cores_of[:, 2:])
    reaching: Flags = np.asarray(outside.any(axis=1))
    coarse = views.resolutions_px > views.resolutions_px.min(initial=np.inf)
    if coarse.any():
        in_coarse = coarse[views.chips]
        reach_px = JITTER_PX * views.resolutions_px.max()
        smallest = areas(grown(views.boxes[in_coarse], JITTER_PX)).min(initial=np.inf)
        reaching |= in_coarse | (views.cut > 0) | (areas(grown(views.boxes, reach_px)) >= ALIKE * smallest)
    return reaching


def _cores(views: Views, lands: Floats, tree: shapely.STRtree) -> Floats:
    """Give within each chip a box that no other chip sees, pictures of coarser pixels apart."""
    cores = lands.copy()
    chips, others = tree.query(rectangles(lands))
    counted = (chips != others) & (views.resolutions_px[others] <= views.resolutions_px[chips])
    chips, others = chips[counted], others[counted]
    # moving the left side to the other's right one costs as much, and so on; the cheapest keeps them apart
    opposite = lands[others][:, [2, 3, 0, 1]]
    sides = lands[chips]
    costs = np.abs(opposite - sides) / np.tile(sides[:, 2:] - sides[:, :2], 2)
    cheapest = costs.argmin(axis=1)
    for side in range(4):
        moved = cheapest == side
        limit = np.maximum if side < 2 else np.minimum
        limit.at(cores[:, side], chips[moved], opposite[moved, side])
    return cores


def _completed(views: Views, which: Ints) -> Floats:
    """Move the cut sides of views to the edge of their chip, where the object surely reaches."""
    boxes, windows, cut = views.boxes[which], views.windows[views.chips[which]], views.cut[which]
    for column, side in enumerate(SIDES):
        at_edge = (cut & side) > 0
        boxes[at_edge, column] = windows[at_edge, column]
    return boxes


def _worth_comparing(views: Views, owners: Ints, others: Ints) -> Flags:
    """Leave out a view's own chip, and small whole things against a coarse picture that shows none as small."""
    chips = views.chips[owners]
    finer = views.resolutions_px[chips] < views.resolutions_px[others]
    if not finer.any():
        return np.asarray(chips != others)
    reach_px = JITTER_PX * views.resolutions_px
    smallest = np.full(len(views.windows), np.inf)
    np.minimum.at(smallest, views.chips, areas(grown(views.boxes, reach_px[views.chips, None])))
    sizes = areas(grown(views.boxes[owners], reach_px[others, None]))
    small = (views.cut[owners] == 0) & (sizes < ALIKE * smallest[others])
    return np.asarray((chips != others) & ~(finer & small))


def rectangles(boxes: Floats) -> NDArray[np.object_]:
    """Make shapes of boxes."""
    return np.asarray(shapely.box(*boxes.T), dtype=object)


def _beyond(views: Views, owners: Ints, others: Ints) -> SideBits:
    boxes, windows = views.boxes[owners], views.windows[others]
    jitter_px = JITTER_PX * views.resolutions_px[views.chips[owners]]
    bits = np.zeros(len(owners), dtype=np.uint8)
    for axis in (0, 1):
        low, high = boxes[:, axis], boxes[:, axis + 2]
        tolerance = jitter_px + JITTER_SHARE * (high - low)
        bits |= (windows[:, axis] - low > tolerance) * np.uint8(SIDES[axis])
        bits |= (high - windows[:, axis + 2] > tolerance) * np.uint8(SIDES[axis + 2])
    return bits
