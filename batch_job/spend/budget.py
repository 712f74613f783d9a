"""The arithmetic of calls per second: a generic cell rate algorithm over blocks of calls (``docs/budget.md``). Pure.

A lane is one number: its *next* free moment. Blocks of calls lie behind each other in time from there on.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from batch_job.values.budget import Draw, Granted, Lane

SECOND_US = 1_000_000

DRAW_US = SECOND_US // 2
"""The most that one draw takes, as time of the lane: so much is lost with a worker that dies."""
SLACK_US = SECOND_US // 4
"""How late a draw may come without loss; draws take 5–50 ms, and workers that wait come up to this late."""
STALE_US = SECOND_US // 4
"""A grant is taken up only if the ``now`` that it rests on is surely not older; with ``SLACK_US`` and ``DRAW_US`` it
makes a second, the most that a lane gives at once."""
LAPSE_US = 5 * SECOND_US
"""A call may be made so long after its moment: more than a slow call ahead of it takes."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second of a lane."""

    calls_per_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.calls_per_s) and self.calls_per_s > 0):
            raise ValueError(f"not a rate: {self.calls_per_s} calls a second")

    @property
    def draw_calls(self) -> int:
        """The most that one draw takes."""
        return max(1, math.floor(self.calls_per_s * DRAW_US / SECOND_US))

    @property
    def block_calls(self) -> float:
        """One block, the most that is handed out at once: a second's calls, below two a second half of that and one."""
        return self.draw_calls + self.calls_per_s * (SLACK_US + STALE_US) / SECOND_US

    def cost_us(self, calls: int) -> int:
        """Tell how long so many calls take; rounded up, as the cap holds exactly."""
        return math.ceil(calls * SECOND_US / self.calls_per_s)

    def draw(self, lane: Lane, *, wanted: int, now_us: int) -> Draw:
        """Ask for as many calls as are wanted, but no more than one draw may take."""
        calls = min(max(wanted, 1), self.draw_calls)
        return Draw(lane=lane, calls=calls, cost_us=self.cost_us(calls), now_us=now_us, oldest_us=now_us - SLACK_US)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Calls that were handed out, each with its moment."""

    start_us: int
    cost_us: int
    calls: int
    used: int = 0

    @classmethod
    def of(cls, draw: Draw, granted: Granted) -> Self:
        """Take up what was granted."""
        return cls(start_us=granted.start_us, cost_us=draw.cost_us, calls=draw.calls)

    @property
    def end_us(self) -> int:
        """The moment of the lane's next call that is not ours."""
        return self.start_us + self.cost_us

    @property
    def next_us(self) -> int | None:
        """The moment of the next call; None when all are used."""
        if self.used == self.calls:
            return None
        return self.start_us + self.cost_us * self.used // self.calls

    def without_next(self) -> Self:
        """Use a call."""
        return replace(self, used=self.used + 1)

    def without_lapsed(self, *, now_us: int) -> Self:
        """Drop the calls whose moment is too long ago: kept for long, many blocks could be used all at once."""
        kept = self
        while kept.next_us is not None and kept.next_us < now_us - LAPSE_US:
            kept = kept.without_next()
        return kept


NOTHING = Block(start_us=0, cost_us=0, calls=0)


def is_fresh(*, asked_us: int, latest_us: int) -> bool:
    """Tell whether a grant may be taken up.

    Args:
        asked_us: The ``now`` of the draw.
        latest_us: The latest that the service's time can have been when it granted.
    """
    return latest_us - asked_us <= STALE_US
