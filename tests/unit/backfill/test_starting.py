"""A listing of our own starts the planner as one of S3's does; half of it starts nothing."""

import gzip
from collections.abc import Iterator
from dataclasses import replace

import pytest

from batch_job.adapters.memory import ManualClock, MemoryArchiveStore, MemoryObjectStore
from batch_job.backfill.messages import Delivered
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.shards import RunFolder
from batch_job.backfill.starting import CLOCKS_DIFFER_MS, Starter, unfinished_active_run
from batch_job.errors import AccessError, ErrorCode, InputError
from batch_job.values.image import ImageRef
from batch_job.values.inventory import NIGHTLY, Request, Scope
from batch_job.values.ledger import State
from batch_job.values.objects import ListedObject
from batch_job.values.work import Redo
from tests.unit.backfill.planning import REPORTS, RULES, World
from tests.unit.ledger.entries import INDEXED

PART = Request(scope=Scope.PART)
KEYS = ("a b.tif", "notes.txt", "é/+%.jpg", "é/scene.tif")


class Reports(MemoryArchiveStore):
    """The reports bucket, where a planner finds its objects too; notes the order of writing."""

    def __init__(self, objects: MemoryObjectStore) -> None:
        super().__init__()
        self.store, self.written = objects, []

    def put(self, key: str, body: bytes) -> None:
        super().put(key, body)
        self.store.put(ImageRef(REPORTS, key), body)
        self.written.append(key)


@pytest.fixture
def world() -> World:
    made = World()
    for number, key in enumerate(KEYS):
        made.objects.put(ImageRef("b", key), b"x" * number)
    return made


@pytest.fixture
def reports(world: World) -> Reports:
    return Reports(world.objects)


def starter(world: World, reports: MemoryArchiveStore, **other: object) -> Starter:
    made = Starter(
        objects=world.objects,
        reports=reports,
        clock=world.clock,
        bucket="b",
        reports_bucket=REPORTS,
        rules=RULES,
        new_name=lambda: "once",
    )
    return replace(made, **other)


def test_the_planner_takes_our_listing_like_one_of_s3s(world: World, reports: Reports) -> None:
    begin = starter(world, reports)
    listed = begin.list_bucket(NIGHTLY)
    run_id = begin.announce(listed)
    assert (listed.objects, listed.images) == (4, 3)
    begun = world.planner().begin(Delivered(REPORTS, reports.written[-1]))
    assert begun.run_id == run_id
    [message] = world.sent()
    plan = world.planner().take(message)
    assert plan.counts == PlanCounts(new=3, filtered=1, items=3, chips=3)
    assert [item.image.key for item in world.submitted()] == ["a b.tif", "é/+%.jpg", "é/scene.tif"]
    assert RunFolder(world.runs, run_id).manifest().request == NIGHTLY


def test_nothing_is_announced_before_all_of_it_stands(world: World, reports: Reports) -> None:
    begin = starter(world, reports)
    listed = begin.list_bucket(PART, prefix="é/")
    assert [key.rpartition("/")[2] for key in reports.written] == ["000000.csv.gz"]
    begin.announce(listed)
    assert [key.rpartition("/")[2] for key in reports.written[1:]] == ["manifest.json", "manifest.checksum"]
    assert all(key.startswith("listings/2") for key in reports.written)


class Breaks(MemoryObjectStore):
    """Lists one object, then is denied."""

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        yield ListedObject("a.tif", "e", 1, "2026-01-01T00:00:00Z")
        raise AccessError("denied")


def test_a_listing_that_breaks_off_is_seen_by_nobody(world: World, reports: Reports) -> None:
    with pytest.raises(AccessError):
        starter(world, reports, objects=Breaks()).list_bucket(NIGHTLY)
    assert reports.written == []


def test_a_prefix_under_which_nothing_stands_is_refused(world: World, reports: Reports) -> None:
    with pytest.raises(InputError, match="s3://b/e/: is the prefix right"):
        starter(world, reports).list_bucket(PART, prefix="e/")
    assert reports.written == []


def test_an_empty_bucket_is_an_inventory_without_files(reports: Reports) -> None:
    world = World()
    reports.store = world.objects
    begin = starter(world, reports)
    listed = begin.list_bucket(NIGHTLY)
    assert (listed.objects, listed.files) == (0, ())
    begin.announce(listed)
    assert world.planner().begin(Delivered(REPORTS, reports.written[-1])).files == 0


class Listing(MemoryObjectStore):
    """Time passes while it lists."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        for number in range(3):
            self.clock.advance(ms=60_000)
            yield ListedObject(f"{number}.tif", "e", 1, "2026-01-01T00:00:00Z")


def test_a_listing_is_as_old_as_its_beginning(world: World, reports: Reports) -> None:
    began_ms = world.clock.now_ms()
    listed = starter(world, reports, objects=Listing(world.clock)).list_bucket(NIGHTLY)
    asked_the_time_ms = 60_000  # whose answer is the first one's
    assert listed.head.created_ms == began_ms + asked_the_time_ms - CLOCKS_DIFFER_MS
    assert world.clock.now_ms() == began_ms + 4 * 60_000


def test_storage_classes_are_listed_as_they_are(world: World, reports: Reports) -> None:
    world.objects.freeze(ImageRef("b", "a b.tif"))
    starter(world, reports).list_bucket(PART, prefix="a")
    assert b'"GLACIER"' in gzip.decompress(reports.objects[reports.written[0]])


def test_failures_are_listed_as_the_ledger_knows_them(world: World, reports: Reports) -> None:
    failed = replace(INDEXED, image=ImageRef("b", "gone?.tif"), state=State.FAILED, error_code=ErrorCode.UNREADABLE)
    begin = starter(world, reports)
    asked = Request(scope=Scope.PART, redo=Redo.FAILED)
    listed = begin.list_entries([failed, replace(failed, image=ImageRef("b", "x.tif"), described=None)], asked)
    assert (listed.objects, listed.images) == (2, 2)
    run_id = begin.announce(listed)
    assert world.planner().begin(Delivered(REPORTS, reports.written[-1])).run_id == run_id
    assert RunFolder(world.runs, run_id).manifest().request == asked
    [message] = world.sent()
    world.planner().take(message)
    assert [item.image.key for item in world.submitted()] == ["gone?.tif", "x.tif"]


def test_a_run_counts_as_unfinished_until_all_of_it_is_done(world: World, reports: Reports) -> None:
    assert unfinished_active_run(world.runs, bucket="b") is None
    begin = starter(world, reports)
    run_id = begin.announce(begin.list_bucket(NIGHTLY))
    world.planner().begin(Delivered(REPORTS, reports.written[-1]))
    progress = unfinished_active_run(world.runs, bucket="b")
    assert progress is not None
    assert (progress.run_id, progress.files_planned) == (run_id, 0)
    for key in list(world.runs.keys(f"runs/{run_id}/")):
        world.runs.delete(key)
    assert unfinished_active_run(world.runs, bucket="b") is None


def test_whoever_watches_is_told_every_thousand(world: World, reports: Reports) -> None:
    told: list[int] = []
    for number in range(2001):
        world.objects.put(ImageRef("b", f"many/{number}.tif"), b"")
    starter(world, reports, watch=told.append).list_bucket(PART, prefix="many/")
    assert told == [1000, 2000]
