"""Whether a worker may go on: until it is told to end, its time is up, or its lane is paused."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from batch_job.errors import HandedBackError
from batch_job.ports import ArchiveStore, Keeper, Processing
from batch_job.values.budget import Lane
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.work import Processed, Work

PAUSE_KEY = "control/pause.json"
"""Below the root that all runs share. While it is there, whatever it says, no child of a run pays for anything."""
LIVE = "live"
"""Its field that is true when the live lane is paused too."""
LOOK_S = 5.0
"""How long an answer about the pause holds: one cheap GET for dozens of paid calls."""


class EndAtOnce(BaseException):
    """The image was not handed back in time; runs every ``finally`` on its way, like ``KeyboardInterrupt``."""


class Orders:
    """What one worker was told; a signal handler may call ``end`` and ``end_at_once``."""

    def __init__(
        self, store: ArchiveStore, *, lane: Lane = Lane.BACKFILL, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Look in ``store`` for a pause of the lane; ``now`` gives seconds."""
        self._store, self._lane, self._now = store, lane, now
        self._look_again: float | None = None
        self._until: float | None = None
        self._ending = self._paused = False

    @property
    def ending(self) -> bool:
        """Tell whether this worker was told to end, or its time is up."""
        return self._ending or (self._until is not None and self._now() >= self._until)

    def end_after(self, seconds: float) -> None:
        """Tell the worker how much time it has: it hands its image back when it looks here next after that."""
        self._until = self._now() + seconds

    def end(self) -> None:
        """Tell the worker to end: it hands its image back when it looks here next."""
        self._ending = True

    def end_at_once(self) -> None:
        """Tell a worker that has not looked here for long.

        Raises:
            EndAtOnce: always, wherever the worker is.
        """
        self._ending = True
        raise EndAtOnce("this worker was told to end, and did not hear it in time")

    def check(self) -> None:
        """Look whether to go on.

        Raises:
            HandedBackError: no.
        """
        if self.ending:
            raise HandedBackError("this worker was told to end" if self._ending else "this worker's time is up")
        if self._is_paused():
            raise HandedBackError(f"the {self._lane} lane is paused ({PAUSE_KEY})")

    def _is_paused(self) -> bool:
        now = self._now()
        if self._look_again is None or now >= self._look_again:
            body = self._store.get(PAUSE_KEY)
            self._paused = body is not None and (self._lane is Lane.BACKFILL or _pauses_live(body))
            self._look_again = now + LOOK_S
        return self._paused


def _pauses_live(body: bytes) -> bool:
    try:
        return bool(orjson.loads(body).get(LIVE))
    except (ValueError, AttributeError):  # written by hand: rather wait too long than pay what nobody wanted
        return True


@contextmanager
def ended_at_once_after(seconds: float, orders: Orders) -> Iterator[None]:
    """Have a worker that does not look at its orders in time, in a long read say, hear it by SIGALRM.

    Only in the main thread, where alone signals are heard; elsewhere nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end_at_once(_number: int, _frame: object) -> None:
        orders.end_at_once()

    before = signal.signal(signal.SIGALRM, end_at_once)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))  # 0 would be none
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class ObedientStages:
    """Stages that look at the orders wherever they look at their lease: before each paid call, and in between."""

    processing: Processing
    orders: Orders

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        """Tell whether the archive holds every answer of this version."""
        return self.processing.archived(image, version)

    def process(self, work: Work, keeper: Keeper) -> Processed:
        """Do all stages; see ``ports.Processing``.

        Raises:
            HandedBackError: the worker is to stop; what was paid for is archived.
        """
        return self.processing.process(work, _ObedientKeeper(keeper, self.orders))


@dataclass(frozen=True, slots=True)
class _ObedientKeeper:
    keeper: Keeper
    orders: Orders

    def keep(self) -> None:
        self.orders.check()
        self.keeper.keep()

    def part_archived(self) -> None:
        self.keeper.part_archived()


if TYPE_CHECKING:
    _stages: type[Processing] = ObedientStages
    _keeper: type[Keeper] = _ObedientKeeper
