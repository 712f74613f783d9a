"""From pairs of views to objects: what hangs together, as long as no object has two views of one chip."""

import numpy as np

from batch_job.detection.overlaps import Pairs
from batch_job.detection.views import Flags, Ints


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
    objects = np.where(doubtful, np.arange(len(chips)), hanging)
    which = np.flatnonzero(doubtful[pairs.first])
    order = np.lexsort((pairs.second[which], pairs.first[which], -pairs.closeness[which]))
    _join_one_by_one(pairs, which[order], chips, objects)
    return objects


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


def _join_one_by_one(pairs: Pairs, order: Ints, chips: Ints, objects: Ints) -> None:
    """Join what pairs tell, in this order; changes ``objects``."""
    members: dict[int, list[int]] = {}
    seen_in: dict[int, set[int]] = {}
    for first, second in zip(pairs.first[order].tolist(), pairs.second[order].tolist(), strict=True):
        one, other = sorted((int(objects[first]), int(objects[second])))
        if one == other:
            continue
        here, there = (seen_in.setdefault(which, {int(chips[which])}) for which in (one, other))
        if here.isdisjoint(there):
            here |= there
            moved = members.pop(other, [other])
            members.setdefault(one, [one]).extend(moved)
            objects[moved] = one
