"""Working on a CSV that is claimed: holding on to it, writing its shards."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import structlog

from batch_job.backfill.plan import PlanCounts, Portion
from batch_job.backfill.records import Claim, FilePlan
from batch_job.backfill.shards import RunFolder
from batch_job.errors import BackfillError, HandedBackError
from batch_job.ports import Clock
from batch_job.values.inventory import DataFile, InventoryRow, UnreadableRow
from batch_job.values.work import Shard

ROWS_PER_LOOK = 1000
"""Between two looks at the time: some hundredths of a second."""
MAX_ROWS_TOLD = 5
"""Unreadable rows of a file that are logged one by one; the others are counted."""

T = TypeVar("T")

log = structlog.get_logger()


class Hold:
    """A claim that is renewed while somebody works, until that one has to end."""

    def __init__(self, folder: RunFolder, claim: Claim, *, clock: Clock, is_ending: Callable[[], bool]) -> None:
        """Hold on to a claim of ``folder.claim``."""
        self.folder, self.claim = folder, claim
        self._clock, self._is_ending = clock, is_ending

    def passing(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield rows, holding on to the claim while they are worked on.

        Raises:
            HandedBackError: time is up.
            ConflictError: somebody else has the claim.
        """
        for number, row in enumerate(rows):
            if number % ROWS_PER_LOOK == 0:
                self._keep()
            yield row

    def _keep(self) -> None:
        if self._is_ending():
            raise HandedBackError(f"planning of {self.claim.file_id}: time is up")
        now_ms = self._clock.now_ms()
        if self.claim.is_old(now_ms=now_ms):
            self.claim = self.folder.renew(self.claim, now_ms=now_ms)

    def release(self) -> None:
        """Give the claim back, so that nobody waits for it to run out."""
        try:
            self.folder.release(self.claim)
        except BackfillError as error:  # it runs out by itself; what happened before is what matters
            log.warning("claim.not_released", run_id=self.folder.run_id, file=self.claim.file_id, error=str(error))


def write_shards(folder: RunFolder, portions: Iterable[Portion], *, name: str) -> FilePlan:
    """Write each portion as a shard; one is alive at a time."""
    shards, counts = 0, PlanCounts()
    for portion in portions:
        counts += portion.counts
        if portion.items:
            folder.write_shard(Shard(folder.run_id, f"{name}-{shards:06d}", portion.items))
            shards += 1
    return FilePlan(name=name, shards=shards, counts=counts, jobs=())


def told(rows: Iterator[InventoryRow | UnreadableRow], file: DataFile) -> Iterator[InventoryRow | UnreadableRow]:
    """Yield rows, telling of the first that cannot be read."""
    so_far = 0
    for row in rows:
        if isinstance(row, UnreadableRow) and so_far < MAX_ROWS_TOLD:
            so_far += 1
            log.warning("inventory.unreadable_row", file=file.key, line=row.line, error=row.why)
        yield row
