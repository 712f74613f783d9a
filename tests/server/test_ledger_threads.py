"""The ledger's promises over the real OpenSearch, in small: threads, lost answers, deaths, and two nights."""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from opensearchpy import OpenSearch

from batch_job.adapters.memory import MemoryObjectStore
from batch_job.adapters.opensearch import refresh
from batch_job.adapters.opensearch_labels import OpenSearchLabelIndex
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.errors import ChangedError, TransientError, UnavailableError, UnreadableImageError
from batch_job.ledger.generations import FORGET_AFTER_MS
from batch_job.ledger.nightly import Area, Unfinished, Unforgotten, and_unlisted, forget_dead_labels, nightly
from batch_job.ledger.reconcile import Reconciler
from batch_job.ports import Keeper
from batch_job.search.mappings import IndexNames
from batch_job.values.documents import label_id
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import State
from batch_job.values.work import Indexed, Processed, Skipped, SkipReason, Work
from tests.search_examples import described, label
from tests.unit.ledger.entries import Settings

pytestmark = pytest.mark.server

BUCKET = "imagery"
WHOLE = Area(BUCKET)
IMAGES = tuple(ImageRef(BUCKET, f"o/{name}.tif") for name in "abc")
WORKERS = 4
ROUNDS = 4
"""Of trouble, then rest."""
VISITS = 6
"""Of each worker in a round."""
FAULTS = 0.05
DEATHS = 0.01
LEASE_S = 3


class Killed(BaseException):
    """The worker is dead; nothing that it does reaches anybody."""


@dataclass
class JumpingClock:
    """This machine's time, which jumps when told to."""

    ahead_ms: int = 0

    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.ahead_ms

    def reading_age_ms(self) -> int:
        return 0


@dataclass
class Connection:
    """One worker's way to its ports: answers get lost, and workers die."""

    rng: random.Random
    is_dead: bool = False

    def call(self, method: Any, *args: Any, **facts: Any) -> Any:
        self._maybe_die()
        draw = self.rng.random()
        if draw < FAULTS:
            raise UnavailableError("not reached")
        answer = method(*args, **facts)
        if draw > 1 - FAULTS:
            raise UnavailableError("the answer was lost")
        self._maybe_die()
        return answer

    def _maybe_die(self) -> None:
        self.is_dead = self.is_dead or self.rng.random() < DEATHS
        if self.is_dead:
            raise Killed


@dataclass
class Faulty:
    """A port behind a connection."""

    port: Any
    connection: Connection

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)
        return lambda *args, **facts: self.connection.call(method, *args, **facts)


def expected(body: bytes) -> list[str] | None:
    """f(bucket): the labels of an object, or None of one that cannot be read."""
    number = int(body)
    return None if number % 7 == 0 else [f"label-{number}-{i}" for i in range(number % 4)]


@dataclass
class Stages:
    """Reads the object under ``If-Match``, and finds what ``expected`` says."""

    store: MemoryObjectStore

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        return True

    def process(self, work: Work, keeper: Keeper) -> Processed:
        facts, body = self.store.head(work.image), self.store.read(work.image)
        if facts is None or body is None or facts.etag != work.version.etag:
            raise ChangedError("412")
        keeper.keep()
        names = expected(body)
        if names is None:
            raise UnreadableImageError("a multiple of seven")
        labels = [label(image=work.image, epoch=work.epoch, ordinal=i, label=name) for i, name in enumerate(names)]
        return Processed(described(work.image, labels=tuple(names)), labels)


@dataclass
class World:
    client: OpenSearch
    names: IndexNames
    clock: JumpingClock = field(default_factory=JumpingClock)
    store: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    errors: list[BaseException] = field(default_factory=list)

    def reconciler(self, owner: str, connection: Connection | None = None) -> Reconciler:
        ports: dict[str, Any] = {
            "store": self.store,
            "ledger": OpenSearchLedger(self.client, self.names),
            "labels": OpenSearchLabelIndex(self.client, self.names, self.clock),
        }
        if connection is not None:
            ports = {name: Faulty(port, connection) for name, port in ports.items()}
        settings = Settings(lease_s=LEASE_S)
        return Reconciler(**ports, processing=Stages(self.store), clock=self.clock, settings=settings, owner=owner)

    def work(self, number: int) -> None:
        """Visit now and then, die at times, and come back as another."""
        rng = random.Random(number)
        reconciler = self.reconciler(f"w{number}", Connection(rng))
        for visit in range(VISITS):
            try:
                if visit == VISITS // 2:
                    list(forget_dead_labels(reconciler, WHOLE))
                else:
                    reconciler.reconcile(rng.choice(IMAGES))
            except TransientError:
                continue
            except Killed:
                reconciler = self.reconciler(f"w{number}-{visit}", Connection(rng))
            except BaseException as error:  # noqa: BLE001  the test's thread must hear of it
                self.errors.append(error)

    def change(self, seed: int) -> None:
        """Do what people do to a bucket while the workers visit."""
        rng = random.Random(seed)
        for _ in range(VISITS):
            image = rng.choice(IMAGES)
            if rng.random() < 0.2:
                self.store.delete(image)
            else:
                self.store.put(image, str(rng.choice((3, 7, 11, 15, 27))).encode())
            self.clock.ahead_ms += rng.choice((0, 1000, 4000))
            refresh(self.client, self.names)

    def trouble(self, seed: int) -> None:
        """Let everybody do their worst at once."""
        threads = [threading.Thread(target=self.work, args=(seed * 100 + n,)) for n in range(WORKERS)]
        threads.append(threading.Thread(target=self.change, args=(seed,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.errors == []

    def rest(self, seed: int) -> None:
        """Let two nights pass in peace."""
        for night in range(2):
            self.clock.ahead_ms += FORGET_AFTER_MS + 60_000
            assert not [
                end for end in self.night(f"night {seed}.{night}") if isinstance(end, (Unfinished, Unforgotten))
            ]

    def night(self, owner: str) -> list[object]:
        refresh(self.client, self.names)
        images = [ImageRef(BUCKET, listed.key) for listed in self.store.list(BUCKET, "")]
        by = self.reconciler(owner)
        return list(nightly(by, and_unlisted(by.ledger, images, WHOLE), areas=[WHOLE]))

    def labels(self) -> dict[str, str]:
        """Every label that exists, by id."""
        refresh(self.client, self.names)
        hits = self.client.search(index=self.names.labels, body={"size": 1000})["hits"]["hits"]
        return {hit["_id"]: hit["_source"]["label"] for hit in hits}


@pytest.fixture
def world(client: OpenSearch, names: IndexNames) -> World:
    return World(client, names)


def check(world: World, image: ImageRef) -> dict[str, str]:
    """Check an entry against the bucket; gives the labels that must exist."""
    stored, body = OpenSearchLedger(world.client, world.names).get(image), world.store.read(image)
    if body is None:
        assert stored is None or (stored.entry.state, stored.entry.superseded) == (State.REMOVED, ())
        return {}
    assert stored is not None
    entry, names = stored.entry, expected(body)
    assert entry.superseded == ()
    if names is None:
        assert (entry.state, entry.live) == (State.FAILED, None)
        return {}
    assert entry.state is State.INDEXED
    assert entry.live is not None
    return {label_id(image, epoch=entry.live.epoch, ordinal=i): name for i, name in enumerate(names)}


def test_at_rest_the_index_says_what_the_bucket_says(world: World) -> None:
    for seed in range(ROUNDS):
        world.trouble(seed)
        world.rest(seed)
        must_exist: dict[str, str] = {}
        for image in IMAGES:
            must_exist |= check(world, image)
        assert world.labels() == must_exist


def test_of_many_workers_at_one_image_only_one_pays(world: World) -> None:
    """All start at once; whoever claims first holds the lease, the others are told that it is busy."""
    world.store.put(IMAGES[0], b"3")
    barrier, ends = threading.Barrier(WORKERS), []

    def visit(number: int) -> None:
        reconciler = world.reconciler(f"w{number}")
        barrier.wait()
        ends.append(reconciler.reconcile(IMAGES[0]))

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end for end in ends if isinstance(end, Indexed)] == [Indexed(IMAGES[0], 3)]
    reasons = {end.reason for end in ends if isinstance(end, Skipped)}
    assert len(ends) == WORKERS
    assert reasons <= {SkipReason.BUSY, SkipReason.SAME}
    assert len(world.labels()) == 3
