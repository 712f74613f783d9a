"""Whether a worker may go on: until it is told to end, or the run is paused."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_job.errors import HandedBackError
from batch_job.ports import ArchiveStore, Keeper, Processing
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.work import Processed, Work

PAUSE_KEY = "control/pause.json"
"""Below the root that all runs share. While it is there, whatever it says, no child pays for anything."""
LOOK_S = 5.0
"""How long an answer about the pause holds: one cheap GET for dozens of paid calls."""


class EndAtOnce(BaseException):
    """The image was not handed back in time; runs every ``finally`` on its way, like ``KeyboardInterrupt``."""


class Orders:
    """What one worker was told; a signal handler may call ``end`` and ``end_at_once``."""

    def __init__(self, store: ArchiveStore, *, now: Callable[[], float] = time.monotonic) -> None:
        """Look for the pause in ``store``; ``now`` gives seconds."""
        self._store, self._now = store, now
        self._look_again: float | None = None
        self._ending = self._paused = False

    @property
    def ending(self) -> bool:
        """Tell whether this worker was told to end."""
        return self._ending

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
        if self._ending:
            raise HandedBackError("this worker was told to end")
        if self._is_paused():
            raise HandedBackError(f"the run is paused ({PAUSE_KEY})")

    def _is_paused(self) -> bool:
        now = self._now()
        if self._look_again is None or now >= self._look_again:
            self._paused = self._store.get(PAUSE_KEY) is not None
            self._look_again = now + LOOK_S
        return self._paused


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
