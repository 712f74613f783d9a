"""Which views may show the same object: found through cells, without comparing all with all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch_job.detection.glimpses import ALIKE, JITTER_PX, Glimpses
from batch_job.detection.measures import glimpse_ious, view_ious, view_shares
from batch_job.detection.views import Flags, Floats, Ints, Views, areas, grown

SAME_OBJECT_SHARE = 0.5
"""More than this of a part inside its whole: the same object, the rule measured best in peers."""
FACING = 0.25
"""Intersection over union of glimpses from which two halves, each cut by the other's chip, are one object. Upright
things reach 0.85; of a long diagonal one the halves agree on less, as its glimpses' boxes hold much else."""
CONFUSED = 0.7
"""The same from which a view of one label and a view of another, both whole or one part of the other, are one object
under two names. Never halves that face each other: things of two labels may lie over one another, and each be seen by
one of the chips only."""

MAX_CANDIDATES = 200_000
"""Pairs looked at in one go: about 40 MB, however boxes are piled up."""
MAX_PILED = 64
"""Boxes of one chip in one cell of their size: more are a pile, of which each is compared with the nearest in rank."""
NEAR_IN_PILE = 4
_MIN_CELL_BITS = 4
"""Cells of at least 16 px: smaller ones would only hold the same few boxes more often."""
_LEVELS_BELOW = 3
"""Whole views that are alike differ by less than that: intersection over union of ``ALIKE``, a cell's rounding."""
_SIDE_PRIME = np.uint64(0x9E3779B97F4A7C15)
"""An odd number of 64 random bits. Cells that share a number cost a comparison, nothing else."""
_CELL_BITS = 16
_CELL_MASK = 2**_CELL_BITS - 1


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
    shapes = _Shapes.of(views, glimpses)
    found = [
        _of_one_object(views, glimpses, *_comparable(glimpses, shapes, larger, smaller))
        for level in np.unique(shapes.levels).tolist()
        for larger, smaller in _candidates(glimpses, shapes, level=level)
    ]
    return Pairs(
        first=np.concatenate([np.empty(0, np.int64), *(pairs.first for pairs in found)]),
        second=np.concatenate([np.empty(0, np.int64), *(pairs.second for pairs in found)]),
        closeness=np.concatenate([np.empty(0), *(pairs.closeness for pairs in found)]),
    )


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What glimpses are found by, one item each."""

    areas: Floats
    middles: Floats
    """(k, 2)."""
    reaching: Floats
    """(k, 4): where the middle of a smaller glimpse of the same object lies."""
    levels: Ints
    """Cells that it is kept in, in bits: no side of ``reaching`` is longer than its cell."""
    whole: Flags
    """Neither cut nor going on beyond the other chip: it can only be like another."""

    @classmethod
    def of(cls, views: Views, glimpses: Glimpses) -> "_Shapes":
        boxes = glimpses.boxes
        reach_px = JITTER_PX * views.resolutions_px[views.chips[glimpses.views]]
        # halves that face each other share a quarter at least: so the middle of one lies at most a quarter beside
        reaching = grown(boxes, np.tile(boxes[:, 2:] - boxes[:, :2], 2) * (0.5 - FACING) + reach_px[:, None])
        _, bits = np.frexp((reaching[:, 2:] - reaching[:, :2]).max(axis=1, initial=0.0))
        return cls(
            areas=areas(boxes),
            middles=(boxes[:, :2] + boxes[:, 2:]) / 2,
            reaching=reaching,
            levels=np.maximum(bits, _MIN_CELL_BITS).astype(np.int64),
            whole=(views.cut[glimpses.views] == 0) & (glimpses.beyond == 0),
        )


def _candidates(glimpses: Glimpses, shapes: _Shapes, *, level: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield larger glimpses of this level and smaller ones with their middle in a cell of those, portion by portion."""
    cell_px = float(2**level)
    keepers = np.flatnonzero(shapes.levels == level)
    sides = 2 * glimpses.grounds + glimpses.ends
    keys, owners = _cells_of_boxes(shapes.reaching[keepers], sides[keepers], keepers, cell_px)
    visitors = _visitors(shapes, keepers, level=level)
    # the number of the other chip's side of the ground differs in the last bit
    visited = _keys(sides[visitors] ^ 1, np.floor(shapes.middles[visitors] / cell_px).astype(np.int64))
    met, begins, ends = _runs(keys, visited)
    visitors, visited = visitors[met], visited[met]
    begins, ends = _near_in_rank(visited, begins, ends)
    portion_of = np.cumsum(ends - begins) // MAX_CANDIDATES
    for portion in np.unique(portion_of).tolist():
        low, high = np.searchsorted(portion_of, [portion, portion + 1])
        counts = ends[low:high] - begins[low:high]
        yield owners[_ranges(begins[low:high], counts)], np.repeat(visitors[low:high], counts)


def _visitors(shapes: _Shapes, keepers: Ints, *, level: int) -> Ints:
    """Give the glimpses that may be smaller ones of the same object: of whole ones only those of about its size."""
    small = shapes.areas <= shapes.areas[keepers].max()
    return np.flatnonzero(small & (~shapes.whole | (shapes.levels >= level - _LEVELS_BELOW)))


def _runs(keys: Ints, wanted: Ints) -> tuple[Flags, Ints, Ints]:
    """Tell which of the wanted are among sorted keys, and from where to where those are."""
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    once = keys[starts]
    at = np.minimum(np.searchsorted(once, wanted), len(once) - 1)
    met: Flags = np.asarray(once[at] == wanted)
    at = at[met]
    return met, starts[at], np.append(starts, len(keys))[at + 1]


def _near_in_rank(visited: Ints, begins: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Have the r-th visitor of a pile compared with what is about r-th in it: a pile costs no square of its size."""
    if not len(begins) or (ends - begins).max() <= MAX_PILED:
        return begins, ends
    order = np.argsort(visited, kind="stable")
    starts = np.searchsorted(visited[order], visited[order], side="left")
    ranks = np.empty_like(begins)
    ranks[order] = np.arange(len(order)) - starts
    width = np.where(ends - begins > MAX_PILED, NEAR_IN_PILE, ends - begins)
    from_rank = np.clip(begins + ranks - width // 2, begins, ends - width)
    return from_rank, from_rank + width


def _comparable(glimpses: Glimpses, shapes: _Shapes, larger: Ints, smaller: Ints) -> tuple[Ints, Ints]:
    """Keep the candidates of one ground of which the smaller one's middle is in the larger one's reach."""
    there, here = shapes.areas[larger], shapes.areas[smaller]
    # of equals that of the first chip counts as the larger, so that each pair is found once
    kept = (there > here) | ((there == here) & (glimpses.ends[larger] < glimpses.ends[smaller]))
    larger, smaller = larger[kept], smaller[kept]
    middles, reaching = shapes.middles[smaller], shapes.reaching[larger]
    near = ((reaching[:, :2] <= middles) & (middles <= reaching[:, 2:])).all(axis=1)
    # numbers of cells may collide
    near &= (glimpses.grounds[larger] == glimpses.grounds[smaller]) & (glimpses.ends[larger] != glimpses.ends[smaller])
    return larger[near], smaller[near]


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
    agree = np.where(facing, closeness >= FACING, share > SAME_OBJECT_SHARE)
    return np.asarray(agree & _cut_towards(views, glimpses, some, others))


def _cut_towards(views: Views, glimpses: Glimpses, some: Ints, others: Ints) -> Flags:
    """Tell whether each view that the other goes beyond is cut on such a side, as it must be; and one does."""
    beyond, further = glimpses.beyond[some], glimpses.beyond[others]
    cut, there = views.cut[glimpses.views[some]], views.cut[glimpses.views[others]]
    towards = ((further == 0) | ((cut & further) > 0)) & ((beyond == 0) | ((there & beyond) > 0))
    return np.asarray(towards & ((beyond | further) > 0))


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


def _keys(sides: Ints, cells: Ints) -> Ints:
    """Fold side of a ground, row and column into one number; near cells have near numbers, which finds them faster."""
    mixed = (sides.astype(np.uint64) * _SIDE_PRIME) >> np.uint64(33)
    row, col = cells[:, 1] & _CELL_MASK, cells[:, 0] & _CELL_MASK
    keys: Ints = (mixed.view(np.int64) << (2 * _CELL_BITS)) | (row << _CELL_BITS) | col
    return keys


def _ranges(begins: Ints, counts: Ints) -> Ints:
    """Give the numbers of all ranges, one after the other."""
    ends = np.cumsum(counts)
    numbers: Ints = np.arange(counts.sum(), dtype=np.int64) + np.repeat(begins - (ends - counts), counts)
    return numbers
