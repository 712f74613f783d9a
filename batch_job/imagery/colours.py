"""A colour for each label, the same in every picture."""

import zlib
from collections.abc import Iterable

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (0, 160, 255),
    (255, 255, 0),
    (255, 0, 230),
    (0, 200, 160),
    (255, 80, 120),
    (120, 255, 255),
    (230, 200, 40),
    (80, 160, 0),
    (230, 120, 200),
    (200, 255, 120),
    (200, 200, 120),
    (160, 255, 200),
)
"""Bright, for lines with a dark edge. Found by exchange so that two are never closer than 20 (CIE 1976 ΔE) to people
without red or green cones, 16 to those without blue ones (simulated after Machado, Oliveira and Fernandes, 2009)."""

SEED = 3267
"""Of the hash; with this one the eleven labels seen most from above each have a colour of their own."""


def colours_of(labels: Iterable[str]) -> dict[str, Colour]:
    """Give each label its colour; where two in one picture would share it, the later by name takes the next free one.

    So only such a label looks different in another picture. Above twelve labels colours are shared.
    """
    names = sorted(set(labels))
    taken: dict[int, str] = {}
    for name in names:
        taken.setdefault(_own(name), name)
    for name in names:
        if taken[_own(name)] != name:
            around = [(_own(name) + step) % len(PALETTE) for step in range(len(PALETTE))]
            free = next((colour for colour in around if colour not in taken), None)
            if free is not None:
                taken[free] = name
    chosen = {name: colour for colour, name in taken.items()}
    return {name: PALETTE[chosen.get(name, _own(name))] for name in names}


def _own(name: str) -> int:
    return zlib.crc32(name.encode(), SEED) % len(PALETTE)
