"""A claim while it is held: the lease is renewed by whoever works, never by a timer, so a stuck worker loses it."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_job.ledger import generations
from batch_job.ledger.writes import LedgerWriter
from batch_job.values.ledger import LabelSet, LedgerEntry, StoredEntry

if TYPE_CHECKING:
    from batch_job.ports import Keeper

RENEWALS_PER_LEASE = 3


class Hold:
    """A claim that we hold; the ``Keeper`` of the stages. Safe to call from several threads."""

    def __init__(self, writer: LedgerWriter, stored: StoredEntry, *, lease_s: int) -> None:
        self._writer = writer
        self._stored = stored
        self._lease_ms = lease_s * 1000
        self._progress = False
        self._lock = threading.Lock()
        self.written: LabelSet | None = None
        """The labels declared under this claim."""

    @property
    def entry(self) -> LedgerEntry:
        """The ledger's entry as it was last written."""
        return self._stored.entry

    def now_ms(self) -> int:
        """Tell the store's time."""
        return self._writer.now_ms(self.entry.image)

    def keep(self) -> None:
        """Renew the lease when a third of it has passed, or when progress clears earlier workers' silent ends.

        That write fails when the claim is no longer ours.

        Raises:
            LeaseLostError: it is not.
        """
        with self._lock:
            now_ms = self.now_ms()
            if self._is_due(now_ms) or (self._progress and self.entry.attempts):
                self._renew(now_ms)

    def _is_due(self, now_ms: int) -> bool:
        lease = self.entry.lease
        return lease is not None and now_ms >= lease.until_ms - self._lease_ms + self._lease_ms // RENEWALS_PER_LEASE

    def _renew(self, now_ms: int) -> None:
        until_ms, attempts = now_ms + self._lease_ms, 0 if self._progress else self.entry.attempts
        self._advance(lambda entry: generations.renewed(entry, until_ms=until_ms, attempts=attempts))
        self._progress = False

    def part_archived(self) -> None:
        """Note that a part reached the archive: a renewal then sets the count of attempts to zero."""
        self._progress = True

    def advance(self, change: Callable[[LedgerEntry], LedgerEntry]) -> LedgerEntry:
        """Write the entry that ``change`` makes of the current one. Raises as ``LedgerWriter.advance``."""
        with self._lock:
            return self._advance(change)

    def _advance(self, change: Callable[[LedgerEntry], LedgerEntry]) -> LedgerEntry:
        self._stored = self._writer.advance(self._stored, change)
        return self._stored.entry


if TYPE_CHECKING:
    _keeper: type[Keeper] = Hold
