"""The Batch child: the images of one shard, one after the other, a summary line, a done marker."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Protocol

import structlog

from batch_job.backfill.endings import Ending
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


class ShardEnd(StrEnum):
    """How a child's shard ended."""

    DONE = auto()
    """Every image was visited to its end; images that cannot be processed are recorded, and that is an end."""
    DONE_BEFORE = auto()
    """An earlier attempt wrote the done marker."""
    PAUSED = auto()
    """Whoever resumes submits the shard again, as it has no done marker."""
    ENDED = auto()
    """This worker was told to end: Spot, a time limit, a person."""
    LEFT = auto()
    """Some images are left for the next attempt."""
    DEFECT = auto()
    """A defect of ours keeps some images from their end; the others are done."""
    REFUSED = auto()
    """No image would fare better until a person acts."""

    @property
    def exit_code(self) -> int:
        """What Batch's retry rules go by."""
        return _EXIT_CODES.get(self, os.EX_OK)


_EXIT_CODES = {
    ShardEnd.ENDED: TransientError.exit_code,
    ShardEnd.LEFT: TransientError.exit_code,
    ShardEnd.DEFECT: os.EX_SOFTWARE,
    ShardEnd.REFUSED: DeploymentError.exit_code,
}


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

    def run(self, name: str) -> ShardEnd:
        """Work through the shard of this name; says how that ended, in one line of log and one of metrics too.

        The line is an interface: ``shard.done``, with ``run_id``, ``shard``, ``outcome`` (a ``ShardEnd``), ``error``
        (null or why), ``images``, ``errors``, ``chips``, ``calls``, ``labels``, ``exit_code`` and ``duration_ms``.
        """
        ending = Ending(tally=self.tally, began=self.now(), metrics=self.metrics, now=self.now)
        with structlog.contextvars.bound_contextvars(run_id=self.folder.run_id, shard=name):
            end, error = self._tried(name, ending)
            ending.tell("shard.done", end, error)
        return end

    def _tried(self, name: str, ending: Ending) -> tuple[ShardEnd, str | None]:
        try:
            return self._worked(name, ending)
        except (HandedBackError, EndAtOnce) as error:
            return (ShardEnd.ENDED if self.orders.ending else ShardEnd.PAUSED), _said(error)
        except TransientError as error:
            return (ShardEnd.ENDED if self.orders.ending else ShardEnd.LEFT), _said(error)
        except DeploymentError as error:
            return ShardEnd.REFUSED, _said(error)
        except Exception as error:
            log.exception("shard.defect")
            return ShardEnd.DEFECT, _said(error)

    def _worked(self, name: str, ending: Ending) -> tuple[ShardEnd, str | None]:
        if self.folder.done(name) is not None:
            return ShardEnd.DONE_BEFORE, None
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
            return ShardEnd.LEFT, round_.error
        if round_.defects:
            return ShardEnd.DEFECT, round_.error
        self.folder.write_done(ending.marker(name))
        return ShardEnd.DONE, None


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
            self.error = _said(error)
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
        self.error = _said(error)
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


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


if TYPE_CHECKING:
    _folder: type[ShardFolder] = RunFolder
