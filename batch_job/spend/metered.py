"""Draws a call from the budget before every attempt of a paid call; waits where that is too soon."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from batch_job.errors import UnavailableError
from batch_job.ports import BudgetStore, Detector, Keep
from batch_job.spend.budget import NOTHING, SECOND_US, Block, Rate, is_fresh
from batch_job.spend.service_time import Reading, ServiceTime
from batch_job.values.answers import Answer
from batch_job.values.budget import Draw, Granted, Lane, NotYet
from batch_job.values.spaces import Chip

MAX_PAUSE_US = SECOND_US
"""The lease is looked at this often while we wait."""
MAX_PROBES = 12
"""Four tell the time well enough unless answers take over 50 ms."""
LATE_US = 50_000
"""A moment to ask for the time that was missed by more is no good any more."""
FAR_US = 60 * SECOND_US
"""No draw leaves a lane's next moment further ahead than what it costs; a rate that was slower before, or a service's
clock that went wrong for a moment, may."""
MAX_STALE = 5
"""Grants in a row that came too late to be taken up: answers take over 100 ms, and blocks are wasted."""
FIRST_SPREAD_US = 10_000
"""Workers that were told to wait for the same moment come up to this late; doubled with every refusal in a row ..."""
MAX_SPREAD_US = SECOND_US
"""... up to this: the more workers wait, the more often each is refused, so that all together ask at a steady rate."""

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps; elsewhere than on Linux, CLOCK_MONOTONIC does."""


def _boot_us() -> int:
    return time.clock_gettime_ns(_BOOT_CLOCK) // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A machine's own sense of time; what date it believes in is not asked."""

    boot_us: Callable[[], int] = _boot_us
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class Meter:
    """The calls of one worker in one lane; any number of threads share it."""

    def __init__(self, store: BudgetStore, *, lane: Lane, rate: Rate, wanted: int, watch: Watch | None = None) -> None:
        """Draw from ``store``.

        Args:
            store: The same for all workers.
            lane: Whose calls they are.
            rate: The lane's, the same in all workers.
            wanted: How many calls a draw asks for: as many as this worker has in flight, so that they are soon used.
            watch: Tells how much time passed.
        """
        self._store, self._lane, self._rate, self._wanted = store, lane, rate, wanted
        self._watch = watch or Watch()
        self._lock = threading.Lock()
        self._time: ServiceTime | None = None
        self._block = NOTHING
        self._earliest_us = 0
        """No draw can be granted before."""
        self._probe_at_us: int | None = None
        self._probes = self._refusals = self._stale = 0

    def take(self, keep: Keep) -> None:
        """Wait until a call may be made; it then counts as made. ``keep`` is called often, and last of all.

        Raises:
            UnavailableError: the budget cannot be reached, or answers too slowly to tell the time by. Make no call.
            ThrottledError: so, for its own limits.
            DeploymentError: it does not stand, or we may not draw from it.
        """
        while True:
            keep()
            with self._lock:
                pause_us = self._step()
            if pause_us is None:
                return
            if pause_us > 0:
                self._watch.sleep(min(pause_us, MAX_PAUSE_US) / SECOND_US)

    def _step(self) -> int | None:
        """Do what is next, one draw at most; give how long to wait before the next step, None when a call is ours."""
        now = self._time and self._time.at(self._watch.boot_us())
        if now is None:
            return self._probe()
        self._block = self._block.without_lapsed(now_us=now.low_us)
        if self._block.next_us is not None:
            return self._use(now, self._block.next_us)
        if not now.is_narrow:
            return self._wait(now, MAX_PAUSE_US)
        if self._earliest_us > now.low_us:
            return self._wait(now, self._earliest_us - now.low_us)
        return self._draw(now)

    def _use(self, now: ServiceTime, next_us: int) -> int | None:
        if next_us > now.low_us:
            return self._wait(now, next_us - now.low_us)
        self._block = self._block.without_next()
        return None

    def _wait(self, now: ServiceTime, pause_us: int) -> int:
        """Ask for the time at the best moment within a pause, if it is known less well than it could be."""
        if now.is_sharp:
            return pause_us
        if self._probe_at_us is None or self._probe_at_us < now.at_us - LATE_US:
            self._probe_at_us = now.at_us + now.tells_most_in_us()
        early_us = self._probe_at_us - now.at_us
        return min(early_us, pause_us) if early_us > 0 else self._probe()

    def _probe(self) -> int:
        self._probe_at_us = None
        self._probes += 1
        if self._probes > MAX_PROBES:
            self._probes = 0
            raise UnavailableError(f"the budget answers too slowly: {MAX_PROBES} answers did not tell the time")
        sent_us = self._watch.boot_us()
        self._learn(self._store.time_s(), sent_us=sent_us)
        return 0

    def _learn(self, date_s: int, *, sent_us: int) -> ServiceTime:
        reading = Reading(date_s=date_s, sent_us=sent_us, read_us=self._watch.boot_us())
        self._time = ServiceTime.of(reading) if self._time is None else self._time.narrowed(reading)
        if self._time.is_narrow:
            self._probes = 0
        return self._time

    def _draw(self, now: ServiceTime) -> int:
        draw = self._rate.draw(self._lane, wanted=self._wanted, now_us=now.low_us)
        drawn = self._store.draw(draw)
        latest = self._learn(drawn.date_s, sent_us=now.at_us)
        match drawn:
            case NotYet(next_us=next_us):
                self._postpone(draw, next_us)
            case Granted():
                self._refusals = 0
                stale = not is_fresh(asked_us=draw.now_us, latest_us=latest.high_us)
                self._receive(Block.of(draw, drawn), is_stale=stale)
        return 0

    def _postpone(self, draw: Draw, next_us: int) -> None:
        if next_us > draw.now_us + draw.cost_us + FAR_US:
            ahead_s = (next_us - draw.now_us) // SECOND_US
            raise UnavailableError(f"lane {draw.lane} is handed out for {ahead_s} s ahead: see docs/budget.md")
        spread_us = min(MAX_SPREAD_US, FIRST_SPREAD_US << min(self._refusals, 10))
        self._refusals += 1
        self._earliest_us = next_us + int(self._watch.chance() * spread_us)

    def _receive(self, block: Block, *, is_stale: bool) -> None:
        self._earliest_us = block.end_us
        self._stale = self._stale + 1 if is_stale else 0
        if not is_stale:
            self._block = block
        elif self._stale >= MAX_STALE:
            self._stale = 0
            raise UnavailableError(f"the budget answers too slowly: {MAX_STALE} grants in a row came too late")


class MeteredDetector:
    """Another detector whose every attempt draws from the budget first; fits ``ports.Detector``."""

    def __init__(self, detector: Detector, meter: Meter) -> None:
        """Wrap ``detector``."""
        self._detector, self._meter = detector, meter

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield as ``ports.Detector``; may wait before each attempt. Raises as ``Meter.take`` too."""
        return self._detector.detect(chips, keep=partial(self._meter.take, keep))


if TYPE_CHECKING:
    _fits: type[Detector] = MeteredDetector
