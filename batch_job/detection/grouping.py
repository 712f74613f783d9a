"""From pairs of views to objects: what hangs together, as long as no object has two views of one chip."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from batch_job.detection.ordering import order_of, starts_of
from batch_job.detection.overlaps import Pairs
from batch_job.detection.views import Flags, Ints

MAX_AT_ONCE = 100_000
MAX_BITS = 64
"""Chips of what hangs together: more are rare, and then kept as sets."""
MIN_SHARE_OF_ROUND = 0.01
"""Of the pairs left, so many must be joined in a round; of fewer, one by one is faster."""

Bits = NDArray[np.uint64]


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
    first, second = _ordered(pairs, doubtful)
    bits = _chip_bits(hanging[views], chips[views])
    joined = np.arange(len(views))
    rest = _join_in_rounds(first, second, bits, joined)
    _join_one_by_one(first[rest], second[rest], chips[views], joined)
    objects[views] = views[joined]
    return objects


def _ordered(pairs: Pairs, doubtful: Flags) -> tuple[Ints, Ints]:
    """Give the pairs of doubtful views, the closest first, and views numbered among those only."""
    which = np.flatnonzero(doubtful[pairs.first])
    first, second, closeness = pairs.first[which], pairs.second[which], pairs.closeness[which]
    order = order_of(second)
    order = order[order_of(first[order])]
    order = order[np.argsort(-closeness[order], kind="stable")]
    numbers = np.cumsum(doubtful) - 1
    return numbers[first[order]], numbers[second[order]]


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


def _chip_bits(hanging: Ints, chips: Ints) -> Bits:
    """Give each view its chip as a bit, among the chips of what hangs together; 0 where those are too many."""
    many = chips.max(initial=0) + 1
    found, inverse = np.unique(hanging * many + chips, return_inverse=True)
    starts = starts_of(found // many)
    counts = np.diff(starts, append=len(found))
    ranks = np.arange(len(found)) - np.repeat(starts, counts)
    bits = np.uint64(1) << ranks.astype(np.uint64) % np.uint64(MAX_BITS)
    return np.asarray(np.where(np.repeat(counts, counts) <= MAX_BITS, bits, np.uint64(0))[inverse])


def _join_in_rounds(first: Ints, second: Ints, bits: Bits, objects: Ints) -> Ints:
    """Join views of pairs as if one by one; changes ``objects``.

    Of each round those that come before all other pairs of both their objects: they depend on no other.

    Returns:
        Indices of the pairs that are left: of views without a bit, or where each pair waits for another.
    """
    rest = np.flatnonzero(bits[first] == 0)
    left = np.flatnonzero(bits[first])
    seen_in = bits.copy()
    while len(left):
        one, other = objects[first[left]], objects[second[left]]
        possible = np.flatnonzero(seen_in[one] & seen_in[other] == 0)
        left, one, other = left[possible], one[possible], other[possible]
        leading = np.flatnonzero(_leading(one, other, len(objects)))
        if len(leading) < MIN_SHARE_OF_ROUND * len(left):
            break
        low, high = np.minimum(one, other)[leading], np.maximum(one, other)[leading]
        seen_in[low] |= seen_in[high]
        named = np.arange(len(objects))
        named[high] = low
        objects[:] = named[objects]
    return np.sort(np.concatenate((rest, left)))


def _leading(one: Ints, other: Ints, count: int) -> Flags:
    """Tell which pairs of objects come before all other pairs of both."""
    ranks = np.arange(len(one))
    earliest = np.full(count, len(one))
    np.minimum.at(earliest, one, ranks)
    np.minimum.at(earliest, other, ranks)
    return np.asarray((earliest[one] == ranks) & (earliest[other] == ranks))


def _join_one_by_one(first: Ints, second: Ints, chips: Ints, objects: Ints) -> None:
    """Join views of pairs; changes ``objects``."""
    of: list[int] = objects.tolist()
    members: dict[int, list[int]] = {}
    seen_in: dict[int, set[int]] = {}
    concerned = np.zeros(len(objects), dtype=bool)
    concerned[objects[first]] = concerned[objects[second]] = True
    for view in np.flatnonzero(concerned[objects]).tolist():
        members.setdefault(of[view], []).append(view)
        seen_in.setdefault(of[view], set()).add(int(chips[view]))
    for one, other in _counted_out(first, second):
        here, there = of[one], of[other]
        if here != there and seen_in[here].isdisjoint(seen_in[there]):
            here, there = min(here, there), max(here, there)
            seen_in[here] |= seen_in.pop(there)
            moved = members.pop(there)
            members[here] += moved
            for view in moved:
                of[view] = here
    objects[:] = of


def _counted_out(first: Ints, second: Ints) -> Iterator[tuple[int, int]]:
    """Yield the views of pairs; only so many as Python's numbers at a time, which need four times the room."""
    for begin in range(0, len(first), MAX_AT_ONCE):
        part = slice(begin, begin + MAX_AT_ONCE)
        yield from zip(first[part].tolist(), second[part].tolist(), strict=True)
