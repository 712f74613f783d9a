"""The live door: which images a message is about, who works on each, and what goes back."""

from dataclasses import replace

import pytest
import structlog
from structlog.testing import capture_logs

from batch_job.adapters.memory import MemoryObjectStore
from batch_job.adapters.memory_runs import MemoryJobQueue, MemoryRunStore
from batch_job.backfill.jobs import JobTask, job_parameters
from batch_job.backfill.live import LiveDoor
from batch_job.backfill.objects import RUN_ID
from batch_job.backfill.orders import PAUSE_KEY, EndAtOnce, Orders
from batch_job.backfill.plan import Filters
from batch_job.errors import (
    AccessError,
    HandedBackError,
    InputError,
    TransientError,
    UnavailableError,
)
from batch_job.values.budget import Lane
from batch_job.values.image import ImageRef
from batch_job.values.work import Indexed, Outcome, Skipped, SkipReason, WorkItem
from tests.unit.lambdas.batches import of_s3

BUCKET = "b"
MAX_BYTES = 100
PAUSED = b'{"live": true}'


class Door:
    """A door over services in memory; ``visited`` are the keys of the images that it reconciles."""

    def __init__(self, filters: Filters | None = None):
        self.store, self.jobs, self.runs = MemoryObjectStore(), MemoryJobQueue(), MemoryRunStore()
        self.visited: list[str] = []
        self.ends: dict[str, Outcome | BaseException] = {}
        self.orders = Orders(self.runs, lane=Lane.LIVE)
        self.door = LiveDoor(
            store=self.store,
            visit=self._visit,
            jobs=self.jobs,
            orders=self.orders,
            filters=filters or Filters(),
            bucket=BUCKET,
            max_bytes=MAX_BYTES,
        )

    def _visit(self, image: ImageRef) -> Outcome:
        assert structlog.contextvars.get_contextvars() == {"run_id": RUN_ID}  # image lines name whose work it was
        self.visited.append(image.key)
        end = self.ends.get(image.key, Indexed(image, 1))
        if isinstance(end, BaseException):
            raise end
        return end

    def put(self, *keys: str, size: int = 1) -> None:
        for key in keys:
            self.store.put(ImageRef(BUCKET, key), b"x" * size)

    def take(self, *keys: str) -> list[str]:
        for key in keys:
            self.door.take(of_s3(BUCKET, key))
        return self.visited

    def asked(self) -> list[WorkItem]:
        """What jobs were submitted for."""
        jobs = self.jobs.jobs.values()
        items = [WorkItem.from_ndjson(job.parameters["what"]) for job in jobs]
        assert [job.parameters for job in jobs] == [job_parameters(JobTask.OBJECT, item.to_text()) for item in items]
        return items


@pytest.fixture
def door() -> Door:
    return Door()


def test_an_event_about_an_image_reconciles_it(door):
    door.put("a.tif")
    assert door.take("a.tif") == ["a.tif"]


def test_an_event_about_an_object_that_is_gone_is_reconciled_too(door):
    assert door.take("gone.tif") == ["gone.tif"]


@pytest.mark.parametrize(
    ("key", "images"),
    [
        ("f/scene.tfw", ["f/scene.png", "f/scene.tif"]),
        ("f/scene.tif.aux.xml", ["f/scene.tif"]),
        ("f/scene.tif.ovr", ["f/scene.tif"]),
        ("f/scene.png.msk", ["f/scene.png"]),
        ("f/scene.json", ["f/scene.png", "f/scene.tif"]),
        ("f/scene.wld", ["f/scene.png", "f/scene.tif"]),
        ("f/gone.tif.aux.xml", ["f/gone.tif"]),
        ("f/nobodys.tfw", []),
    ],
)
def test_an_event_about_a_side_file_reconciles_the_images_beside_it(door, key, images):
    door.put("f/scene.tif", "f/scene.png", "f/scene.b.tif", "f/scenery.tif")
    assert door.take(key) == images


@pytest.mark.parametrize("key", ["notes.txt", "folder/", "a.tif/", "scene.tfwx", ".aux.xml", "data.json"])
def test_objects_that_are_no_images_are_passed_over(door, key):
    door.put("a.tif")
    assert door.take(key) == []
    assert not door.jobs.jobs


def test_keys_that_the_settings_leave_out_are_passed_over_and_so_are_their_side_files():
    door = Door(Filters(include_prefixes=("in/",), exclude_prefixes=("in/not/",), exclude_suffixes=("_x.tif",)))
    door.put(*(keys := ["out.tif", "in/not/a.tif", "in/a_x.tif", "in/a.tif"]))
    assert door.take(*keys, "in/not/a.tfw", "in/a_x.tif.ovr") == ["in/a.tif"]


def test_what_the_settings_take_for_images_has_side_files_too():
    door = Door(Filters(include_suffixes=(".ntf",)))
    door.put("a.ntf", "a.tif")
    assert door.take("a.ntf", "a.tif", "a.wld", "a.ntf.ovr") == ["a.ntf"] * 3


def test_events_of_another_bucket_are_passed_over_and_told(door):
    with capture_logs() as logs:
        door.door.take(of_s3("another", "a.tif"))
    assert door.visited == []
    assert [(line["event"], line["bucket"]) for line in logs] == [("event.of_another_bucket", "another")]


def test_an_image_over_the_threshold_is_left_to_a_job(door):
    door.put("large.tif", size=MAX_BYTES + 1)
    door.put("small.tif", size=MAX_BYTES)
    assert door.take("large.tif", "small.tif") == ["small.tif"]
    assert door.asked() == [WorkItem(ImageRef(BUCKET, "large.tif"), MAX_BYTES + 1)]


def test_the_size_is_of_what_stands_in_the_bucket_not_of_what_the_event_is_about(door):
    door.put("a.tif", size=MAX_BYTES + 1)
    assert door.take("a.tif.aux.xml") == []
    assert [item.image.key for item in door.asked()] == ["a.tif"]


def test_a_large_object_that_was_deleted_is_reconciled_here(door):
    door.put("large.tif", size=MAX_BYTES + 1)
    door.store.delete(ImageRef(BUCKET, "large.tif"))
    assert door.take("large.tif") == ["large.tif"]
    assert not door.jobs.jobs


def test_a_job_is_named_by_what_batch_takes_whatever_the_key(door):
    door.put("é" * 500 + ".tif", size=MAX_BYTES + 1)
    door.take("é" * 500 + ".tif")
    [job] = door.jobs.jobs.values()
    assert job.name.replace("-", "").isalnum()
    assert job.name.isascii()
    assert len(job.name) <= 128


@pytest.mark.parametrize("reason", [SkipReason.BUSY, SkipReason.OLDER_SETTINGS])
def test_an_image_that_another_worker_has_goes_back(door, reason):
    door.ends["a.tif"] = Skipped(ImageRef(BUCKET, "a.tif"), reason)
    with pytest.raises(TransientError, match=str(reason)):
        door.take("a.tif")


@pytest.mark.parametrize("reason", [SkipReason.SAME, SkipReason.ARCHIVED, SkipReason.ABSENT])
def test_an_image_that_needs_nothing_is_done(door, reason):
    door.ends["a.tif"] = Skipped(ImageRef(BUCKET, "a.tif"), reason)
    assert door.take("a.tif") == ["a.tif"]


def test_one_image_that_is_left_does_not_keep_its_neighbours_waiting(door):
    door.put("s.a.tif", "s.jpg", "s.png", "s.tif")
    door.ends["s.jpg"] = UnavailableError("the index is away")
    with pytest.raises(UnavailableError):
        door.take("s.wld")
    assert door.visited == ["s.jpg", "s.png", "s.tif"]


def test_a_refused_deployment_ends_the_message(door):
    door.put("s.jpg", "s.tif")
    door.ends["s.jpg"] = AccessError("denied")
    with pytest.raises(AccessError):
        door.take("s.wld")
    assert door.visited == ["s.jpg"]


def test_a_poison_message_touches_nothing(door):
    with pytest.raises(InputError):
        door.door.take("poison")
    assert door.visited == []


def test_a_paused_lane_begins_nothing(door):
    door.put("a.tif")
    door.put("large.tif", size=MAX_BYTES + 1)
    door.runs.put(PAUSE_KEY, PAUSED)
    for key in ("a.tif", "large.tif"):
        with pytest.raises(HandedBackError, match="live lane is paused"):
            door.take(key)
    assert door.visited == []
    assert not door.jobs.jobs


def test_an_image_that_is_paused_on_the_way_goes_back(door):
    door.ends["a.tif"] = HandedBackError("the live lane is paused")
    with pytest.raises(HandedBackError):
        door.take("a.tif")
    assert not door.jobs.jobs


def test_while_the_lane_is_paused_no_neighbour_is_begun(door):
    door.put("s.jpg", "s.tif")
    door.ends["s.jpg"] = HandedBackError("the live lane is paused")
    with pytest.raises(HandedBackError):
        door.take("s.wld")
    assert door.visited == ["s.jpg"]


@pytest.mark.parametrize("end", [HandedBackError("this worker's time is up"), EndAtOnce("it did not listen")])
def test_an_image_that_takes_longer_than_a_lambda_may_is_left_to_a_job(door, end):
    door.put("slow.tif", size=7)

    def visit(image: ImageRef) -> Outcome:
        door.orders.end()
        raise end

    replace(door.door, visit=visit).take(of_s3(BUCKET, "slow.tif"))
    assert door.asked() == [WorkItem(ImageRef(BUCKET, "slow.tif"), 7)]


def test_an_image_that_there_is_no_time_to_begin_goes_back(door):
    door.put("a.tif")
    door.orders.end_after(0)
    with pytest.raises(TransientError, match="no time left"):
        door.take("a.tif")
    assert door.visited == []
    assert not door.jobs.jobs


def test_a_job_that_cannot_be_submitted_brings_the_message_back(door):
    class Refusing(MemoryJobQueue):
        def submit(self, name, parameters):
            raise UnavailableError("throttled")

    door.put("a.tif", size=MAX_BYTES + 1)
    with pytest.raises(UnavailableError):
        replace(door.door, jobs=Refusing()).take(of_s3(BUCKET, "a.tif"))
