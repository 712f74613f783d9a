"""The real ledger code under a seeded virtual scheduler in which every outside operation is a step.

Here: true time, the bucket and its history, what the servers hold, and who runs next. Everything follows from one seed.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, auto

from greenlet import GreenletExit, greenlet

from batch_job.adapters.memory import ManualClock, MemoryArchiveStore, MemoryLabelIndex, MemoryLedger, MemoryObjectStore
from batch_job.errors import BackfillError
from batch_job.values.image import ImageRef, side_keys
from batch_job.values.ledger import StoredEntry

BUCKET = "imagery"
SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS

IN_FLIGHT_MS = 5 * MINUTE_MS
"""A signed request is refused when it arrives later than this."""


class Fault(StrEnum):
    """What may go wrong with a step."""

    KILL_BEFORE = auto()
    KILL_AFTER = auto()
    """Between a write and its answer."""
    STALL_BEFORE = auto()
    STALL_AFTER = auto()
    ERROR_BEFORE = auto()
    ERROR_AFTER = auto()
    """Applied, but the answer is lost."""
    TWICE = auto()
    """A layer below retried what had succeeded."""
    LATE = auto()
    """The answer is an error; the request arrives later."""
    PARTLY = auto()
    """Some documents of a bulk request are written, then the answer is an error."""


@dataclass
class Traits:
    """What sort of schedule a seed gives."""

    read_faults: float
    write_faults: float
    """Of all that change something: writes and paid calls."""
    stickiness: float
    """How often a worker does several steps in a row."""
    pace: int
    """How much faster time passes than a worker would expect."""
    skew_ms: int
    drift: float
    lease_s: int
    workers: int
    keys: tuple[str, ...]
    actions: int
    bustle: float
    """How often somebody does something to the bucket, per step."""
    steps: int
    loss: float
    kills: int

    @classmethod
    def draw(cls, rng: random.Random) -> "Traits":
        return cls(
            read_faults=rng.choice((0.0, 0.01, 0.03)),
            write_faults=rng.choice((0.0, 0.03, 0.1, 0.2)),
            stickiness=rng.choice((0.0, 0.5, 0.9)),
            pace=rng.choice((1, 1, 10, 60)),
            skew_ms=rng.choice((0, 1000, 3000)),
            drift=rng.choice((0.0, 0.0002, -0.0002, 0.005, -0.005)),
            lease_s=rng.choice((30, 60, 300)),
            workers=rng.randint(2, 4),
            keys=("o/a.tif",) if rng.random() < 0.7 else ("o/a.tif", "o/b.png"),
            actions=rng.randint(4, 40),
            bustle=rng.choice((0.02, 0.04, 0.08)),
            steps=rng.choice((200, 500, 1000)),
            loss=rng.choice((0.0, 0.1, 0.5)),
            kills=rng.choice((1, 3, 8)),
        )


@dataclass
class Task:
    """A worker at one piece of work."""

    owner: str
    boot_drift: float
    thread: greenlet | None = None
    wake_ms: int = 0
    dead: bool = False


@dataclass
class World:
    """See the module."""

    seed: int
    rng: random.Random = field(init=False)
    traits: Traits = field(init=False)
    ops: int = 0
    """Counts everything that happens, in order."""
    faults_on: bool = True
    tasks: list[Task] = field(default_factory=list)
    pending: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    """Requests under way, with the time of their arrival."""
    bodies: dict[str, str] = field(default_factory=dict)
    """By ETag."""
    history: dict[str, list[tuple[int, str | None]]] = field(default_factory=lambda: defaultdict(list))
    """Of each key: since which op it has had which ETag."""
    ledger_log: dict[ImageRef, list[tuple[int, StoredEntry | None]]] = field(default_factory=lambda: defaultdict(list))
    seen: Counter[str] = field(default_factory=Counter)
    kills_left: int = 0
    last: Task | None = None
    story: list[str] | None = None
    """What happened, for people, when asked for."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.traits = Traits.draw(self.rng)
        self.kills_left = self.traits.kills
        self.clock = ManualClock()
        self.born_ms = self.clock.now_ms()
        self.store = MemoryObjectStore()
        self.ledger = MemoryLedger()
        self.labels = MemoryLabelIndex(self.clock)
        self.archive = MemoryArchiveStore()
        self.main = greenlet.getcurrent()

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def tell(self, *what: object) -> None:
        """Note what happens."""
        if self.story is not None:
            at_s = (self.now_ms - self.born_ms) / SECOND_MS
            self.story.append(f"{self.ops:5} {at_s:9.1f} s  " + " ".join(map(str, what)))

    # -- the bucket

    def put(self, key: str, body: str) -> None:
        facts = self.store.put(ImageRef(BUCKET, key), body.encode())
        self.bodies[facts.etag] = body
        self._note(key, facts.etag)

    def delete(self, key: str) -> None:
        self.store.delete(ImageRef(BUCKET, key))
        self._note(key, None)

    def _note(self, key: str, etag: str | None) -> None:
        self.ops += 1
        self.history[key].append((self.ops, etag))
        self.tell("bucket:", key, "is gone" if etag is None else f"= {self.bodies[etag]} {etag[:6]}")

    def current(self, key: str) -> str | None:
        """The ETag now."""
        log = self.history[key]
        return log[-1][1] if log else None

    def stood(self, key: str, etag: str | None, *, since: int) -> bool:
        """Tell whether a key had this ETag (None: was absent) at some moment after an op."""
        until = None
        for start, value in reversed(self.history[key]):
            if until is not None and until <= since:
                return False
            if value == etag:
                return True
            until = start
        return etag is None and (until is None or until > since)

    def unchanged(self, key: str, *, since: int) -> bool:
        """Tell whether an image and its side files are what they were at an op."""
        logs = (self.history[name] for name in (key, *side_keys(key)) if name in self.history)
        return all(log[-1][0] <= since for log in logs if log)

    def sides(self, key: str) -> tuple[tuple[str, str], ...]:
        """The side files that stand in the bucket now."""
        return tuple((side, etag) for side in sorted(side_keys(key)) if (etag := self.current(side)) is not None)

    # -- steps

    def start(self, task: Task, work: Callable[[], None]) -> None:
        """Add a worker, which runs when it is chosen."""

        def run() -> None:
            try:
                work()
            except GreenletExit:
                pass
            finally:
                self.tasks.remove(task)

        task.thread = greenlet(run, parent=self.main)
        self.tasks.append(task)

    def step(self, task: Task, *possible: Fault) -> Fault | None:
        """Let others go first; then say what goes wrong with this operation."""
        if task.dead:
            raise GreenletExit
        self.main.switch()
        self.ops += 1
        rate = self.traits.write_faults if Fault.KILL_AFTER in possible else self.traits.read_faults
        if not self.faults_on or self.rng.random() >= rate:
            return None
        fault = self.rng.choice(possible)
        if fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            if not self.kills_left:
                return None
            self.kills_left -= 1
        self.seen[f"fault.{fault}"] += 1
        self.tell(task.owner, "fault:", fault)
        return fault

    def kill(self, task: Task) -> None:
        """End a worker without a word."""
        task.dead = True
        raise GreenletExit

    def stall(self, task: Task, *, most_ms: int = 3 * HOUR_MS) -> None:
        """Stop a worker for a while; suspended machines stop so too."""
        longest = self.rng.choice((MINUTE_MS, 10 * MINUTE_MS, most_ms))
        task.wake_ms = self.now_ms + self.rng.randint(1, min(longest, most_ms))
        self.main.switch()

    def arrive_later(self, effect: Callable[[], None]) -> None:
        """Let a request arrive when nobody waits for it any more."""
        self.pending.append((self.now_ms + self.rng.randint(1, IN_FLIGHT_MS), effect))

    def run_one(self) -> bool:
        """Let one worker do one step; False when there is none."""
        self.pass_time()
        if not self.tasks:
            return False
        ready = [task for task in self.tasks if task.wake_ms <= self.now_ms]
        while not ready:
            self.advance(min(task.wake_ms for task in self.tasks) - self.now_ms)
            ready = [task for task in self.tasks if task.wake_ms <= self.now_ms]
        if self.last not in ready or self.rng.random() >= self.traits.stickiness:
            self.last = self.rng.choice(ready)
        assert self.last is not None
        assert self.last.thread is not None
        self.last.thread.switch()
        return True

    def pass_time(self) -> None:
        """Mostly milliseconds, at times minutes."""
        draw, pace = self.rng.random(), self.traits.pace
        if draw < 0.9:
            self.advance(self.rng.randint(1, 300 * pace))
        elif draw < 0.985:
            self.advance(self.rng.randint(1, 20 * SECOND_MS))
        else:
            self.advance(self.rng.randint(1, 6 * MINUTE_MS))

    def advance(self, ms: int) -> None:
        """Let true time pass, and requests under way arrive."""
        end = self.now_ms + max(ms, 0)
        while self.pending:
            at, effect = min(self.pending, key=lambda one: one[0])
            if at > end:
                break
            self.pending.remove((at, effect))
            self.clock.advance(ms=max(at - self.now_ms, 0))
            self.ops += 1
            try:
                effect()
            except BackfillError:
                self.seen["late.refused"] += 1
        self.clock.advance(ms=end - self.now_ms)
