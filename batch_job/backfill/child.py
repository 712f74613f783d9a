"""The Batch child: the images of one shard, one after the other, a summary line, a done marker."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from batch_job.backfill.endings import Ending, WorkEnd, said
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.backfill.shards import RunFolder
from batch_job.errors import (
    DeploymentError,
    DetectorDownError,
    DiskFullError,
    HandedBackError,
    OutOfBudgetError,
    SetUpError,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from batch_job.metrics import NO_METRICS, Metrics
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Outcome, Shard, ShardDone, Skipped, SkipReason

log = structlog.get_logger()

STOPS = (OutOfBudgetError, DiskFullError, DetectorDownError)
"""Every other image would end the same way for now, and the last one has been patient already."""
LEFT_IN_A_ROW = 3
"""So many images in a row that a service kept from their end: it is down, and Batch's retry comes later than ours."""

STEP_S = 1.0
"""Between two looks at the orders while we wait for leases."""


class ShardFolder(Protocol):
    """Where a child finds its shard, and leaves its marker; ``RunFolder`` is one."""

    @property
    def run_id(self) -> str:
        """Whose shards they are."""
        ...

    def done(self, name: str) -> ShardDone | None:
        """Read a done marker; None: the shard is still to be worked through."""
        ...

    def shard(self, name: str) -> Shard:
        """Read a shard.

        Raises:
            SetUpError: it is not there, or damaged.
        """
        ...

    def write_done(self, done: ShardDone) -> None:
        """Mark a shard as worked through."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One child, over the services."""

    folder: ShardFolder
    visit: Callable[[ImageRef], Outcome]
    """Reconciles an image and logs its line; looks at ``orders`` before each paid call."""
    orders: Orders
    tally: Tally
    """Empty at first; counts what ``visit`` does."""
    lease_s: float
    """How long an image stays with a worker that died on it."""
    metrics: Metrics = NO_METRICS
    """Where the shard's figures go."""
    now: Callable[[], float] = time.monotonic
    """Seconds."""
    sleep: Callable[[float], None] = time.sleep

    def run(self, name: str) -> WorkEnd:
        """Work through the shard of this name; says how that ended, in one line of log and one of metrics too.

        The line is an interface: ``shard.done``, with ``run_id``, ``shard``, ``outcome`` (a ``WorkEnd``), ``error``
        (null or why), ``images``, ``errors``, ``chips``, ``calls``, ``labels``, ``exit_code`` and ``duration_ms``.
        """
        ending = Ending(tally=self.tally, began=self.now(), metrics=self.metrics, now=self.now)
        with structlog.contextvars.bound_contextvars(run_id=self.folder.run_id, shard=name):
            end, error = self._tried(name, ending)
            ending.tell("shard.done", end, error)
        return end

    def _tried(self, name: str, ending: Ending) -> tuple[WorkEnd, str | None]:
        try:
            return self._worked(name, ending)
        except (HandedBackError, EndAtOnce) as error:
            return (WorkEnd.ENDED if self.orders.ending else WorkEnd.PAUSED), said(error)
        except TransientError as error:
            return (WorkEnd.ENDED if self.orders.ending else WorkEnd.LEFT), said(error)
        except DeploymentError as error:
            return WorkEnd.REFUSED, said(error)
        except Exception as error:
            log.exception("shard.defect")
            return WorkEnd.DEFECT, said(error)

    def _worked(self, name: str, ending: Ending) -> tuple[WorkEnd, str | None]:
        if self.folder.done(name) is not None:
            return WorkEnd.DONE_BEFORE, None
        shard = self.folder.shard(name)
        _check_whole(shard)
        images = tuple(dict.fromkeys(item.image for item in shard.items))
        round_ = _Round(self)
        try:
            left = round_.visit_all(images)
            round_.wait_for_leases()
            left = round_.visit_all(left)
        finally:
            for _ in range(len(images) - round_.ended):
                self.tally.left()
        if left:
            return WorkEnd.LEFT, round_.error
        if round_.defects:
            return WorkEnd.DEFECT, round_.error
        self.folder.write_done(ending.marker(name))
        return WorkEnd.DONE, None


class _Round:
    """Visits images; knows how many came to an end, and what kept the last of the others from it."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._in_a_row = 0
        self._leased_until: float | None = None
        self.ended = self.defects = 0
        self.error: str | None = None

    def visit_all(self, images: Iterable[ImageRef]) -> list[ImageRef]:
        """Visit each image; gives those that another visit may help.

        Raises:
            HandedBackError, EndAtOnce: this worker is to stop.
            TransientError: the other images would fare the same for now.
            DeploymentError: ... until a person acts.
        """
        return [image for image in images if not self._comes_to_an_end(image)]

    def wait_for_leases(self) -> None:
        """Wait until images that another worker had are free, if it died on them; an earlier attempt of ours, say.

        Raises:
            HandedBackError: this worker is to stop.
        """
        while self._leased_until is not None and self._child.now() < self._leased_until:
            self._child.orders.check()
            self._child.sleep(STEP_S)

    def _comes_to_an_end(self, image: ImageRef) -> bool:
        """Visit an image; False when it is worth another visit."""
        self._child.orders.check()
        try:
            with self._child.tally.visit():
                outcome = self._child.visit(image)
        except (HandedBackError, DeploymentError, *STOPS):
            raise
        except TransientError as error:
            self._put_off(error)
            return False
        except Exception as error:  # also a defect of ours is one image's matter
            self.defects += 1
            self.error = said(error)
            log.exception("image.defect", image=image.uri)
            return True
        self._in_a_row = 0
        if isinstance(outcome, Skipped) and outcome.reason is SkipReason.BUSY:
            self.error = f"{image.uri} is another worker's"
            self._leased_until = self._child.now() + self._child.lease_s
            return False
        # what newer settings have done is done: the next attempt would come under these older ones again
        self._child.tally.ended(outcome)
        self.ended += 1
        return True

    def _put_off(self, error: TransientError) -> None:
        """Remember why; when a service keeps several images in a row from their end, raise its error."""
        self.error = said(error)
        self._in_a_row = self._in_a_row + 1 if isinstance(error, (ThrottledError, UnavailableError)) else 0
        if self._in_a_row >= LEFT_IN_A_ROW:
            raise error


def _check_whole(shard: Shard) -> None:
    """Refuse parts of images: one part alone would be indexed as if it were the whole.

    Raises:
        SetUpError: there are some.
    """
    part = next((item for item in shard.items if item.parts > 1), None)
    if part is not None:
        raise SetUpError(
            f"shard {shard.name} of run {shard.run_id} has part {part.part} of {part.parts} of {part.image.uri}, and "
            "this version works on whole images only: plan the inventory without max_part_chips"
        )


if TYPE_CHECKING:
    _folder: type[ShardFolder] = RunFolder
