"""From pairs of views to objects: what hangs together, as long as no object has two views of one chip."""

from collections.abc import Iterator

import numpy as np

from batch_job.detection.ordering import order_of
from batch_job.detection.overlaps import Pairs
from batch_job.detection.views import Flags, Ints

MAX_AT_ONCE = 100_000


def group(pairs: Pairs, chips: Ints) -> Ints:
    """Give each view the number of its object: the index of the object's first view.

    The pairs are taken the closest first; each joins two objects unless both have a view of the same chip.

    Args:
        pairs: Of views that show the same object.
        chips: (n,): which chip saw each view.
    """
    hanging = _hanging_together(pairs, len(chips))
    doubtful = _has_two_of_a_chip(hanging, chips)
    if not doubtful.any():
        return hanging
    objects = hanging.copy()
    views = np.flatnonzero(doubtful)
    objects[views] = views[_in_order(_among(pairs, doubtful), chips[views])]
    return objects


def _among(pairs: Pairs, doubtful: Flags) -> Pairs:
    """Give the pairs of doubtful views, the closest first, and views numbered among those only."""
    numbers = np.cumsum(doubtful) - 1
    which = np.flatnonzero(doubtful[pairs.first])
    first, second, closeness = pairs.first[which], pairs.second[which], pairs.closeness[which]
    order = order_of(second)
    order = order[order_of(first[order])]
    order = order[np.argsort(-closeness[order], kind="stable")]
    return Pairs(numbers[first[order]], numbers[second[order]], closeness[order])


def _hanging_together(pairs: Pairs, count: int) -> Ints:
    """Give each view the lowest index among all that are paired with it, however many steps away."""
    lowest = np.arange(count)
    first, second = pairs.first, pairs.second
    while len(first):
        low, high = np.minimum(lowest[first], lowest[second]), np.maximum(lowest[first], lowest[second])
        np.minimum.at(lowest, high, low)
        while (lowest[lowest] != lowest).any():
            lowest = lowest[lowest]
        apart = lowest[first] != lowest[second]
        first, second = first[apart], second[apart]
    return lowest


def _has_two_of_a_chip(objects: Ints, chips: Ints) -> Flags:
    """Tell for each view whether its object has two views of some chip."""
    sizes = np.bincount(objects, minlength=len(objects))
    several = np.flatnonzero(sizes[objects] > 1)
    keys = objects[several] * (chips.max(initial=0) + 1) + chips[several]
    found, counts = np.unique(keys, return_counts=True)
    twice = np.zeros(len(objects), dtype=bool)
    twice[found[counts > 1] // (chips.max(initial=0) + 1)] = True
    return np.asarray(twice[objects])


def _in_order(pairs: Pairs, chips: Ints) -> Ints:
    """Join what pairs tell, in their order; gives each view the first of its object."""
    alone = [frozenset((chip,)) for chip in range(chips.max(initial=-1) + 1)]
    seen_in = [alone[chip] for chip in chips.tolist()]
    objects = list(range(len(chips)))
    members: dict[int, list[int]] = {}
    for one, other in _counted_out(pairs):
        here, there = objects[one], objects[other]
        if here == there or not seen_in[here].isdisjoint(seen_in[there]):
            continue
        first, last = (here, there) if here < there else (there, here)
        seen_in[first] |= seen_in[last]
        moved = members.pop(last, [last])
        members.setdefault(first, [first]).extend(moved)
        for view in moved:
            objects[view] = first
    return np.array(objects, dtype=np.int64)


def _counted_out(pairs: Pairs) -> Iterator[tuple[int, int]]:
    """Yield the views of pairs; only so many as Python's numbers at a time, which need four times the room."""
    for begin in range(0, len(pairs.first), MAX_AT_ONCE):
        part = slice(begin, begin + MAX_AT_ONCE)
        yield from zip(pairs.first[part].tolist(), pairs.second[part].tolist(), strict=True)
