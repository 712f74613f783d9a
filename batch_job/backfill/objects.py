"""One object as a job of its own: large images, and slow ones, that the live door leaves to a machine with time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from batch_job.backfill.child import Child, ShardFolder
from batch_job.backfill.endings import WorkEnd
from batch_job.backfill.orders import Orders
from batch_job.errors import BackfillError
from batch_job.ports import MessageQueue
from batch_job.values.work import Shard, ShardDone, SkipReason, WorkItem

RUN_ID = "live"
"""In place of a run's, in logs and documents: nobody planned it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OneObject:
    """A shard of one image, without a folder or a done marker: what was done, the ledger knows."""

    item: WorkItem

    @property
    def run_id(self) -> str:
        """The same for all."""
        return RUN_ID

    def done(self, _name: str) -> ShardDone | None:
        """Nobody marks it."""
        return None

    def shard(self, name: str) -> Shard:
        """Give the shard, whatever its name."""
        return Shard(RUN_ID, name, (self.item,))

    def write_done(self, done: ShardDone) -> None:
        """Mark nothing: the same object may be a job again in a minute."""


@dataclass(frozen=True, slots=True)
class ObjectJob:
    """Works on one object."""

    child: Child
    item: WorkItem
    queue: MessageQueue | None
    """Takes the object back when the lane is paused, or others must do it: no run has it, so nobody would submit it
    again. None: it waits for the next inventory."""

    @property
    def orders(self) -> Orders:
        """The child's."""
        return self.child.orders

    def run(self) -> int:
        """Work on it; gives the exit code."""
        end = self.child.run(self.item.image.id)
        if not (end is WorkEnd.PAUSED or self._is_for_newer_settings) or self.queue is None:
            return end.exit_code
        try:
            self.queue.send([self.item.to_text()])
        except BackfillError as error:
            log.warning("object.not_given_back", image=self.item.image.uri, error=f"{type(error).__name__}: {error}")
            return error.exit_code
        log.info("object.given_back", image=self.item.image.uri)
        return end.exit_code

    @property
    def _is_for_newer_settings(self) -> bool:
        """Tell whether the image was left to workers of a newer deployment; every further attempt would do the same."""
        return bool(self.child.tally.images[f"skipped_{SkipReason.OLDER_SETTINGS}"])


if TYPE_CHECKING:
    _fits: type[ShardFolder] = OneObject
