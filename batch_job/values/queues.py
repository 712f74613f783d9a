"""How much waits in queues, as whoever looks from outside sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto


class Messages(StrEnum):
    """A stack's queues of messages, as ``status --json`` names them."""

    PLAN = auto()
    PLAN_DEAD_LETTERS = auto()
    LIVE = auto()
    LIVE_DEAD_LETTERS = auto()


class Jobs(StrEnum):
    """A stack's queues of jobs, as ``status --json`` names them."""

    BACKFILL = auto()
    LIVE = auto()


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of a queue, counted roughly."""

    waiting: int
    in_flight: int
    """Given to somebody who has not finished."""
    delayed: int = 0
    """Not given out yet."""

    @property
    def messages(self) -> int:
        """How many there are."""
        return self.waiting + self.in_flight + self.delayed


class JobState(StrEnum):
    """Where a job stands, as AWS Batch names it; in the order of a job's life."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    """It waits for a machine."""
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


WAITING = (JobState.SUBMITTED, JobState.PENDING, JobState.RUNNABLE)
WORKING = (JobState.STARTING, JobState.RUNNING)
ENDED = (JobState.SUCCEEDED, JobState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounts:
    """Jobs of a queue by state; of an array its children are counted, not the array itself."""

    by_state: Mapping[JobState, int] = field(default_factory=dict)
    """States that no job is in are left out."""
    oldest_ms: int | None = None
    """When the oldest that has not ended was submitted, ms since 1970; None: all have ended."""

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return self._sum(WAITING)

    @property
    def working(self) -> int:
        """How many have a machine."""
        return self._sum(WORKING)

    @property
    def failed(self) -> int:
        """How many gave up, after all their attempts."""
        return self._sum((JobState.FAILED,))

    def _sum(self, states: tuple[JobState, ...]) -> int:
        return sum(self.by_state.get(state, 0) for state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnendedJob:
    """A job that has not ended, and where its children stand; a job of its own is its only child, 0."""

    id: str
    parameters: Mapping[str, str]
    waiting: frozenset[int]
    """Children that have not begun."""
    working: frozenset[int]
    """... that have a machine."""
