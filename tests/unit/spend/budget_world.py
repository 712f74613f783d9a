"""Many workers, one budget, a network between them: the real ``Meter`` in virtual time, from a seed."""

import heapq
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from greenlet import greenlet

from batch_job.adapters.dynamodb import MemoryBudget
from batch_job.errors import UnavailableError
from batch_job.spend.budget import SECOND_US, STALE_US, Block, Rate
from batch_job.spend.metered import Meter, Watch
from batch_job.spend.service_time import ServiceTime
from batch_job.values.budget import Draw, Drawn, Granted, Lane

MS = 1000
BEGAN_US = 1_800_000_000 * SECOND_US


Answered = TypeVar("Answered")


class KilledError(BaseException):
    """As SIGKILL: nothing of ours runs after it."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What goes wrong, as shares of all requests."""

    latency_ms: tuple[int, int] = (4, 40)
    """Of a request there and back."""
    stall_before: float = 0.0
    """The request arrives up to 20 s late, and is applied."""
    stall_after: float = 0.0
    lost: float = 0.0
    """Applied, but the answer is lost."""
    error: float = 0.0
    killed: float = 0.0
    """Applied, and the worker dies; another takes its place."""


CALM = Weather()
STORMY = Weather(latency_ms=(4, 90), stall_before=0.02, stall_after=0.02, lost=0.03, error=0.03, killed=0.02)


@dataclass(frozen=True, slots=True)
class Party:
    """Workers of one lane."""

    lane: Lane
    rate: Rate
    workers: int
    calls_in_flight: int = 8
    call_ms: tuple[int, int] = (150, 600)
    from_s: float = 0.0
    idle: float = 0.0
    """How often a worker has nothing to do for up to 5 s after a call."""


@dataclass
class World:
    """True time, the item, and what happened."""

    seed: int
    weather: Weather = CALM
    for_s: float = 65.0
    handed_out: dict[Lane, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """When the service granted how many calls that then were in somebody's hands, by lane; µs."""
    made: dict[Lane, list[int]] = field(default_factory=lambda: defaultdict(list))
    """When calls were made, µs."""
    requests: int = 0
    stale: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.now_us = BEGAN_US + self.dice.randrange(SECOND_US)
        self.end_us = self.now_us + int(self.for_s * SECOND_US)
        self.item = MemoryBudget(self._server_s)
        self._agenda: list[tuple[int, int, greenlet]] = []
        self._ordinals = itertools.count()

    def _server_s(self) -> float:
        return (self.now_us + self.dice.randint(-10 * MS, 10 * MS)) / SECOND_US

    def run(self, *parties: Party) -> "World":
        """Let everybody work until the end."""
        for party in parties:
            for _ in range(party.workers):
                life = greenlet(Worker(self, party).live)
                at_us = self.now_us + int(party.from_s * SECOND_US) + self.dice.randrange(SECOND_US)
                heapq.heappush(self._agenda, (at_us, next(self._ordinals), life))
        while self._agenda:
            at_us, _, life = heapq.heappop(self._agenda)
            if at_us > self.end_us:
                continue
            self.now_us = max(self.now_us, at_us)
            life.switch()
        return self

    def sleep_us(self, us: float) -> None:
        """Let others go on for that long."""
        life = greenlet.getcurrent()
        heapq.heappush(self._agenda, (self.now_us + max(0, int(us)), next(self._ordinals), life))
        assert life.parent is not None
        life.parent.switch()

    def chance(self, share: float) -> bool:
        return self.dice.random() < share


class Worker:
    """One process after another: makes as many calls as it may."""

    def __init__(self, world: World, party: Party) -> None:
        self.world, self.party = world, party

    def live(self) -> None:
        while True:
            try:
                self._work()
            except KilledError:
                self.world.sleep_us(self.world.dice.uniform(0, 3) * SECOND_US)

    def _work(self) -> None:
        world, party, meter = self.world, self.party, self._meter()
        under_way: list[int] = []
        while True:
            while under_way and under_way[0] <= world.now_us:
                heapq.heappop(under_way)
            if len(under_way) >= party.calls_in_flight:
                world.sleep_us(under_way[0] - world.now_us)
                continue
            try:
                meter.take(lambda: None)
            except UnavailableError:
                world.sleep_us(SECOND_US)
                continue
            world.made[party.lane].append(world.now_us)
            heapq.heappush(under_way, world.now_us + world.dice.randint(*party.call_ms) * MS)
            if world.chance(party.idle):
                world.sleep_us(world.dice.uniform(0, 5) * SECOND_US)

    def _meter(self) -> Meter:
        world, party = self.world, self.party
        link = Link(world)
        offset_us, drift = world.dice.randrange(10**15), world.dice.uniform(-300e-6, 300e-6)

        def boot_us() -> int:
            return offset_us + int((world.now_us - BEGAN_US) * (1 + drift))

        def sleep(s: float) -> None:
            world.sleep_us(s * SECOND_US / (1 + drift) + world.dice.randint(0, 4 * MS))

        watch = Watch(boot_us=boot_us, sleep=sleep, chance=world.dice.random)
        return LoggedMeter(link, party, watch)


class Link:
    """A worker's way to the item; fits ``ports.BudgetStore``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.granted: tuple[int, int] = (0, 0)

    def time_s(self) -> int:
        return self._send(self.world.item.time_s)

    def draw(self, draw: Draw) -> Drawn:
        return self._send(lambda: self._apply(draw))

    def _apply(self, draw: Draw) -> Drawn:
        drawn = self.world.item.draw(draw)
        if isinstance(drawn, Granted):
            self.granted = (self.world.now_us, draw.calls)
            if self.world.chance(self.world.weather.killed):
                if self.world.now_us - draw.now_us <= STALE_US:
                    self.world.handed_out[draw.lane].append(self.granted)
                raise KilledError
        return drawn

    def _send(self, request: Callable[[], Answered]) -> Answered:
        world, weather = self.world, self.world.weather
        world.requests += 1
        there_us, back_us = (world.dice.randint(*weather.latency_ms) * MS // 2 for _ in range(2))
        world.sleep_us(there_us + self._stall_us(weather.stall_before))
        if world.chance(weather.error):
            raise UnavailableError("refused")
        answer = request()
        if world.chance(weather.lost):
            world.sleep_us(2 * SECOND_US)
            raise UnavailableError("no answer")
        world.sleep_us(back_us + self._stall_us(weather.stall_after))
        return answer

    def _stall_us(self, share: float) -> float:
        return self.world.dice.uniform(0.05, 20) * SECOND_US if self.world.chance(share) else 0.0


class LoggedMeter(Meter):
    """Tells the world what it takes into its hands."""

    def __init__(self, link: Link, party: Party, watch: Watch) -> None:
        super().__init__(link, lane=party.lane, rate=party.rate, wanted=party.calls_in_flight, watch=watch)
        self._link, self._party = link, party

    def _learn(self, date_s: int, *, sent_us: int) -> ServiceTime:
        known = super()._learn(date_s, sent_us=sent_us)
        assert known.low_us <= self._link.world.now_us <= known.high_us
        return known

    def _receive(self, block: Block, *, is_stale: bool) -> None:
        if is_stale:
            self._link.world.stale += 1
        else:
            self._link.world.handed_out[self._party.lane].append(self._link.granted)
        super()._receive(block, is_stale=is_stale)


def most_over(handed_out: Iterable[tuple[int, int]], rate: Rate) -> float:
    """Give the most calls that any window of time held beyond the rate's share of that window."""
    total, lowest, most = 0, math.inf, 0.0
    for at_us, calls in sorted(handed_out):
        share = rate.calls_per_s * (at_us - BEGAN_US) / SECOND_US
        lowest = min(lowest, total - share)
        total += calls
        most = max(most, total - share - lowest)
    return most
