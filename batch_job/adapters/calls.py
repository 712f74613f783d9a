"""The loop that all detectors behind a service share: calls in flight, retries at a pace, who may still be paid."""

import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from batch_job.errors import DetectorDownError, ThrottledError, UnavailableError
from batch_job.ports import Count, Keep, Progress
from batch_job.values.answers import Answer, ChipRejected
from batch_job.values.spaces import Chip

SLOW_DOWN = 0.7
"""Share of the calls in flight that goes on after a refusal; gentler than a half, so that chance costs little pace."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An attempt that may be repeated; an attempt may also raise its error."""

    error: ThrottledError | UnavailableError
    wait_s: float = 0.0
    """The least that the service asks us to wait."""


_Kind = type[ThrottledError] | type[UnavailableError]

Attempt = Callable[[Chip], Answer | Refused]
"""One attempt at one chip; called from several threads at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often, and for how long, one chip is tried."""

    throttled_attempts: int = 20
    """At 30 % of refusals one chip in 3e10 uses them up."""
    unavailable_attempts: int = 8
    """About 16 s in the mean, a restart's worth; an outage is for the queue to wait out."""
    max_elapsed_s: float = 300.0
    base_s: float = 0.25
    """Of the first delay; it doubles with every refusal."""
    max_delay_s: float = 20.0
    """As in botocore's standard retry mode."""

    def delay_s(self, refusals: int, chance: float) -> float:
        """Give the delay after so many refusals; ``chance`` between 0 and 1 takes a part of it ("full jitter").

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        doublings = min(refusals - 1, 30)  # beyond that it is over any maximum, and a float must hold it
        return chance * min(self.max_delay_s, self.base_s * 2.0**doublings)

    def is_over(self, refusals: Counter[_Kind], *, elapsed_s: float) -> bool:
        """Tell whether a chip has been tried enough."""
        return (
            refusals[ThrottledError] >= self.throttled_attempts
            or refusals[UnavailableError] >= self.unavailable_attempts
            or elapsed_s >= self.max_elapsed_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How a detector calls."""

    calls_in_flight: int
    progress: Progress | None = None
    patience: Patience = field(default_factory=Patience)
    now: Callable[[], float] = time.monotonic
    """Seconds."""
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def count(self, count: Count) -> None:
        """Tell whoever watches."""
        if self.progress is not None:
            self.progress.add(count)


class Pace:
    """How many calls may be under way: fewer after a refusal, slowly more with answers (AIMD, as TCP does)."""

    def __init__(self, limit: int) -> None:
        self._limit, self._allowed, self.cuts = limit, float(limit), 0

    @property
    def allowed(self) -> int:
        """At least one."""
        return int(self._allowed)

    def answered(self) -> None:
        """Allow about one more call after each round of answers."""
        self._allowed = min(self._limit, self._allowed + 1 / self._allowed)

    def refused(self, *, cuts_at_start: int) -> None:
        """Allow fewer; of calls that began before the last cut, none causes another: they say the same thing."""
        if cuts_at_start == self.cuts:
            self._allowed = max(1.0, self._allowed * SLOW_DOWN)
            self.cuts += 1


def call_all(chips: Iterable[Chip], attempt: Attempt, *, keep: Keep, flow: Flow) -> Iterator[Answer]:
    """Yield the answer to each chip, as ``ports.Detector.detect`` says.

    ``chips`` is pulled, and ``keep`` called, from the caller's thread alone. A chip is alive while it is under way or
    waits for its next attempt: at most ``flow.calls_in_flight`` are. Closing the iterator waits for the calls under
    way, whose answers are lost.
    """
    with ThreadPoolExecutor(max_workers=flow.calls_in_flight, thread_name_prefix="call") as pool:
        yield from _Calls(chips, attempt, keep, flow, pool).answers()


@dataclass(slots=True, eq=False)
class _Try:
    """A chip on its way to an answer."""

    chip: Chip
    began: float
    refusals: Counter[_Kind] = field(default_factory=Counter)
    cuts_at_start: int = 0


class _Calls:
    def __init__(
        self, chips: Iterable[Chip], attempt: Attempt, keep: Keep, flow: Flow, pool: ThreadPoolExecutor
    ) -> None:
        self._chips, self._attempt, self._keep, self._flow, self._pool = iter(chips), attempt, keep, flow, pool
        self._pace = Pace(flow.calls_in_flight)
        self._under_way: dict[Future[Answer | Refused], _Try] = {}
        self._waiting: list[tuple[float, int, _Try]] = []
        self._ordinals = itertools.count()
        self._ready: list[Answer] = []
        self._failure: BaseException | None = None

    def answers(self) -> Iterator[Answer]:
        """Keep calls under way while there are chips; after a failure only end what is under way."""
        while True:
            self._start_calls()
            ready, self._ready = self._ready, []
            yield from ready
            if not self._under_way and not self._waiting:
                break
            self._wait()
        if self._failure is not None:
            raise self._failure

    def _start_calls(self) -> None:
        try:
            while self._failure is None and len(self._under_way) < self._pace.allowed:
                following = self._next_try()
                if following is None:
                    return
                self._keep()
                following.cuts_at_start = self._pace.cuts
                self._under_way[self._pool.submit(self._attempt, following.chip)] = following
        except BaseException as error:  # noqa: BLE001  also Ctrl-C: raised again once the answers under way are in
            self._fail(error)

    def _next_try(self) -> _Try | None:
        """Give a chip whose delay is over, else a new one while fewer than the limit are alive."""
        if self._waiting and self._waiting[0][0] <= self._flow.now():
            return heapq.heappop(self._waiting)[2]
        if len(self._under_way) + len(self._waiting) >= self._flow.calls_in_flight:
            return None
        chip = next(self._chips, None)
        return None if chip is None else _Try(chip, began=self._flow.now())

    def _wait(self) -> None:
        """Wait for an answer, or for the next delay to be over."""
        delay_s = max(self._waiting[0][0] - self._flow.now(), 0.0) if self._waiting else None
        if not self._under_way:
            self._flow.sleep(delay_s or 0.0)
            return
        if len(self._under_way) >= self._pace.allowed:
            delay_s = None
        try:
            done, _ = wait(self._under_way, timeout=delay_s, return_when=FIRST_COMPLETED)
        except BaseException as error:
            if self._failure is not None:  # somebody insists
                raise
            self._fail(error)  # Ctrl-C: the calls under way are paid for, so their answers are handed on first
            return
        for future in done:
            self._settle(future, self._under_way.pop(future))

    def _settle(self, future: "Future[Answer | Refused]", tried: _Try) -> None:
        try:
            result = future.result()
        except (ThrottledError, UnavailableError) as error:
            result = Refused(error)
        except Exception as error:  # noqa: BLE001  as above
            self._fail(error)
            return
        if isinstance(result, Refused):
            self._refused(result, tried)
            return
        self._pace.answered()
        self._flow.count(Count.REJECTED if isinstance(result, ChipRejected) else Count.ANSWERS)
        self._ready.append(result)

    def _refused(self, refused: Refused, tried: _Try) -> None:
        flow = self._flow
        kind: _Kind = ThrottledError if isinstance(refused.error, ThrottledError) else UnavailableError
        self._pace.refused(cuts_at_start=tried.cuts_at_start)
        if kind is ThrottledError:
            flow.count(Count.THROTTLED)
        tried.refusals[kind] += 1
        attempts, elapsed_s = tried.refusals.total(), flow.now() - tried.began
        if flow.patience.is_over(tried.refusals, elapsed_s=elapsed_s):
            error = DetectorDownError(f"{refused.error}; gave up after {attempts} attempts in {elapsed_s:.0f} s")
            error.__cause__ = refused.error
            self._fail(error)
        elif self._failure is None:
            delay_s = refused.wait_s + flow.patience.delay_s(attempts, flow.chance())
            heapq.heappush(self._waiting, (flow.now() + delay_s, next(self._ordinals), tried))

    def _fail(self, error: BaseException) -> None:
        """Start no further call; the first failure is the one that passes on."""
        self._waiting.clear()
        if self._failure is None:
            self._failure = error
