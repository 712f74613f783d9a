"""A night: everything is visited, one failure stops nobody else, and old labels go before they are forgotten."""

import pytest

from batch_job.errors import AccessError, ConflictError, GeometryError, ThrottledError, UnavailableError
from batch_job.ledger.generations import FORGET_AFTER_MS
from batch_job.ledger.nightly import (
    Area,
    Unfinished,
    Unforgotten,
    and_unlisted,
    forget,
    forget_dead_labels,
    nightly,
)
from batch_job.ports import Keeper
from batch_job.values.image import ImageRef
from batch_job.values.work import Indexed, Removed, Work
from tests.unit.ledger.entries import IMAGE
from tests.unit.ledger.fakes import World, nothing

OTHER = ImageRef(IMAGE.bucket, "o/b.tif")
WHOLE = Area(IMAGE.bucket)


@pytest.fixture
def world() -> World:
    world = World()
    world.store.put(IMAGE, b"one")
    return world


def night(world: World, *images: ImageRef) -> list[object]:
    by = world.reconciler()
    return list(nightly(by, and_unlisted(by.ledger, images, WHOLE), areas=[WHOLE]))


def replaced(world: World) -> None:
    """Index twice, so that labels are superseded."""
    world.reconciler().reconcile(IMAGE)
    world.store.put(IMAGE, b"two")
    world.reconciler().reconcile(IMAGE)
    assert world.entry(IMAGE).superseded


def test_listed_images_are_indexed_and_entries_that_left_the_bucket_removed(world: World) -> None:
    world.store.put(OTHER, b"x")
    world.reconciler().reconcile(OTHER)
    world.store.delete(OTHER)
    assert night(world, IMAGE) == [Indexed(IMAGE, 2), Removed(OTHER)]


def test_each_image_is_visited_once(world: World) -> None:
    night(world, IMAGE)
    assert world.calls.count("list") == 2  # before and after indexing


def test_entries_outside_the_prefix_are_left_alone(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.store.delete(IMAGE)
    assert list(and_unlisted(world.ledger, [], Area(IMAGE.bucket, "p/"))) == []
    assert list(and_unlisted(world.ledger, [], Area(IMAGE.bucket, "o/"))) == [IMAGE]


@pytest.mark.parametrize("error", [ThrottledError("slow down"), ZeroDivisionError("a defect")], ids=repr)
def test_what_goes_wrong_with_one_image_leaves_its_neighbours_alone(world: World, error: Exception) -> None:
    world.store.put(OTHER, b"x")

    def fail(work: Work, keeper: Keeper) -> None:
        if work.image == IMAGE:
            raise error

    world.stages.meanwhile = fail
    assert night(world, IMAGE, OTHER) == [Unfinished(IMAGE, error), Indexed(OTHER, 2)]
    assert world.entry(IMAGE).lease is None


def test_an_input_error_of_the_ledger_itself_leaves_its_neighbours_alone(world: World) -> None:
    error = GeometryError("the index refuses the document for good")

    def refuse(name: str) -> None:
        if name == "put":
            world.before = nothing
            raise error

    world.before = refuse
    assert night(world, IMAGE) == [Unfinished(IMAGE, error)]


def test_a_deployment_error_stops_the_night(world: World) -> None:
    def fail(work: Work, keeper: Keeper) -> None:
        raise AccessError("403")

    world.stages.meanwhile = fail
    with pytest.raises(AccessError):
        night(world, IMAGE, OTHER)


def test_superseded_labels_are_forgotten_when_they_are_old(world: World) -> None:
    replaced(world)
    night(world)
    assert world.entry(IMAGE).superseded
    world.clock.advance(ms=FORGET_AFTER_MS + 1)
    night(world)
    assert world.entry(IMAGE).superseded == ()


def test_labels_are_deleted_before_they_are_forgotten(world: World) -> None:
    replaced(world)
    world.clock.advance(ms=FORGET_AFTER_MS + 1)
    world.calls.clear()
    list(forget_dead_labels(world.reconciler(), WHOLE))
    assert world.calls == ["entries", "delete", "put"]


@pytest.mark.parametrize("error", [UnavailableError("index is down"), KeyError("a defect")], ids=repr)
def test_labels_that_could_not_be_deleted_are_not_forgotten(world: World, error: Exception) -> None:
    replaced(world)
    world.clock.advance(ms=FORGET_AFTER_MS + 1)

    def fail(name: str) -> None:
        if name == "delete":
            raise error

    world.before = fail
    (unfinished,) = forget_dead_labels(world.reconciler(), WHOLE)
    assert unfinished == Unforgotten(IMAGE, error)
    assert world.entry(IMAGE).superseded


def test_an_entry_written_since_waits_for_the_next_night(world: World) -> None:
    replaced(world)
    stale = world.ledger.get(IMAGE)
    assert stale is not None
    world.rewrite(IMAGE)
    world.clock.advance(ms=FORGET_AFTER_MS + 1)
    with pytest.raises(ConflictError):
        forget(world.reconciler(), stale)
    world.before = lambda name: world.rewrite(IMAGE) if name == "put" else None
    assert list(forget_dead_labels(world.reconciler(), WHOLE)) == []


def test_a_tombstone_goes_when_it_is_old_and_bare(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.store.delete(IMAGE)
    night(world)
    world.clock.advance(ms=FORGET_AFTER_MS + 1)
    night(world)
    assert world.ledger.get(IMAGE) is not None
    world.clock.advance(ms=1)
    night(world)
    assert world.ledger.get(IMAGE) is None


def test_an_image_that_comes_back_after_its_tombstone_went_gets_new_epochs(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    first = world.entry(IMAGE).epoch
    stored = world.ledger.get(IMAGE)
    assert stored is not None
    world.ledger.delete(IMAGE, over=stored.seen)
    world.clock.advance(ms=1)
    world.reconciler().reconcile(IMAGE)
    assert world.entry(IMAGE).epoch > first
