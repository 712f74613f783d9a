"""What a worker knows of a service's time from its answers' ``Date``, which leaves out the fraction of a second. Pure.

Never the worker's own date: only how much time passed since an answer.
"""

from dataclasses import dataclass
from typing import Self

SECOND_US = 1_000_000

DRIFT_PER_MILLION = 1000
"""How wrong a measured duration may be: clocks are slewed by at most 500 ppm, and drift by less than 100."""
AGREE_US = 20_000
"""A service is many servers; their clocks are taken to agree by this much."""
NARROW_US = 150_000
"""Good enough: a draw may then still take 100 ms before its grant counts as stale."""
SHARP_US = 100_000
"""Better is hardly to be had, and good for a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One answer."""

    date_s: int
    """Its ``Date``, seconds since 1970."""
    sent_us: int
    """When the question was sent, and its answer read, by this machine's boot clock."""
    read_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """Bounds of the service's time, µs since 1970, at a moment of the boot clock."""

    at_us: int
    low_us: int
    high_us: int

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """Learn from a first answer."""
        low_us = reading.date_s * SECOND_US
        took_us = _most(reading.read_us - reading.sent_us)
        return cls(at_us=reading.read_us, low_us=low_us - AGREE_US, high_us=low_us + SECOND_US + took_us + AGREE_US)

    @property
    def is_narrow(self) -> bool:
        """Tell whether the bounds are close enough to draw by."""
        return self.high_us - self.low_us <= NARROW_US

    @property
    def is_sharp(self) -> bool:
        """Tell whether another answer is not worth a question."""
        return self.high_us - self.low_us <= SHARP_US

    def at(self, boot_us: int) -> Self:
        """Give the bounds at a later moment: they drift apart."""
        passed_us = boot_us - self.at_us
        return type(self)(
            at_us=boot_us, low_us=self.low_us + _least(passed_us), high_us=self.high_us + _most(passed_us)
        )

    def narrowed(self, reading: Reading) -> Self:
        """Learn from another answer; one that cannot be true beside what we knew makes us begin again."""
        before, new = self.at(reading.read_us), self.of(reading)
        low_us, high_us = max(before.low_us, new.low_us), min(before.high_us, new.high_us)
        return new if low_us > high_us else type(self)(at_us=new.at_us, low_us=low_us, high_us=high_us)

    def tells_most_in_us(self) -> int:
        """Tell how long to wait until an answer halves what we do not know: the middle is then a whole second."""
        return -((self.low_us + self.high_us) // 2) % SECOND_US


def _most(passed_us: int) -> int:
    return passed_us + passed_us * DRIFT_PER_MILLION // 1_000_000 + 1


def _least(passed_us: int) -> int:
    return passed_us - passed_us * DRIFT_PER_MILLION // 1_000_000 - 1
