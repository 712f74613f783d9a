"""Which views may show the same object: found through cells, without comparing all with all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch_job.detection.glimpses import ALIKE, JITTER_PX, Glimpses
from batch_job.detection.views import Flags, Floats, Ints, Views, areas, grown, intersections

SAME_OBJECT_SHARE = 0.5
"""More than this of a part inside its whole: the same object, the rule measured best in peers."""
FACING = 0.25
"""Intersection over union of glimpses from which two halves, each cut by the other's chip, are one object. Upright
things reach 0.85; of a long diagonal one the halves agree on less, as its glimpses' boxes hold much else."""
CONFUSED = 0.7
"""The same from which a view of one label and a view of another, both whole or one part of the other, are one object
under two names. Never halves that face each other: things of two labels may lie over one another, and each be seen by
one of the chips only."""

MAX_CANDIDATES = 500_000
"""Pairs looked at in one go: about 100 MB, however boxes are piled up."""
MAX_PILED = 64
"""Boxes of one chip in one cell of their size, of which each is compared with the nearest in rank: more are a pile."""
_MIN_CELL_BITS = 4
"""Cells of at least 16 px: smaller ones would only hold the same few boxes more often."""
_LEVELS_ABOVE = 3
"""A glimpse that is smaller by area fits by a quarter at least into the larger one on either axis."""
_GROUND_PRIME, _ROW_PRIME, _COL_PRIME = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xC2B2AE3D27D4EB4F),
    np.uint64(0x165667B19E3779F9),
)
"""Odd numbers of 64 random bits. Cells that share a number cost a comparison, nothing else."""


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
    reach_px = JITTER_PX * views.resolutions_px[views.chips[glimpses.views]]
    levels = _levels(glimpses.boxes, reach_px)
    found = [
        _same_objects(views, glimpses, reach_px, (larger, smaller))
        for level in np.unique(levels).tolist()
        for larger, smaller in _candidates(glimpses, reach_px, levels, level=level)
    ]
    return Pairs(
        first=np.concatenate([np.empty(0, np.int64), *(pairs.first for pairs in found)]),
        second=np.concatenate([np.empty(0, np.int64), *(pairs.second for pairs in found)]),
        closeness=np.concatenate([np.empty(0), *(pairs.closeness for pairs in found)]),
    )


def _levels(boxes: Floats, reach_px: Floats) -> Ints:
    """Give the size of the cells that each box is kept in, in bits: no side of a grown box is longer than its cell."""
    reaching = _reaching(boxes, reach_px)
    _, bits = np.frexp((reaching[:, 2:] - reaching[:, :2]).max(axis=1))
    levels: Ints = np.maximum(bits, _MIN_CELL_BITS).astype(np.int64)
    return levels


def _reaching(boxes: Floats, reach_px: Floats) -> Floats:
    """Give where the middle of a smaller glimpse of the same object lies.

    Halves that face each other share a quarter at least: the middle of one lies at most a quarter beside the other.
    """
    return grown(boxes, np.tile(boxes[:, 2:] - boxes[:, :2], 2) * (0.5 - FACING) + reach_px[:, None])


def _is_near(smaller: Floats, reaching: Floats) -> Flags:
    middles = (smaller[:, :2] + smaller[:, 2:]) / 2
    inside = (reaching[:, :2] <= middles) & (middles <= reaching[:, 2:])
    return np.asarray(inside.all(axis=1))


def _candidates(glimpses: Glimpses, reach_px: Floats, levels: Ints, *, level: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield larger glimpses of this level and smaller ones with their middle in a cell of those, portion by portion."""
    cell_px = float(2**level)
    keepers = np.flatnonzero(levels == level)
    grounds = np.unique(glimpses.grounds[keepers])
    visitors = np.flatnonzero(levels <= level + _LEVELS_ABOVE)
    places = np.searchsorted(grounds, glimpses.grounds[visitors])
    visitors = visitors[grounds[np.minimum(places, len(grounds) - 1)] == glimpses.grounds[visitors]]
    boxes = _reaching(glimpses.boxes[keepers], reach_px[keepers])
    keys, owners = _cells_of_boxes(boxes, 2 * glimpses.grounds[keepers] + glimpses.ends[keepers], keepers, cell_px)
    middles = (glimpses.boxes[visitors, :2] + glimpses.boxes[visitors, 2:]) / 2
    other_ends = 2 * glimpses.grounds[visitors] + 1 - glimpses.ends[visitors]
    visited = _keys(other_ends, np.floor(middles / cell_px).astype(np.int64))
    begins, ends = np.searchsorted(keys, visited, side="left"), np.searchsorted(keys, visited, side="right")
    met = ends > begins
    visitors, visited, begins, ends = visitors[met], visited[met], begins[met], ends[met]
    begins, ends = _near_in_rank(visited, begins, ends)
    portion_of = np.cumsum(ends - begins) // MAX_CANDIDATES
    for portion in np.unique(portion_of).tolist():
        low, high = np.searchsorted(portion_of, [portion, portion + 1])
        counts = ends[low:high] - begins[low:high]
        yield owners[_ranges(begins[low:high], counts)], np.repeat(visitors[low:high], counts)


def _near_in_rank(visited: Ints, begins: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Have the r-th visitor of a pile compared with what is about r-th in it: a pile costs no square of its size."""
    if not len(begins) or (ends - begins).max() <= MAX_PILED:
        return begins, ends
    order = np.argsort(visited, kind="stable")
    starts = np.searchsorted(visited[order], visited[order], side="left")
    ranks = np.empty_like(begins)
    ranks[order] = np.arange(len(order)) - starts
    from_rank = np.clip(begins + ranks - MAX_PILED // 2, begins, np.maximum(ends - MAX_PILED, begins))
    return from_rank, np.minimum(from_rank + MAX_PILED, ends)


def _same_objects(views: Views, glimpses: Glimpses, reach_px: Floats, candidates: tuple[Ints, Ints]) -> Pairs:
    """Keep the candidates, as larger and smaller glimpses, that show the same object."""
    larger, smaller = candidates
    there, here = areas(glimpses.boxes[larger]), areas(glimpses.boxes[smaller])
    # of equals that of the first chip counts as the larger, so that each pair is found once; numbers may collide
    kept = (there > here) | ((there == here) & (glimpses.ends[larger] < glimpses.ends[smaller]))
    kept &= glimpses.grounds[larger] == glimpses.grounds[smaller]
    kept &= glimpses.ends[larger] != glimpses.ends[smaller]
    larger, smaller = larger[kept], smaller[kept]
    near = _is_near(glimpses.boxes[smaller], _reaching(glimpses.boxes[larger], reach_px[larger]))
    return _of_one_object(views, glimpses, larger[near], smaller[near])


def _of_one_object(views: Views, glimpses: Glimpses, some: Ints, others: Ints) -> Pairs:
    """Apply the rule of ``merge`` to pairs of glimpses."""
    first, second = glimpses.views[some], glimpses.views[others]
    px = views.resolutions_px[views.chips]
    reach_px = JITTER_PX * np.maximum(px[first], px[second])[:, None]
    closeness = _ious(grown(glimpses.boxes[some], reach_px), grown(glimpses.boxes[others], reach_px))
    goes_on = glimpses.beyond[some] > 0
    facing = goes_on & (glimpses.beyond[others] > 0)
    part, whole = np.where(goes_on, second, first), np.where(goes_on, first, second)
    share = _shares(views.boxes[part], views.boxes[whole], reach_px)
    agree = np.where(facing, closeness >= FACING, share > SAME_OBJECT_SHARE)
    alike = _ious(grown(views.boxes[first], reach_px), grown(views.boxes[second], reach_px)) >= ALIKE
    same_label = views.labels[first] == views.labels[second]
    same = alike | (agree & _cut_towards(views, glimpses, some, others))
    same &= same_label | (~facing & (closeness >= CONFUSED))
    first, second = np.minimum(first, second)[same], np.maximum(first, second)[same]
    return Pairs(first, second, (closeness + same_label)[same])


def _cut_towards(views: Views, glimpses: Glimpses, some: Ints, others: Ints) -> Flags:
    """Tell whether each view that the other goes beyond is cut on such a side, as it must be; and one does."""
    beyond, further = glimpses.beyond[some], glimpses.beyond[others]
    cut, there = views.cut[glimpses.views[some]], views.cut[glimpses.views[others]]
    towards = ((further == 0) | ((cut & further) > 0)) & ((beyond == 0) | ((there & beyond) > 0))
    return np.asarray(towards & ((beyond | further) > 0))


def _shares(smaller: Floats, larger: Floats, reach_px: Floats) -> Floats:
    """Give how much of the smaller box lies in the larger one, or beside it by no more than the jitter."""
    share: Floats = areas(intersections(smaller, grown(larger, reach_px))) / np.maximum(areas(smaller), 1e-9)
    return share


def _ious(boxes: Floats, others: Floats) -> Floats:
    shared = areas(intersections(boxes, others))
    ious: Floats = shared / (areas(boxes) + areas(others) - shared)
    return ious


def _cells_of_boxes(boxes: Floats, groups: Ints, owners: Ints, cell_px: float) -> tuple[Ints, Ints]:
    """Give the sorted keys of the one to four cells that each box lies in, and whose they are."""
    low = np.floor(boxes[:, :2] / cell_px).astype(np.int64)
    high = np.floor(boxes[:, 2:] / cell_px).astype(np.int64)
    wide, tall = high[:, 0] > low[:, 0], high[:, 1] > low[:, 1]
    both = wide & tall
    cells = [
        _keys(groups, low),
        _keys(groups[wide], np.column_stack((high[wide, 0], low[wide, 1]))),
        _keys(groups[tall], np.column_stack((low[tall, 0], high[tall, 1]))),
        _keys(groups[both], high[both]),
    ]
    keys, kept = np.concatenate(cells), np.concatenate((owners, owners[wide], owners[tall], owners[both]))
    order = np.argsort(keys, kind="stable")
    return keys[order], kept[order]


def _keys(groups: Ints, cells: Ints) -> Ints:
    """Mix group, row and column into one number."""
    col, row, group = (part.astype(np.uint64) for part in (cells[:, 0], cells[:, 1], groups))
    mixed = group * _GROUND_PRIME ^ row * _ROW_PRIME ^ col * _COL_PRIME
    keys: Ints = mixed.view(np.int64)
    return keys


def _ranges(begins: Ints, counts: Ints) -> Ints:
    """Give the numbers of all ranges, one after the other."""
    ends = np.cumsum(counts)
    numbers: Ints = np.arange(counts.sum(), dtype=np.int64) + np.repeat(begins - (ends - counts), counts)
    return numbers
