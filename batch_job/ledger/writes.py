"""Compare-and-set writes of the ledger, and what a lost answer or a conflict means."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from batch_job.errors import ConflictError, LeaseLostError, UnavailableError
from batch_job.ledger import generations
from batch_job.ports import Clock, Ledger, ObjectStore
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, LedgerEntry, Seen, State, StoredEntry

MAX_READING_AGE_MS = 5 * 60 * 1000
"""A machine's clock is trusted so long since the store's last ``Date``."""
MAX_REPEATS = 5
"""Others may write between our read and our write, but hardly so often."""
FIRST_WAIT_S = 0.5
"""Doubled each time, with jitter: an index that is busy, or that restarts, gets about ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWriter:
    """Writes entries, each signed with a token of its own."""

    store: ObjectStore
    ledger: Ledger
    clock: Clock
    new_token: Callable[[], str]
    """Never gives the same text twice."""
    sleep: Callable[[float], None]

    def now_ms(self, image: ImageRef) -> int:
        """Tell the store's time; asks the store when its last answer is too old."""
        if self.clock.reading_age_ms() > MAX_READING_AGE_MS:
            self.store.head(image)
        return self.clock.now_ms()

    def signed(self, entry: LedgerEntry) -> LedgerEntry:
        """Give an entry a token, by which this very write is known."""
        return replace(entry, token=self.new_token())

    def take(self, signed: LedgerEntry, *, over: Seen | None) -> StoredEntry | None:
        """Change hands: claim, remove, release or fail what nobody holds. None when that was not applied.

        Raises:
            UnavailableError: it cannot be told.
        """
        try:
            return StoredEntry(signed, self.ledger.put(signed, over=over))
        except ConflictError:
            pass  # a retry below us conflicts with its own first try: look
        except UnavailableError:
            self._wait(0)  # and nobody knows whether it was written: look too
        return self.find(signed)

    def find(self, signed: LedgerEntry) -> StoredEntry | None:
        """Look whether a write stands."""
        stored = self.ledger.get(signed.image)
        return stored if stored is not None and stored.entry.token == signed.token else None

    def advance(self, stored: StoredEntry, change: Callable[[LedgerEntry], LedgerEntry]) -> StoredEntry:
        """Write as the holder of the claim ``stored``; repeats the write, never the work, when others wrote meanwhile.

        Raises:
            LeaseLostError: the claim is no longer the ledger's.
            UnavailableError: it cannot be told, or somebody keeps writing.
        """
        epoch, token = stored.entry.epoch, self.new_token()
        for repeats in range(MAX_REPEATS):
            entry = replace(change(stored.entry), token=token)
            try:
                return StoredEntry(entry, self.ledger.put(entry, over=stored.seen))
            except ConflictError:
                pass
            except UnavailableError:
                self._wait(repeats)
            read = self.ledger.get(entry.image)
            if read is not None and _is_done(read.entry, epoch=epoch, token=token):
                return read
            if read is None or read.entry.epoch != epoch:
                raise LeaseLostError(f"{entry.image.uri}: epoch {epoch} is over, the ledger has {_epoch(read)}")
            stored = read
        raise UnavailableError(f"{entry.image.uri}: the ledger could not be written in {MAX_REPEATS} tries")

    def _wait(self, repeats: int) -> None:
        """Give an index that refused a write time before it is asked again."""
        self.sleep(FIRST_WAIT_S * 2**repeats * random.uniform(0.5, 1.0))  # noqa: S311  jitter

    def strike_off(self, stored: StoredEntry, labels: tuple[LabelSet, ...]) -> None:
        """Forget labels that were deleted. Raises as ``Ledger.put``: no need to insist, there are more nights."""
        self.ledger.put(self.signed(generations.forgotten(stored.entry, labels)), over=stored.seen)


def _is_done(entry: LedgerEntry, *, epoch: int, token: str) -> bool:
    """Tell whether a write with this token stands, or the claim's last write stood before somebody wrote over it."""
    return entry.token == token or (entry.epoch == epoch and entry.state is State.INDEXED)


def _epoch(stored: StoredEntry | None) -> str:
    return "none" if stored is None else str(stored.entry.epoch)
