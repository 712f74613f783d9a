"""Compare-and-set writes of the ledger, and what a lost answer or a conflict means."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWriter:
    """Writes entries, each signed with a token of its own."""

    store: ObjectStore
    ledger: Ledger
    clock: Clock
    new_token: Callable[[], str]
    """Never gives the same text twice."""

    def now_ms(self, image: ImageRef) -> int:
        """Tell the store's time; asks the store when its last answer is too old."""
        if self.clock.reading_age_ms() > MAX_READING_AGE_MS:
            self.store.head(image)
        return self.clock.now_ms()

    def take(self, entry: LedgerEntry, *, over: Seen | None) -> StoredEntry | None:
        """Change hands: claim, remove, or fail what nobody holds. None when that was not applied."""
        signed = replace(entry, token=self.new_token())
        try:
            return StoredEntry(signed, self.ledger.put(signed, over=over))
        except (ConflictError, UnavailableError):
            # A retry below us conflicts with its own first try, and after a lost answer nobody knows: look.
            stored = self.ledger.get(entry.image)
        return stored if stored is not None and stored.entry.token == signed.token else None

    def advance(self, stored: StoredEntry, change: Callable[[LedgerEntry], LedgerEntry]) -> StoredEntry:
        """Write as the holder of the claim ``stored``; repeats the write, never the work, when others wrote meanwhile.

        Raises:
            LeaseLostError: the claim is no longer the ledger's.
            UnavailableError: it cannot be told, or somebody keeps writing.
        """
        epoch, token = stored.entry.epoch, self.new_token()
        for _ in range(MAX_REPEATS):
            entry = replace(change(stored.entry), token=token)
            try:
                return StoredEntry(entry, self.ledger.put(entry, over=stored.seen))
            except (ConflictError, UnavailableError):
                read = self.ledger.get(entry.image)
            if read is not None and _is_done(read.entry, epoch=epoch, token=token):
                return read
            if read is None or read.entry.epoch != epoch:
                raise LeaseLostError(f"{entry.image.uri}: epoch {epoch} is over, the ledger has {_epoch(read)}")
            stored = read
        raise UnavailableError(f"{entry.image.uri}: the ledger could not be written in {MAX_REPEATS} tries")

    def strike_off(self, stored: StoredEntry, labels: tuple[LabelSet, ...]) -> None:
        """Forget labels that were deleted. Raises as ``Ledger.put``: no need to insist, there are more nights."""
        entry = replace(generations.forgotten(stored.entry, labels), token=self.new_token())
        self.ledger.put(entry, over=stored.seen)


def _is_done(entry: LedgerEntry, *, epoch: int, token: str) -> bool:
    """Tell whether a write with this token stands, or the claim's last write stood before somebody wrote over it."""
    return entry.token == token or (entry.epoch == epoch and entry.state is State.INDEXED)


def _epoch(stored: StoredEntry | None) -> str:
    return "none" if stored is None else str(stored.entry.epoch)
