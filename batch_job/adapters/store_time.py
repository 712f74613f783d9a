"""What the dates in a store's answers say about its time. Pure: also the schedules of ``tests/schedule`` go by it.

An answer's ``Date`` was put on it after the request was sent and before the answer was read. A machine may be suspended
in between, for hours, so a date is not the time at which it is read: it bounds that time.
"""

from dataclasses import dataclass, replace
from typing import Self

DATE_RESOLUTION_MS = 999
"""A ``Date`` leaves out the fraction of its second."""
PROMPT_MS = 2000
"""An answer that took longer bounds the time too loosely to be a new reading of it."""
MOST_BACK_MS = 30_000
"""So far one answer turns our time back, at most: what a bad boot clock gains in hours, or servers differ by."""
NEVER_MS = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedAnswer:
    """An answer; times other than its own are the boot clock's, ms."""

    date_ms: int
    """Its ``Date``, ms since 1970."""
    sent_ms: int
    """When its request was made, the last try of it."""
    read_ms: int

    @property
    def took_ms(self) -> int:
        """Tell how long it took, suspended time included."""
        return self.read_ms - self.sent_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTime:
    """The store's time at one moment of the boot clock, ms."""

    newest_date_ms: int
    noted_ms: int
    noted_at_ms: int
    asked_at_ms: int
    """When the newest prompt answer was asked for."""

    @classmethod
    def first(cls, answer: DatedAnswer) -> Self:
        """Take the first answer: it is at least as late as this."""
        asked_at_ms = answer.sent_ms if answer.took_ms <= PROMPT_MS else -NEVER_MS
        return cls(
            newest_date_ms=answer.date_ms,
            noted_ms=answer.date_ms,
            noted_at_ms=answer.read_ms,
            asked_at_ms=asked_at_ms,
        )

    def after(self, answer: DatedAnswer) -> "StoreTime":
        """Hear another answer: our own time goes on, within the bounds that the answer sets."""
        if answer.date_ms < self.newest_date_ms:
            return self  # one that was overtaken, or of a server whose clock is behind
        ours_ms = self.at(answer.read_ms)
        latest_ms = answer.date_ms + DATE_RESOLUTION_MS + answer.took_ms
        return replace(
            self,
            newest_date_ms=answer.date_ms,
            noted_ms=max(min(ours_ms, latest_ms), ours_ms - MOST_BACK_MS, answer.date_ms),
            noted_at_ms=answer.read_ms,
            asked_at_ms=answer.sent_ms if answer.took_ms <= PROMPT_MS else self.asked_at_ms,
        )

    def at(self, boot_ms: int) -> int:
        """Give the store's time when the boot clock says ``boot_ms``, ms since 1970."""
        return self.noted_ms + boot_ms - self.noted_at_ms

    def age_ms(self, boot_ms: int) -> int:
        """Tell how old the newest reading is; a very large number when no answer was prompt."""
        return boot_ms - self.asked_at_ms
