"""What a worker asks of the budget, and what it is told. Times are the budget's service's, in µs since 1970."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Lane(StrEnum):
    """Whose calls they are; no lane can take another's."""

    BACKFILL = auto()
    LIVE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A request for calls: granted if the lane's next free moment has come.

    A grant moves that moment on by ``cost_us``, from ``oldest_us`` if it lies before it: calls that nobody asked for
    in time are gone.
    """

    lane: Lane
    calls: int
    cost_us: int
    """How long the lane needs for so many calls."""
    now_us: int
    """Never later than the service's own time when it grants."""
    oldest_us: int

    def __post_init__(self) -> None:
        if self.calls < 1 or self.cost_us < 1 or self.oldest_us > self.now_us:
            raise ValueError(f"not a draw: {self}")


@dataclass(frozen=True, slots=True)
class Granted:
    """The calls are the asker's, whatever becomes of it."""

    start_us: int
    """The moment of the first call; the others follow evenly within ``cost_us``."""
    date_s: int
    """The service's ``Date`` of this answer, seconds since 1970, without the fraction of its second."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing was taken."""

    next_us: int
    """The lane's next free moment."""
    date_s: int


Drawn = Granted | NotYet
