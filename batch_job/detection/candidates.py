"""Which glimpses are worth comparing: found by sorting, without comparing all with all.

Of two glimpses of one object the smaller one has its middle in the larger one's reach. So the middles of each side of
a ground are sorted, by bands of rows and then by column, and each glimpse looks up those of the other side.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch_job.detection.glimpses import Glimpses
from batch_job.detection.ordering import ranges, starts_of
from batch_job.detection.views import Floats, Ints

BAND_PX = 64.0
"""Height of a band: few things reach over more than two, few middles lie beside a thing's own rows."""
BANDS = 16
"""At most so many to a ground, which then are higher: so that a large thing has few to look into."""
MAX_CANDIDATES = 200_000
"""Pairs looked at in one go: about 20 MB, however boxes are piled up."""
MAX_PILED = 64
"""Middles that glimpses of one side of a ground meet on average, band by band: more are a pile, in which a glimpse that
meets more in a band is compared with the nearest in rank there."""
NEAR_IN_PILE = 2
"""So many of a band: the one of the same rank among the middles at the same place, and the one before."""


@dataclass(frozen=True, slots=True)
class _Bands:
    """How the grounds are divided; one item a glimpse."""

    sides: Ints
    """Of a ground, numbered from 0 on; the two differ in the last bit."""
    left: Floats
    """Of all middles on the ground."""
    top: Floats
    heights_px: Floats
    """Of a band."""
    span: int
    """Columns, px, of the widest ground."""

    @classmethod
    def of(cls, glimpses: Glimpses, middles: Floats) -> "_Bands":
        starts = starts_of(glimpses.grounds)
        low = np.minimum.reduceat(middles, starts, axis=1)
        high = np.maximum.reduceat(middles, starts, axis=1)
        grounds = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(glimpses.grounds)))
        heights = np.maximum((high[1] - low[1]) / BANDS, BAND_PX)
        span = int((high[0] - low[0]).max()) + 1
        return cls(2 * grounds + glimpses.ends, low[0][grounds], low[1][grounds], heights[grounds], span)

    def bands(self, rows: Floats) -> Ints:
        """Give in which band of its ground each row lies; those outside count to the nearest."""
        return np.clip((rows - self.top) / self.heights_px, 0, BANDS).astype(np.int64)

    def columns(self, columns: Floats) -> Ints:
        """Give whole columns from the left of the ground; those outside count to the nearest."""
        return np.clip(columns - self.left, 0, self.span - 1).astype(np.int64)

    def addresses(self, sides: Ints, bands: Ints) -> Ints:
        """Give the address of the first column of bands: addresses sort by side, then band, then column."""
        return (sides * (BANDS + 1) + bands) * self.span


def candidates(glimpses: Glimpses, reaching: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Yield glimpses and those of the same ground's other side that have their middle near, portion by portion.

    Args:
        glimpses: Ground by ground.
        reaching: (k, 4): where the middle of a smaller glimpse of the same object lies.

    Yields:
        Indices of glimpses, and beside them of others of which the middle may be in their reach.
    """
    middles = (glimpses.boxes.T[:2] + glimpses.boxes.T[2:]) / 2
    bands = _Bands.of(glimpses, middles)
    register = _Register.of(bands.addresses(bands.sides, bands.bands(middles[1])) + bands.columns(middles[0]))
    lookers, begins, ends = _look_up(bands, register, reaching)
    begins, ends = _near_in_rank(bands, register, lookers, begins, ends)
    portion_of = np.cumsum(ends - begins) // MAX_CANDIDATES
    for portion in np.unique(portion_of).tolist():
        low, high = np.searchsorted(portion_of, [portion, portion + 1])
        counts = ends[low:high] - begins[low:high]
        yield np.repeat(lookers[low:high], counts), register.glimpses[ranges(begins[low:high], counts)]


@dataclass(frozen=True, slots=True)
class _Register:
    """Where the middles of glimpses are."""

    addresses: Ints
    """One item a glimpse."""
    sorted: Ints
    """The same, sorted."""
    glimpses: Ints
    """Whose they are."""

    @classmethod
    def of(cls, addresses: Ints) -> "_Register":
        order = np.argsort(addresses, kind="stable")
        return cls(addresses, addresses.take(order), order)

    def ranks(self) -> Ints:
        """Give which among the glimpses of its own address each is, from 0 on."""
        ranks = np.empty_like(self.addresses)
        ranks[self.glimpses] = np.arange(len(ranks)) - np.searchsorted(self.sorted, self.sorted)
        return ranks


def _look_up(bands: _Bands, register: _Register, reaching: Floats) -> tuple[Ints, Ints, Ints]:
    """Give for glimpses, and each band that they reach, from where to where in the register those within reach are."""
    first, last = bands.bands(reaching[:, 1]), bands.bands(reaching[:, 3])
    counts = last - first + 1
    lookers = np.repeat(np.arange(len(counts)), counts)
    looked_into = bands.addresses(bands.sides.take(lookers) ^ 1, ranges(first, counts))
    left, right = bands.columns(reaching[:, 0]), bands.columns(reaching[:, 2])
    begins = np.searchsorted(register.sorted, looked_into + left.take(lookers), side="left")
    ends = np.searchsorted(register.sorted, looked_into + right.take(lookers), side="right")
    met = np.flatnonzero(ends > begins)
    return lookers[met], begins[met], ends[met]


def _near_in_rank(bands: _Bands, register: _Register, lookers: Ints, begins: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Have glimpses in a pile look at what is about as far on as they are: a pile costs no square of its size."""
    counts, sides = ends - begins, bands.sides[lookers]
    overfull = np.bincount(sides, weights=counts) > MAX_PILED * np.bincount(bands.sides)[: sides.max(initial=-1) + 1]
    piled = np.flatnonzero(overfull[sides] & (counts > MAX_PILED))
    if len(piled):
        which = lookers[piled]
        across = bands.addresses(1 - 2 * (bands.sides[which] % 2), np.zeros(1, np.int64))
        near = np.searchsorted(register.sorted, register.addresses[which] + across) + register.ranks()[which]
        begins[piled] = np.clip(near - NEAR_IN_PILE // 2, begins[piled], ends[piled] - NEAR_IN_PILE)
        ends[piled] = begins[piled] + NEAR_IN_PILE
    return begins, ends
