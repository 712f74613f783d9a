"""Which boxes may show the same object: pairs by intersection over smaller, found without comparing all with all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAME_OBJECT_SHARE = 0.5
"""More than this of the smaller box inside the larger one: the same object, the rule measured best in peers.

From a half on, the middle of the smaller box lies in the larger one, which is what makes pairs quick to find."""
JITTER_PX = 2.0
"""How far two views of one object may disagree about a side: each is wrong by up to about one pixel.

The larger box is grown by this much, so that a part one pixel wide is not lost beside its object. Objects of one label
stand at least 3 px apart, and so do not reach each other."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_CANDIDATES = 1_000_000
"""Pairs looked at in one go: about 200 MB, however boxes are piled up."""
_MIN_CELL_BITS = 4
"""Cells of at least 16 px: smaller ones would only hold the same few boxes more often."""
_CELL_NUMBER_BITS = 22
"""Enough for cells of 16 px along 2**26 px; 19 bits are left for the labels of one image."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of boxes that show the same object; the arrays have one item a pair."""

    first: Ints
    """Index of the box that comes earlier in the input."""
    second: Ints
    closeness: Floats
    """Larger is likelier, at most 2."""


def find_pairs(boxes: Floats, groups: Ints, chips: Ints) -> Pairs:
    """Find pairs of boxes of one group, from two chips, of which the smaller lies by more than half in the larger.

    Args:
        boxes: (n, 4) of min_col, min_row, max_col, max_row, px.
        groups: (n,), from 0 on; boxes of different groups are never a pair.
        chips: (n,); boxes of the same chip are never a pair.
    """
    levels = _levels(boxes)
    found = [
        _same_objects(boxes, chips, larger, smaller)
        for level in np.unique(levels).tolist()
        for larger, smaller in _candidates(boxes, groups, levels, level=level)
    ]
    return Pairs(
        first=np.concatenate([np.empty(0, np.int64), *(pairs.first for pairs in found)]),
        second=np.concatenate([np.empty(0, np.int64), *(pairs.second for pairs in found)]),
        closeness=np.concatenate([np.empty(0), *(pairs.closeness for pairs in found)]),
    )


def areas(boxes: Floats) -> Floats:
    """Give the area of each box, px²."""
    sides = boxes[:, 2:] - boxes[:, :2]
    product: Floats = sides[:, 0] * sides[:, 1]
    return product


def grown(boxes: Floats, by_px: float) -> Floats:
    """Move every side of every box outwards."""
    moved: Floats = boxes + np.array([-by_px, -by_px, by_px, by_px])
    return moved


def _levels(boxes: Floats) -> Ints:
    """Give the size of the cells that each box is kept in, in bits: no side of a grown box is longer than its cell."""
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) + 2 * JITTER_PX
    _, bits = np.frexp(sides)
    levels: Ints = np.maximum(bits, _MIN_CELL_BITS).astype(np.int64)
    return levels


def _candidates(boxes: Floats, groups: Ints, levels: Ints, *, level: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield larger boxes of this level and smaller ones whose middle lies in a cell of theirs, a portion at a time."""
    cell_px = float(2**level)
    keepers = np.flatnonzero(levels == level)
    keys, owners = _cells_of_boxes(grown(boxes[keepers], JITTER_PX), groups[keepers], keepers, cell_px)
    # half of the smaller box fits into the larger one, which is grown: it is at most two levels above
    visitors = np.flatnonzero(levels <= level + 2)
    middles = (boxes[visitors, :2] + boxes[visitors, 2:]) / 2
    visited = _keys(groups[visitors], np.floor(middles / cell_px).astype(np.int64))
    begins, ends = np.searchsorted(keys, visited, side="left"), np.searchsorted(keys, visited, side="right")
    portion_of = np.cumsum(ends - begins) // MAX_CANDIDATES
    for portion in np.unique(portion_of).tolist():
        low, high = np.searchsorted(portion_of, [portion, portion + 1])
        counts = ends[low:high] - begins[low:high]
        yield owners[_ranges(begins[low:high], counts)], np.repeat(visitors[low:high], counts)


def _same_objects(boxes: Floats, chips: Ints, larger: Ints, smaller: Ints) -> Pairs:
    """Keep the candidates that are pairs."""
    area, others = areas(boxes[larger]), areas(boxes[smaller])
    # of equals the earlier counts as the larger, so that each pair is found once
    ordered = (area > others) | ((area == others) & (larger < smaller))
    kept = ordered & (chips[larger] != chips[smaller])
    larger, smaller = larger[kept], smaller[kept]
    inner, outer, area = boxes[smaller], boxes[larger], others[kept]
    share = _intersections(inner, grown(outer, JITTER_PX)) / area
    closeness = share + _intersections(inner, outer) / area
    same = share > SAME_OBJECT_SHARE
    first, second = np.minimum(larger, smaller), np.maximum(larger, smaller)
    return Pairs(first=first[same], second=second[same], closeness=closeness[same])


def _cells_of_boxes(boxes: Floats, groups: Ints, owners: Ints, cell_px: float) -> tuple[Ints, Ints]:
    """Give the sorted keys of the one to four cells that each box lies in, and whose they are."""
    low = np.floor(boxes[:, :2] / cell_px).astype(np.int64)
    high = np.floor(boxes[:, 2:] / cell_px).astype(np.int64)
    wide, tall = high[:, 0] > low[:, 0], high[:, 1] > low[:, 1]
    cells = [
        _keys(groups, low),
        _keys(groups[wide], np.column_stack((high[wide, 0], low[wide, 1]))),
        _keys(groups[tall], np.column_stack((low[tall, 0], high[tall, 1]))),
        _keys(groups[wide & tall], high[wide & tall]),
    ]
    keys, kept = np.concatenate(cells), np.concatenate((owners, owners[wide], owners[tall], owners[wide & tall]))
    order = np.argsort(keys, kind="stable")
    return keys[order], kept[order]


def _keys(groups: Ints, cells: Ints) -> Ints:
    """Fold group, row and column into one number; boxes grown beyond the image lie in cell -1."""
    return (groups << (2 * _CELL_NUMBER_BITS)) | ((cells[:, 1] + 1) << _CELL_NUMBER_BITS) | (cells[:, 0] + 1)


def _ranges(begins: Ints, counts: Ints) -> Ints:
    """Give the numbers of all ranges, one after the other."""
    ends = np.cumsum(counts)
    numbers: Ints = np.arange(counts.sum(), dtype=np.int64) + np.repeat(begins - (ends - counts), counts)
    return numbers


def _intersections(boxes: Floats, others: Floats) -> Floats:
    low, high = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    sides = np.maximum(high - low, 0.0)
    product: Floats = sides[:, 0] * sides[:, 1]
    return product
