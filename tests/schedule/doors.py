"""The ports as a worker sees them: every operation is a step, and may go wrong in every way that the real one can."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from batch_job.adapters.store_time import NEVER_MS, DatedAnswer, StoreTime
from batch_job.errors import GeometryError, LateError, UnavailableError
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, LedgerEntry, Seen, StoredEntry
from batch_job.values.objects import ListedObject, ObjectFacts
from tests.schedule.oracle import Oracle
from tests.schedule.world import IN_FLIGHT_MS, SECOND_MS, Fault, Task, World

T = TypeVar("T")
BULK = 2
"""Labels in one request."""
REFRESH_MS = 30 * SECOND_MS
"""How old a search of the ledger may be."""

READING = (
    Fault.KILL_BEFORE,
    Fault.STALL_BEFORE,
    Fault.STALL_AFTER,
    Fault.ERROR_BEFORE,
)
WRITING = (*READING, Fault.KILL_AFTER, Fault.ERROR_AFTER, Fault.TWICE, Fault.LATE)
PAYING = (*READING, Fault.KILL_AFTER, Fault.ERROR_AFTER)


class WorkerClock:
    """The dates of the store's answers and this machine's time since, by the rules of ``S3Clock``."""

    def __init__(self, world: World, task: Task) -> None:
        self._world = world
        self._task = task
        self._time: StoreTime | None = None

    def boot_ms(self) -> int:
        return int(self._world.now_ms * (1 + self._task.boot_drift))

    def date_ms(self) -> int:
        """The ``Date`` that a server puts on its answer now: whole seconds, which differ from server to server."""
        skew_ms = self._world.traits.skew_ms
        shown = self._world.now_ms + (self._world.rng.randint(-skew_ms, skew_ms) if skew_ms else 0)
        return shown - shown % SECOND_MS

    def heard(self, *, date_ms: int, sent_ms: int) -> None:
        """Read an answer, perhaps long after it came."""
        answer = DatedAnswer(date_ms=date_ms, sent_ms=sent_ms, read_ms=self.boot_ms())
        self._time = StoreTime.first(answer) if self._time is None else self._time.after(answer)

    def now_ms(self) -> int:
        if self._time is None:
            raise UnavailableError("the store has not answered yet")
        return self._time.at(self.boot_ms())

    def reading_age_ms(self) -> int:
        return NEVER_MS if self._time is None else self._time.age_ms(self.boot_ms())


class Steps:
    """One worker's connection to the world."""

    def __init__(self, world: World, task: Task, oracle: Oracle) -> None:
        self.world = world
        self.task = task
        self.oracle = oracle
        self.clock = WorkerClock(world, task)
        self._sent_ms = 0

    def ask(self, effect: Callable[[], T], faults: tuple[Fault, ...]) -> T:
        """Do an operation whose answer is dated: when it takes effect, not when it is heard."""
        dates: list[int] = []

        def dated() -> T:
            result = effect()
            dates.append(self.clock.date_ms())
            return result

        result = self.do(dated, faults)
        self.clock.heard(date_ms=dates[-1], sent_ms=self._sent_ms)
        return result

    def do(self, effect: Callable[[], T], faults: tuple[Fault, ...]) -> T:
        """Do an operation; ``faults`` are the ways in which it may go wrong."""
        world, task = self.world, self.task
        fault = world.step(task, *faults)
        self._sent_ms = self.clock.boot_ms()
        if fault is None:
            return effect()
        self._before(fault, effect)
        result = effect()
        if fault is Fault.TWICE:
            result = effect()
        elif fault is Fault.KILL_AFTER:
            world.kill(task)
        elif fault is Fault.STALL_AFTER:
            world.stall(task)
        elif fault is Fault.ERROR_AFTER:
            raise UnavailableError("the answer was lost")
        return result

    def _before(self, fault: Fault, effect: Callable[[], object]) -> None:
        if fault is Fault.KILL_BEFORE:
            self.world.kill(self.task)
        elif fault is Fault.STALL_BEFORE:
            self.world.stall(self.task)
        elif fault is Fault.ERROR_BEFORE:
            raise UnavailableError("not reached")
        elif fault is Fault.LATE:
            self.oracle.late.add(self.task.owner)
            self.world.arrive_later(effect)
            raise UnavailableError("no answer in time")


class StepStore(Steps):
    """The imagery bucket."""

    def head(self, image: ImageRef) -> ObjectFacts | None:
        return self.ask(lambda: self.world.store.head(image), READING)

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        yield from self.ask(lambda: list(self.world.store.list(bucket, prefix)), READING)


class StepArchive(Steps):
    """The archive bucket."""

    def get(self, key: str) -> bytes | None:
        return self.ask(lambda: self.world.archive.get(key), READING)

    def put(self, key: str, body: bytes) -> None:
        self.ask(lambda: self._put(key, body), WRITING)

    def _put(self, key: str, body: bytes) -> None:
        self.world.archive.put(key, body)
        self.oracle.archived(key)

    def keys(self, prefix: str) -> list[str]:
        return self.ask(lambda: list(self.world.archive.keys(prefix)), READING)


class StepLedger(Steps):
    """The images index."""

    def __init__(self, world: World, task: Task, oracle: Oracle) -> None:
        super().__init__(world, task, oracle)
        self._tried = ""

    def get(self, image: ImageRef) -> StoredEntry | None:
        stored = self.do(lambda: self.world.ledger.get(image), READING)
        if stored is not None and stored.entry.token == self._tried:
            self.world.seen["write.recognised"] += 1
        return stored

    def put(self, entry: LedgerEntry, *, over: Seen | None) -> Seen:
        if entry.token == self._tried:
            self.world.seen["write.repeated"] += 1
        self._tried = entry.token
        seen = self.do(lambda: self._put(entry, over), WRITING)
        self._tried = ""
        return seen

    def _put(self, entry: LedgerEntry, over: Seen | None) -> Seen:
        before = self.world.ledger.get(entry.image)
        seen = self.world.ledger.put(entry, over=over)
        self._log(entry.image)
        self.oracle.ledger_written(None if before is None else before.entry, entry, by=self.task.owner)
        return seen

    def delete(self, image: ImageRef, *, over: Seen) -> None:
        self.do(lambda: self._delete(image, over), WRITING)

    def _delete(self, image: ImageRef, over: Seen) -> None:
        self.world.ledger.delete(image, over=over)
        self._log(image)
        self.oracle.ledger_deleted(image)

    def _log(self, image: ImageRef) -> None:
        self.world.ledger_log[image].append((self.world.now_ms, self.world.ledger.get(image)))

    def entries(self, *, bucket: str, prefix: str = "") -> Iterator[StoredEntry]:
        """Yield what a search sees: a point in time some seconds ago, read on for as long as it takes."""
        for stored in self.do(self._search, READING):
            if self.world.step(self.task, Fault.KILL_BEFORE) is Fault.KILL_BEFORE:
                self.world.kill(self.task)
            yield stored

    def _search(self) -> list[StoredEntry]:
        as_of = self.world.now_ms - self.world.rng.randint(0, REFRESH_MS)
        logs = self.world.ledger_log.values()
        last = [next((stored for at, stored in reversed(log) if at <= as_of), None) for log in logs]
        return [stored for stored in last if stored is not None]


class StepLabels(Steps):
    """The labels index."""

    def __init__(self, world: World, task: Task, oracle: Oracle, clock: WorkerClock) -> None:
        super().__init__(world, task, oracle)
        self.clock = clock

    def write(self, labels: Iterable[LabelDocument], *, until_ms: int) -> None:
        iterator = iter(labels)
        while batch := list(islice(iterator, BULK)):
            self._bulk(batch, until_ms)

    def _bulk(self, batch: list[LabelDocument], until_ms: int) -> None:
        world = self.world
        fault = world.step(self.task, *WRITING, Fault.PARTLY)
        if fault is Fault.STALL_BEFORE:
            world.stall(self.task)
        if self.clock.now_ms() > until_ms:
            world.seen["labels.late"] += 1
            raise LateError("too late")
        signed_ms = world.now_ms
        self.oracle.labels_signed(batch)

        def arrive() -> None:
            if world.now_ms > signed_ms + IN_FLIGHT_MS:
                raise UnavailableError("signature expired")
            self._apply(batch)

        if fault is Fault.PARTLY:
            self._apply([label for label in batch if world.rng.random() < 0.5])
            raise UnavailableError("some were refused")
        if fault is not None and fault is not Fault.STALL_BEFORE:
            self._before(fault, arrive)
        arrive()
        self._after(fault)

    def _after(self, fault: Fault | None) -> None:
        if fault is Fault.KILL_AFTER:
            self.world.kill(self.task)
        elif fault is Fault.STALL_AFTER:
            self.world.stall(self.task)
        elif fault is Fault.ERROR_AFTER:
            raise UnavailableError("the answer was lost")

    def _apply(self, batch: list[LabelDocument]) -> None:
        if any(label.label.startswith("refused") for label in batch):
            raise GeometryError("refused for good")
        for label in batch:
            self.world.labels.documents[label.id] = label
        self.oracle.labels_written(batch)

    def delete(self, image: ImageRef, labels: LabelSet) -> None:
        self.do(lambda: self._delete(image, labels), WRITING)

    def _delete(self, image: ImageRef, labels: LabelSet) -> None:
        self.world.labels.delete(image, labels)
        self.oracle.labels_deleted(image, labels)
