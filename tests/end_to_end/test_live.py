"""The bucket's events reach the index: written, overwritten, deleted, repeated, out of order, large, poisoned."""

import json
from collections.abc import Callable, Iterator

import pytest

from batch_job.adapters.opensearch import create_indices
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.backfill.orders import PAUSE_KEY
from tests.end_to_end.files import CAR, good, picture, pillow, tiff
from tests.end_to_end.live import MAX_LIVE_BYTES, Live, live, until
from tests.end_to_end.user import World
from tests.unit.lambdas.batches import of_s3

WORLD_FILE = b"1\n0\n0\n-1\n388000\n5822000\n"


@pytest.fixture(scope="module")
def path(new_world: Callable[[], World]) -> Iterator[Live]:
    world = new_world()
    create_indices(world.index, world.names)
    with live(world) as deployed:
        yield deployed
    world.index.indices.delete(index=f"{world.prefix}-*")


@pytest.fixture(autouse=True)
def _at_rest(path: Live) -> Iterator[None]:
    yield
    until(lambda: path.waiting() == 0)


def car_at(left: float) -> bytes:
    return tiff(picture(cars=((left, 120.0, left + 60, 150.0),)))


def lefts(path: Live, key: str) -> list[float]:
    """Where the cars of an image begin, in the index."""
    return [round(box[0], -1) for box in path.world.cars(key)]


def test_an_object_that_is_written_is_found_and_one_that_is_deleted_is_not(path):
    path.world.put("a b/é+1%20.tif", good())
    until(lambda: path.world.cars("a b/é+1%20.tif"))
    assert path.world.cars("a b/é+1%20.tif") == [pytest.approx(CAR, abs=1)]
    path.world.delete("a b/é+1%20.tif")
    until(lambda: path.world.entry("a b/é+1%20.tif").state == "removed")
    assert path.world.cars("a b/é+1%20.tif") == []


def test_of_five_overwrites_in_a_second_the_last_is_what_the_index_says_once(path):
    before = path.world.documents()
    for left in (20, 60, 100, 140, 180):
        path.world.put("five.tif", car_at(left))
    until(lambda: lefts(path, "five.tif") == [180])
    until(lambda: path.waiting() == 0)
    assert lefts(path, "five.tif") == [180]
    assert path.world.documents() - before == len(path.world.labels("five.tif"))


def test_events_that_repeat_come_late_or_in_another_order_change_nothing(path):
    path.world.put("order.tif", car_at(60))
    until(lambda: lefts(path, "order.tif") == [60])
    entry = path.world.entry("order.tif")
    for kind in ("Object Deleted", "Object Created", "Object Deleted", "Object Created"):
        path.send(of_s3(path.world.bucket, "order.tif", kind))
    until(lambda: path.waiting() == 0)
    assert path.world.entry("order.tif") == entry


def test_an_event_for_an_object_that_is_gone_leaves_nothing(path):
    path.send(of_s3(path.world.bucket, "never.tif"))
    until(lambda: path.waiting() == 0)
    assert path.world.entry("never.tif") is None


def test_a_side_file_that_comes_later_brings_its_image_up_to_date(path):
    def sides() -> list[str]:
        entry = path.world.entry("plain.png")
        return [side.key for side in entry.version.side_files] if entry and entry.state == "indexed" else ["not yet"]

    path.world.put("plain.png", pillow(picture(), "PNG"))
    until(lambda: sides() == [])
    path.world.put("plain.pgw", WORLD_FILE)
    until(lambda: sides() == ["plain.pgw"])
    path.world.delete("plain.pgw")
    until(lambda: sides() == [])


def test_a_large_object_is_a_jobs_and_its_deletion_is_not(path):
    large = tiff(picture(width=800, height=600))
    assert len(large) > MAX_LIVE_BYTES
    path.world.put("large ü.tif", large)
    until(lambda: path.world.cars("large ü.tif"))
    until(lambda: path.jobs() == ["SUCCEEDED"])
    path.world.delete("large ü.tif")
    until(lambda: path.world.entry("large ü.tif").state == "removed")
    assert path.jobs() == ["SUCCEEDED"]


def test_a_broken_image_is_recorded_and_other_objects_are_passed_over(path):
    path.world.put("notes.txt", b"no image")
    path.world.put("broken.tif", good()[:2000])
    until(lambda: (entry := path.world.entry("broken.tif")) and entry.state == "failed")
    until(lambda: path.waiting() == 0)
    assert path.dead_letters() == 0
    assert path.world.entry("notes.txt") is None


def test_a_poison_message_reaches_the_dead_letters_soon_and_its_neighbours_the_index(path):
    path.send("poison")
    path.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": path.world.bucket}))
    path.world.put("neighbour.tif", good())
    until(lambda: path.world.cars("neighbour.tif"))
    until(lambda: path.dead_letters() == 1)


def test_a_paused_path_shuts_itself_pays_nothing_and_goes_on_when_it_is_opened(path):
    runs = S3RunStore(path.world.s3, bucket=path.world.archive, prefix="runs-of-all")
    runs.put(PAUSE_KEY, b'{"live": true}')
    path.world.put("paused.tif", car_at(100))
    until(lambda: not path.is_open())
    assert path.world.entry("paused.tif") is None
    path.world.s3.delete_object(Bucket=path.world.archive, Key=f"runs-of-all/{PAUSE_KEY}")
    path.open()
    until(lambda: lefts(path, "paused.tif") == [100])
