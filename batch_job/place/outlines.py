"""Rings of pixels traced on the ground, with as many points as their edges bend."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from batch_job.place.antimeridian import turn_degrees
from batch_job.place.arrays import Flags, Floats, Indices
from batch_job.place.project import Ground

TOLERANCE_PX = 0.1
"""How far a straight edge between two points may stand off the true, bent one: issue 6's bar, and invisible."""
SAMPLES = 4
"""Points computed per straight edge, to see whether it bends; the middle alone would miss an S."""
MAX_PARTS = 64
"""Straight edges per side at most: only at a pole does a side ask for more, and a footprint is read by people."""

NUDGE_PX = 0.01
"""A ring with a pole *on* it is moved by this: then the pole is in or out. A tenth of the tolerance."""
HALF_TURN_DEG = 180 - 1e-4
"""A step this long between two samples goes over the pole, not round it."""
JUMP_DEG = 90.0
MAX_JUMPS = 2
"""Of an edge, so long between two of its 256 samples: a straight edge passes a pole once, noise does nothing else."""
POLE_DEG = 90 - 1e-9


@dataclass(frozen=True, slots=True)
class Outlines:
    """n rings on the ground, each of the same number k of samples; the first is not repeated at the end."""

    which: Indices
    """(n,): the places of these rings among those that were traced."""
    lons: Floats
    """(n, k) degrees; from sample to sample without a jump, so that they leave ±180 where a ring crosses it."""
    lats: Floats
    """(n, k) degrees."""
    turns: Indices
    """(n,): how often a ring goes round the Earth's axis, eastwards: 0, or ±1 around a pole."""

    @property
    def vertices(self) -> tuple[Floats, Floats]:
        """Those longitudes and latitudes, (n, k / SAMPLES) each, that are enough for the tolerance."""
        return self.lons[:, ::SAMPLES], self.lats[:, ::SAMPLES]

    def of(self, chosen: Flags) -> "Outlines":
        """Keep some of the rings."""
        return Outlines(self.which[chosen], self.lons[chosen], self.lats[chosen], self.turns[chosen])


def trace(rings: Floats, ground: Ground) -> Iterator[Outlines]:
    """Trace rings of straight pixel edges on the ground, so that they keep ``TOLERANCE_PX``.

    Args:
        rings: (n, corners, 2): columns and rows; the first corner is not repeated at the end.
        ground: What places them.

    Yields:
        Groups of rings that need equally many points. In none of them are rings with a corner that has no place, and
        those on which a CRS far beyond its domain scatters points over the Earth.
    """
    rings, which, parts = rings.astype(np.float64), np.arange(len(rings)), 1
    while len(which):
        outlines = _sampled(rings, which, parts, ground)
        if parts == MAX_PARTS:
            outlines = outlines.of(~_is_noise(outlines, corners=rings.shape[1]))
        done = _bend_px(outlines, rings[outlines.which], parts) <= TOLERANCE_PX
        if parts == MAX_PARTS:
            done[:] = True
        if done.any():
            yield outlines.of(done)
        # where a pole is met, an edge bends too
        rings[outlines.which[_meets_a_pole(outlines)]] += NUDGE_PX
        which, parts = outlines.which[~done], parts * 2


def _sampled(rings: Floats, which: Indices, parts: int, ground: Ground) -> Outlines:
    corners = rings[which][:, :, None, :]
    along = (np.arange(parts * SAMPLES) / (parts * SAMPLES))[:, None]
    samples = corners + (np.roll(corners, -1, axis=1) - corners) * along
    samples = samples.reshape(len(which), -1, 2)
    lons, lats = ground.to_lonlat(cols=samples[..., 0], rows=samples[..., 1])
    placed = np.isfinite(lons).all(axis=1)
    lons, lats = lons[placed], lats[placed]
    steps = turn_degrees(np.roll(lons, -1, axis=1) - lons)
    gone = np.cumsum(steps, axis=1)
    # whole turns are added to the longitudes themselves, so that no rounding gathers on the way
    lons[:, 1:] += 360 * np.round((lons[:, :1] + gone[:, :-1] - lons[:, 1:]) / 360)
    return Outlines(which[placed], lons, lats, np.round(gone[:, -1] / 360).astype(np.intp))


def _bend_px(outlines: Outlines, rings: Floats, parts: int) -> Floats:
    """How far, px, the samples between the vertices stand off the straight edges; (n,)."""
    grouped = (len(rings), rings.shape[1] * parts, SAMPLES)
    lons, lats = outlines.lons.reshape(grouped), outlines.lats.reshape(grouped)
    ends_lon, ends_lat = np.roll(lons[:, :, 0], -1, axis=1), np.roll(lats[:, :, 0], -1, axis=1)
    ends_lon[:, -1] += 360 * outlines.turns
    narrowing = np.cos(np.radians((lats[:, :, 0] + ends_lat) / 2))
    east, north = (ends_lon - lons[:, :, 0]) * narrowing, ends_lat - lats[:, :, 0]
    off_east = (lons[:, :, 1:] - lons[:, :, :1]) * narrowing[:, :, None]
    off_north = lats[:, :, 1:] - lats[:, :, :1]
    across = np.abs(off_east * north[:, :, None] - off_north * east[:, :, None]).max(axis=2)
    length_px = np.repeat(np.linalg.norm(np.roll(rings, -1, axis=1) - rings, axis=2) / parts, parts, axis=1)
    squared = east**2 + north**2
    # an edge without length, as along a pole, does not bend
    bends = np.divide(across, squared, out=np.zeros_like(across), where=squared > 0) * length_px
    return np.asarray(bends.max(axis=1))


def _is_noise(outlines: Outlines, *, corners: int) -> Flags:
    """Tell which rings jump all over the Earth; GEOS takes half a minute, or hours, to mend such a polygon; (n,)."""
    jumps = (np.abs(np.diff(outlines.lons, axis=1)) > JUMP_DEG).sum(axis=1)
    return np.asarray(jumps > MAX_JUMPS * corners)


def _meets_a_pole(outlines: Outlines) -> Flags:
    """Tell which rings pass through a pole, where a longitude means nothing; (n,)."""
    steps = np.abs(np.roll(outlines.lons, -1, axis=1) - outlines.lons)
    steps[:, -1] = np.abs(outlines.lons[:, 0] + 360 * outlines.turns - outlines.lons[:, -1])
    at_pole = np.abs(outlines.lats) >= POLE_DEG
    # the upper edge of a world map is a row of poles with sound longitudes: only a lone one counts
    alone = at_pole & ~np.roll(at_pole, 1, axis=1) & ~np.roll(at_pole, -1, axis=1)
    return np.asarray((steps >= HALF_TURN_DEG).any(axis=1) | alone.any(axis=1))
