"""One schedule: chaos, then rest, then two nights, then everything must be right."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from batch_job.errors import BackfillError, TransientError
from batch_job.ledger.looking import images_about
from batch_job.ledger.nightly import Area, Unfinished, Unforgotten, and_unlisted, forget_dead_labels, nightly
from batch_job.ledger.reconcile import Reconciler
from batch_job.values.image import ImageRef, is_image_key
from batch_job.values.work import Outcome, Redo, Skipped
from tests.schedule.doors import StepArchive, StepLabels, StepLedger, StepStore
from tests.schedule.oracle import Oracle
from tests.schedule.scene import ScheduleProcessing
from tests.schedule.world import BUCKET, HOUR_MS, MINUTE_MS, Task, World

SIDES = ("o/a.tfw", "o/a.tif.ovr", "o/b.json", "o/b.tfw")
KINDS = ("good", "good", "good", "good", "bad", "refused")
NIGHT_MS = HOUR_MS + 11 * MINUTE_MS
"""More than a pass waits before it forgets."""
MOST_STEPS = 20_000
"""A schedule that has not ended by then never will."""


@dataclass(frozen=True)
class Settings:
    """As ``PipelineSettings``, without its cost."""

    detection_fingerprint: str
    index_fingerprint: str
    settings_revision: int
    lease_s: int


class Watched(Reconciler):
    """The real reconciler, with somebody who listens to what it tells."""

    def reconcile(self, image: ImageRef) -> Outcome:
        ledger = self.ledger
        assert isinstance(ledger, StepLedger)
        since = ledger.oracle.visit_begins(by=self.owner, redo=self.redo)
        try:
            outcome = Reconciler.reconcile(self, image)
        except BackfillError as error:
            ledger.oracle.visit_failed(image, error, by=self.owner)
            raise
        ledger.oracle.told(outcome, by=self.owner, since=since)
        return outcome


Tokens = Callable[[str], Callable[[], str]]
"""Makes, for a worker, what makes its tokens."""


def token_per_write(owner: str) -> Callable[[], str]:
    numbers = count()
    return lambda: f"{owner}#{next(numbers)}"


WHOLE = Area(BUCKET)


def _no_time(seconds: float) -> None:
    """Wait for nothing: the world passes time by itself."""


def _raise_defects(end: Outcome | Unfinished | Unforgotten) -> None:
    """Let a violation end the schedule, not just the visit."""
    if isinstance(end, (Unfinished, Unforgotten)) and not isinstance(end.error, TransientError):
        raise end.error


class Schedule:
    """Everything that happens in one seed."""

    def __init__(self, seed: int, tokens: Tokens = token_per_write, story: list[str] | None = None) -> None:
        self.world = World(seed, story=story)
        self.oracle = Oracle(self.world)
        self.tokens = tokens
        self.settings = [Settings("d0", "i0", 0, self.world.traits.lease_s)]
        self.events: list[str] = []
        self.actions_left = self.world.traits.actions
        self.owners = count()

    def run(self) -> Counter[str]:
        self._chaos()
        self._rest()
        self.world.advance(HOUR_MS)
        self._night()
        self.world.advance(NIGHT_MS)
        self._night()
        self.oracle.check_at_rest(self.settings[-1].index_fingerprint)
        return self.world.seen

    # -- the phases

    def _chaos(self) -> None:
        world = self.world
        self._put(world.rng.choice(world.traits.keys))
        for _ in range(world.traits.steps):
            self._maybe_act()
            self._maybe_start()
            world.run_one()
            if not (self.actions_left or self.events or world.tasks):
                return

    def _maybe_act(self) -> None:
        idle = not (self.events or self.world.tasks)
        if self.actions_left and (idle or self.world.rng.random() < self.world.traits.bustle):
            self.actions_left -= 1
            self._act()

    def _maybe_start(self) -> None:
        world = self.world
        if self.events and len(world.tasks) < world.traits.workers and world.rng.random() < 0.5:
            event = self.events.pop(world.rng.randrange(len(self.events)))
            self._start(lambda by: self._handle(by, event))

    def _rest(self) -> None:
        """No more faults; whoever still works comes to an end, and events come or are lost."""
        world = self.world
        world.faults_on = False
        if world.rng.random() < 0.5:
            self.events.clear()
        self._drain()
        while self.events:
            self._maybe_start()
            self._drain()

    def _drain(self) -> None:
        for _ in range(MOST_STEPS):
            if not self.world.run_one():
                return
        raise AssertionError("it never ends")

    def _night(self) -> None:
        """A nightly run by a worker of the newest settings, with nobody else about."""
        self._start(self._do_night, settings=self.settings[-1])
        self._drain()

    # -- workers

    def _start(self, work: Callable[[Watched], None], *, settings: Settings | None = None) -> None:
        world = self.world
        task = Task(owner=f"w{next(self.owners)}", boot_drift=world.traits.drift * world.rng.choice((0, 1)))
        newest = world.rng.random() < 0.8
        chosen = settings or (self.settings[-1] if newest else world.rng.choice(self.settings))
        redo = Redo.NOTHING if settings is not None else self._asked_again(world.rng.random())
        by = self._reconciler(task, chosen, redo)
        world.start(task, lambda: work(by))

    @staticmethod
    def _asked_again(draw: float) -> Redo:
        """Choose whether a worker was started by somebody who asked for what is settled."""
        if draw < 0.05:
            return Redo.DETECTION
        return Redo.FAILED if draw < 0.15 else Redo.NOTHING

    def _reconciler(self, task: Task, settings: Settings, redo: Redo) -> Watched:
        store = StepStore(self.world, task, self.oracle)
        archive = StepArchive(self.world, task, self.oracle)
        archive.clock = store.clock
        return Watched(
            store=store,
            ledger=StepLedger(self.world, task, self.oracle),
            labels=StepLabels(self.world, task, self.oracle, store.clock),
            processing=ScheduleProcessing(self.world, store, archive, self.oracle),
            clock=store.clock,
            settings=settings,
            owner=task.owner,
            redo=redo,
            new_token=self.tokens(task.owner),
            sleep=_no_time,
        )

    def _handle(self, by: Watched, key: str) -> None:
        """Do as the live door does: what may succeed later goes back to the queue, mostly."""
        try:
            outcomes = [by.reconcile(image) for image in images_about(by.store, bucket=BUCKET, key=key)]
            again = any(isinstance(outcome, Skipped) and outcome.worth_retrying for outcome in outcomes)
        except TransientError as error:
            self.world.seen[f"error.{type(error).__name__}"] += 1
            again = True
        if again and self.world.faults_on and self.world.rng.random() < 0.8:
            self.events.append(key)

    def _do_night(self, by: Watched) -> None:
        listed = (ImageRef(BUCKET, one.key) for one in by.store.list(BUCKET, "") if is_image_key(one.key))
        try:
            for end in nightly(by, and_unlisted(by.ledger, listed, WHOLE), areas=[WHOLE]):
                _raise_defects(end)
        except TransientError:
            self.world.seen["night.broken"] += 1

    def _do_pass(self, by: Watched) -> None:
        try:
            for end in forget_dead_labels(by, WHOLE):
                _raise_defects(end)
        except TransientError:
            self.world.seen["night.broken"] += 1

    # -- what people do to the bucket

    def _act(self) -> None:
        actions = (
            *(self._overwrite,) * 4,
            self._same_bytes,
            self._delete,
            self._delete,
            self._side,
            self._side,
            *(self._freeze_or_restore, self._change_settings) * 2,
            self._visit,
            self._visit,
            *(self._start_night, self._start_pass) * 2,
            self._long_wait,
            self._long_wait,
        )
        action = self.world.rng.choice(actions)
        self.world.seen[f"action.{action.__name__.strip('_')}"] += 1
        action()

    def _key(self) -> str:
        return self.world.rng.choice(self.world.traits.keys)

    def _tell(self, key: str) -> None:
        """Send an event: once, twice, or never; in which order they come is drawn when they are taken."""
        if self.world.rng.random() < self.world.traits.loss:
            self.world.seen["event.lost"] += 1
            return
        self.events.append(key)
        if self.world.rng.random() < 0.2:
            self.world.seen["event.twice"] += 1
            self.events.append(key)

    def _put(self, key: str) -> None:
        self.world.put(key, f"{self.world.rng.choice(KINDS)}-{self.world.rng.randint(0, 19)}")
        self._tell(key)

    def _overwrite(self) -> None:
        """Write new bytes, or at times those of long ago."""
        old = [body for body in self.world.bodies.values() if not body.startswith("side")]
        if self.world.rng.random() < 0.3 and old:
            key = self._key()
            self.world.put(key, self.world.rng.choice(old))
            self._tell(key)
        else:
            self._put(self._key())

    def _same_bytes(self) -> None:
        key = self._key()
        etag = self.world.current(key)
        if etag is not None:
            self.world.put(key, self.world.bodies[etag])
            self._tell(key)

    def _delete(self) -> None:
        key = self._key()
        self.world.delete(key)
        self._tell(key)

    def _side(self) -> None:
        key = self.world.rng.choice(SIDES)
        if self.world.current(key) is None or self.world.rng.random() < 0.5:
            self.world.put(key, f"side-{self.world.rng.randint(0, 3)}")
        else:
            self.world.delete(key)
        self._tell(key)

    def _freeze_or_restore(self) -> None:
        image = ImageRef(BUCKET, self._key())
        facts = self.world.store.head(image)
        if facts is None:
            return
        self.world.ops += 1
        if facts.readable:
            self.world.store.freeze(image)
        else:
            self.world.store.restore(image)
        self._tell(image.key)

    def _change_settings(self) -> None:
        last, draw = self.settings[-1], self.world.rng.random()
        revision = last.settings_revision + 1
        detection = f"d{revision}" if draw < 0.5 else last.detection_fingerprint
        index = f"i{revision}" if draw > 0.3 else last.index_fingerprint
        self.settings.append(Settings(detection, index, revision, last.lease_s))

    def _start_night(self) -> None:
        self._start(self._do_night)

    def _start_pass(self) -> None:
        self._start(self._do_pass)

    def _visit(self) -> None:
        self.events.append(self._key())

    def _long_wait(self) -> None:
        self.world.advance(self.world.rng.choice((10 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS)))


def run(seed: int, tokens: Tokens = token_per_write) -> Counter[str]:
    """Run a seed; gives what it covered.

    Raises:
        Violation: a promise was broken.
    """
    return Schedule(seed, tokens).run()
