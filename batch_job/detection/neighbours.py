"""Which chips see the same ground, and which boxes reach into it.

Chips are few, so they are looked up in a tree. Boxes are many: each is tried against the neighbours of its chip.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from batch_job.detection.ordering import ranges
from batch_job.detection.views import Floats, Ints, rectangles, taken

MANY = 32
"""Neighbours from which a tree finds faster those that a box reaches: only a picture of much of the image has them."""
MAX_TRIED = 100_000
"""Boxes and neighbours tried in one go: what they need stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Ordered pairs of chips that see the same ground, sorted; one item a pair."""

    chips: Ints
    others: Ints
    sides: Ints
    """Twice the number of the ground, from 0 on, and 1 more where the chip is the second of the two."""
    begins: Ints
    """(m + 1,): where the pairs of each chip begin."""
    lands: Floats
    """(m, 4): what each chip sees, with a margin of what boxes seen in it may be wrong."""

    @classmethod
    def of(cls, lands: Floats) -> "Neighbours":
        """Find them; lands that share no more than an edge count too."""
        chips, others = shapely.STRtree(rectangles(lands)).query(rectangles(lands))
        chips, others = chips[chips != others], others[chips != others]
        order = np.lexsort((others, chips))
        chips, others = chips[order], others[order]
        low = np.minimum(chips, others)
        _, grounds = np.unique(low * len(lands) + np.maximum(chips, others), return_inverse=True)
        begins = np.searchsorted(chips, np.arange(len(lands) + 1))
        return cls(chips, others, 2 * grounds + (chips != low), begins, lands)

    def reached(self, boxes: Floats, chips: Ints) -> tuple[Ints, Ints]:
        """Tell which boxes reach into which of their chip's neighbours.

        Args:
            boxes: (k, 4).
            chips: (k,): which chip saw each.

        Returns:
            Indices of boxes and, beside them, of the pair of chips.
        """
        degrees = np.diff(self.begins)[chips]
        few, many = np.flatnonzero(degrees <= MANY), np.flatnonzero(degrees > MANY)
        portions = np.array_split(few, degrees[few].sum() // MAX_TRIED + 1)
        found = [self._tried(boxes, chips[which], which) for which in portions]
        found.append(self._looked_up(boxes, chips[many], many))
        return np.concatenate([one for one, _ in found]), np.concatenate([pairs for _, pairs in found])

    def _tried(self, boxes: Floats, chips: Ints, which: Ints) -> tuple[Ints, Ints]:
        begins = self.begins[chips]
        counts = self.begins[chips + 1] - begins
        owners, pairs = np.repeat(which, counts), ranges(begins, counts)
        for axis in (0, 1):
            others = self.others.take(pairs)
            met = boxes[:, axis].take(owners) <= self.lands[:, axis + 2].take(others)
            met &= boxes[:, axis + 2].take(owners) >= self.lands[:, axis].take(others)
            owners, pairs = owners.compress(met), pairs.compress(met)
        return owners, pairs

    def _looked_up(self, boxes: Floats, chips: Ints, which: Ints) -> tuple[Ints, Ints]:
        if not len(which):
            return which, which
        owners, others = shapely.STRtree(rectangles(self.lands)).query(rectangles(taken(boxes, which)))
        numbers = self.chips * len(self.lands) + self.others
        wanted = chips[owners] * len(self.lands) + others
        pairs = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        common = numbers[pairs] == wanted
        return which[owners[common]], pairs[common]
