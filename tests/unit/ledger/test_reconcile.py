"""One visit over fakes: what is written, in which order, and what is told."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from batch_job.errors import (
    AccessError,
    ChangedError,
    ConflictError,
    ErrorCode,
    GeometryError,
    LateError,
    LeaseLostError,
    OutOfBudgetError,
    ThrottledError,
    UnavailableError,
    UnreadableImageError,
)
from batch_job.ledger.generations import FORGET_AFTER_MS, LABEL_DEADLINE_MS
from batch_job.ledger.nightly import Area, and_unlisted, nightly
from batch_job.ledger.writes import LedgerWriter
from batch_job.ports import Keeper
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, Lease, LedgerEntry, State, SupersededSet
from batch_job.values.work import Failed, Indexed, Redo, Removed, Skipped, SkipReason, Work
from tests.unit.ledger.entries import IMAGE, Settings
from tests.unit.ledger.fakes import World, nothing

WHOLE = Area(IMAGE.bucket)


@pytest.fixture
def world() -> World:
    world = World()
    world.store.put(IMAGE, b"one")
    return world


def test_a_new_image_is_indexed_with_its_labels_declared_first(world: World) -> None:
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    entry = world.entry(IMAGE)
    assert (entry.state, entry.lease, entry.superseded) == (State.INDEXED, None, ())
    assert entry.live == LabelSet(entry.epoch, 2)
    assert world.label_epochs() == {entry.epoch}
    assert world.calls == ["get", "head", "list", "put", "put", "write", "put", "head", "list"]


def test_an_image_without_labels_takes_no_declaration(world: World) -> None:
    world.stages.labels = 0
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 0)
    assert "write" not in world.calls


def test_a_second_visit_finds_nothing_to_do(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    before = world.ledger.get(IMAGE)
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.SAME)
    assert world.ledger.get(IMAGE) == before
    assert len(world.stages.worked) == 1


def test_an_overwrite_replaces_the_labels_and_keeps_the_old_ones_listed(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    old = world.entry(IMAGE).epoch
    world.store.put(IMAGE, b"two")
    world.reconciler().reconcile(IMAGE)
    entry = world.entry(IMAGE)
    assert world.label_epochs() == {entry.epoch}
    assert [labels.epoch for labels in entry.superseded] == [old]


def test_a_removal_leaves_a_tombstone_and_no_labels(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.store.delete(IMAGE)
    assert world.reconciler().reconcile(IMAGE) == Removed(IMAGE)
    entry = world.entry(IMAGE)
    assert (entry.state, entry.live, entry.described) == (State.REMOVED, None, None)
    assert world.labels.documents == {}
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ABSENT)


def test_what_never_was_is_absent(world: World) -> None:
    ghost = ImageRef(IMAGE.bucket, "o/ghost.tif")
    assert world.reconciler().reconcile(ghost) == Skipped(ghost, SkipReason.ABSENT)
    assert world.ledger.get(ghost) is None


def test_an_object_that_is_back_when_its_removal_was_written_is_indexed(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.store.delete(IMAGE)

    def back(name: str) -> None:
        if name == "put" and len(world.stages.worked) == 1:
            world.store.put(IMAGE, b"again")

    world.before = back
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)


def test_an_overwrite_while_labels_are_written_is_seen_afterwards(world: World) -> None:
    def overwrite(name: str) -> None:
        if name == "write" and len(world.stages.worked) == 1:
            world.store.put(IMAGE, b"two")

    world.before = overwrite
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    assert len(world.stages.worked) == 2
    assert world.entry(IMAGE).version.etag == world.stages.worked[1].facts.etag


def test_a_changed_object_is_claimed_anew_under_the_same_lease(world: World) -> None:
    def change(work: Work, keeper: Keeper) -> None:
        if len(world.stages.worked) == 1:
            world.store.put(IMAGE, b"two")
            raise ChangedError("412")

    world.stages.meanwhile = change
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    assert world.stages.worked[1].epoch > world.stages.worked[0].epoch


def test_an_object_that_always_changes_is_released_and_goes_back_to_its_queue(world: World) -> None:
    def change(work: Work, keeper: Keeper) -> None:
        world.store.put(IMAGE, str(len(world.stages.worked)).encode())
        raise ChangedError("412")

    world.stages.meanwhile = change
    with pytest.raises(ChangedError, match="changed during each of"):
        world.reconciler().reconcile(IMAGE)
    assert (world.entry(IMAGE).state, world.entry(IMAGE).lease) == (State.PROCESSING, None)


def test_a_live_lease_of_another_is_left_alone(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.rewrite(IMAGE, state=State.PROCESSING, lease=Lease("other", world.clock.now_ms() + 1))
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.BUSY)


def test_an_input_error_is_recorded_once_and_retires_the_labels(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.store.put(IMAGE, b"broken")

    def fail(work: Work, keeper: Keeper) -> None:
        raise UnreadableImageError("no image")

    world.stages.meanwhile = fail
    assert world.reconciler().reconcile(IMAGE) == Failed(IMAGE, ErrorCode.UNREADABLE, "no image")
    entry = world.entry(IMAGE)
    assert (entry.state, entry.error_code, entry.live) == (State.FAILED, ErrorCode.UNREADABLE, None)
    assert entry.described is not None
    assert entry.described.etag == entry.version.etag
    assert world.labels.documents == {}
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.SAME, ErrorCode.UNREADABLE)


@pytest.mark.parametrize("refused_by", ["write", "put"])
def test_a_document_that_the_index_refuses_fails_its_image(world: World, refused_by: str) -> None:
    def refuse(name: str) -> None:
        puts = world.calls.count("put")
        if name == refused_by and (name == "write" or puts == 3):
            raise GeometryError("crosses itself")

    world.before = refuse
    assert world.reconciler().reconcile(IMAGE) == Failed(IMAGE, ErrorCode.BAD_GEOMETRY, "crosses itself")
    assert world.labels.documents == {}


@pytest.mark.parametrize("error", [ThrottledError, OutOfBudgetError, LateError, AccessError, ZeroDivisionError])
def test_what_is_not_the_images_fault_releases_the_claim(world: World, error: type[Exception]) -> None:
    def fail(work: Work, keeper: Keeper) -> None:
        raise error("x")

    world.stages.meanwhile = fail
    with pytest.raises(error):
        world.reconciler().reconcile(IMAGE)
    entry = world.entry(IMAGE)
    assert (entry.state, entry.lease, entry.attempts) == (State.PROCESSING, None, 0)
    assert entry.epoch > world.stages.worked[0].epoch
    world.stages.meanwhile = nothing
    assert world.reconciler(owner="next").reconcile(IMAGE) == Indexed(IMAGE, 2)


def test_a_claim_that_cannot_be_released_is_named_in_the_error(world: World) -> None:
    def fail(work: Work, keeper: Keeper) -> None:
        world.before = unreachable
        raise ThrottledError("slow down")

    def unreachable(name: str) -> None:
        raise UnavailableError("index is down")

    world.stages.meanwhile = fail
    with pytest.raises(ThrottledError) as caught:
        world.reconciler().reconcile(IMAGE)
    assert "could not be released: index is down" in caught.value.__notes__[0]


def test_a_claim_whose_answer_was_lost_is_released(world: World) -> None:
    """The claim is applied, its answer is lost, and the first reading fails too."""

    def lose_answer(name: str) -> None:
        if name == "put":
            world.before = fail_once
            world.ledger.put(claims[0], over=None)
            raise UnavailableError("no answer")

    def fail_once(name: str) -> None:
        world.before = nothing
        raise UnavailableError("no answer")

    claims = []
    reconciler = world.reconciler()
    signed = LedgerWriter.signed

    def note(writer: LedgerWriter, entry: LedgerEntry) -> LedgerEntry:
        claims.append(signed(writer, entry))
        return claims[-1]

    world.before = lose_answer
    with patch.object(LedgerWriter, "signed", note), pytest.raises(UnavailableError) as caught:
        reconciler.reconcile(IMAGE)
    entry = world.entry(IMAGE)
    assert (entry.state, entry.lease, entry.epoch) == (State.PROCESSING, None, claims[0].epoch + 1)
    assert not hasattr(caught.value, "__notes__")


def test_a_claim_that_arrives_after_it_was_looked_for_is_released(world: World) -> None:
    """Its answer is lost, reading back does not find it yet, it arrives, and the index is away for a moment."""
    claims = []
    signed = LedgerWriter.signed

    def note(writer: LedgerWriter, entry: LedgerEntry) -> LedgerEntry:
        claims.append(signed(writer, entry))
        return claims[-1]

    def happen(name: str) -> None:
        if name == "put" and len(claims) == 1 and world.ledger.get(IMAGE) is None:
            raise UnavailableError("no answer")
        if name == "get" and world.calls.count("get") == 3:
            world.ledger.put(claims[0], over=None)
            raise UnavailableError("away")

    world.before = happen
    with patch.object(LedgerWriter, "signed", note), pytest.raises(UnavailableError):
        world.reconciler().reconcile(IMAGE)
    assert (world.entry(IMAGE).lease, world.entry(IMAGE).epoch) == (None, claims[0].epoch + 1)


def test_a_worker_whose_claim_was_taken_deletes_what_it_wrote(world: World) -> None:
    def take_over(name: str) -> None:
        if name == "put" and world.labels.documents:
            world.before = nothing
            epoch = world.entry(IMAGE).epoch + 1
            world.rewrite(IMAGE, epoch=epoch, lease=Lease("other", world.clock.now_ms() + 10**6))

    world.before = take_over
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.BUSY)
    assert world.labels.documents == {}


def test_labels_that_became_the_truth_before_the_loss_are_not_deleted(world: World) -> None:
    """The write of ``indexed`` succeeds, its answer is lost, and another claims before we read back."""

    def lose_answer(name: str) -> None:
        if name == "put" and world.calls.count("put") == 3:
            entry = world.entry(IMAGE)
            world.rewrite(IMAGE, state=State.INDEXED, live=LabelSet(entry.epoch, 2), superseded=(), lease=None)
            lease = Lease("other", world.clock.now_ms() + 10**6)
            world.rewrite(IMAGE, state=State.PROCESSING, epoch=entry.epoch + 1, lease=lease)
            raise UnavailableError("no answer")

    world.before = lose_answer
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.BUSY)
    assert len(world.labels.documents) == 2


def test_a_pass_between_declaration_and_index_costs_a_write_and_no_work(world: World) -> None:
    def forget(name: str) -> None:
        if name == "write":
            world.rewrite(IMAGE)

    world.before = forget
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    assert len(world.stages.worked) == 1
    assert world.entry(IMAGE).token == "me#2"  # noqa: S105


def test_a_retry_below_that_applied_twice_is_no_conflict(world: World) -> None:
    reconciler = world.reconciler()
    put = world.ledger.put

    class Twice:
        get = staticmethod(world.ledger.get)

        @staticmethod
        def put(entry, *, over):  # type: ignore[no-untyped-def]
            put(entry, over=over)
            raise ConflictError("the first try had succeeded")

    assert replace(reconciler, ledger=Twice).reconcile(IMAGE) == Indexed(IMAGE, 2)
    assert len(world.stages.worked) == 1


def test_labels_must_be_written_within_an_hour_of_their_declaration(world: World) -> None:
    def stall(name: str) -> None:
        if name == "write":
            world.clock.advance(ms=LABEL_DEADLINE_MS + 1)

    world.before = stall
    with pytest.raises(LateError):
        world.reconciler().reconcile(IMAGE)
    assert world.labels.documents == {}
    assert world.entry(IMAGE).lease is None


def test_a_first_claim_that_took_longer_than_a_tombstone_lasts_is_claimed_again(world: World) -> None:
    def stall(name: str) -> None:
        if name == "put":
            world.before = nothing
            world.clock.advance(ms=LABEL_DEADLINE_MS + 1)

    world.before = stall
    world.reconciler().reconcile(IMAGE)
    assert world.calls.count("get") == 2
    assert world.stages.worked[0].epoch == world.clock.now_ms()


def test_no_epoch_returns_when_a_tombstone_came_and_went_before_a_first_claim(world: World) -> None:
    """The witness of ADR 4: two workers find no entry in the same millisecond, and one sleeps through it all."""
    others: list[int] = []

    def sleep(name: str) -> None:
        if name != "put":
            return
        world.before = nothing
        other = world.reconciler(owner="other")
        other.reconcile(IMAGE)
        others.append(world.entry(IMAGE).epoch)
        world.store.delete(IMAGE)
        for _ in range(3):
            list(nightly(other, and_unlisted(other.ledger, [], WHOLE), areas=[WHOLE]))
            world.clock.advance(ms=FORGET_AFTER_MS + 2)
        assert world.ledger.get(IMAGE) is None
        world.store.put(IMAGE, b"one")

    world.before = sleep
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    live = dict(world.labels.documents)
    world.labels.delete(IMAGE, LabelSet(others[0], 2))  # somebody's deletion of dead labels, delayed for hours
    assert world.labels.documents == live


def test_other_detection_settings_read_the_archive_under_the_ledgers_own(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.stages.has_archived = True
    settings = Settings(detection_fingerprint="d2", index_fingerprint="i2", settings_revision=1)
    assert world.reconciler(settings).reconcile(IMAGE) == Indexed(IMAGE, 2)
    version = world.entry(IMAGE).version
    assert (version.detection_fingerprint, version.index_fingerprint) == ("d1", "i2")


def test_a_new_side_file_is_no_reason_to_pay_again_under_other_detection_settings(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.stages.has_archived = True
    world.store.put(ImageRef(IMAGE.bucket, "o/a.tfw"), b"x")
    world.reconciler(Settings(detection_fingerprint="d2", settings_revision=1)).reconcile(IMAGE)
    version = world.entry(IMAGE).version
    assert (version.detection_fingerprint, len(version.side_files)) == ("d1", 1)


@pytest.mark.parametrize(("has_archived", "redo"), [(False, Redo.NOTHING), (True, Redo.DETECTION)])
def test_new_settings_hold_where_the_archive_lacks_answers_or_redo_is_asked_for(
    world: World, *, has_archived: bool, redo: Redo
) -> None:
    world.reconciler().reconcile(IMAGE)
    world.stages.has_archived = has_archived
    settings = Settings(detection_fingerprint="d2", index_fingerprint="i2", settings_revision=1)
    world.reconciler(settings, redo=redo).reconcile(IMAGE)
    assert world.entry(IMAGE).version.detection_fingerprint == "d2"


def test_a_failure_is_tried_again_when_somebody_asks(world: World) -> None:
    def fail(work: Work, keeper: Keeper) -> None:
        raise UnreadableImageError("no image")

    world.stages.meanwhile = fail
    world.reconciler().reconcile(IMAGE)
    world.stages.meanwhile = nothing
    assert world.reconciler(redo=Redo.DETECTION).reconcile(IMAGE) == Indexed(IMAGE, 2)


def test_a_frozen_object_fails_until_it_is_restored(world: World) -> None:
    world.store.freeze(IMAGE)
    outcome = world.reconciler().reconcile(IMAGE)
    assert isinstance(outcome, Failed)
    assert outcome.code is ErrorCode.ARCHIVED
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ARCHIVED, ErrorCode.ARCHIVED)
    world.store.restore(IMAGE)
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    world.store.freeze(IMAGE)
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ARCHIVED)


NEW_INDEX = Settings(index_fingerprint="i2", settings_revision=1)


def test_a_frozen_object_whose_answers_are_all_archived_is_indexed_without_its_pixels(world: World) -> None:
    world.store.freeze(IMAGE)
    world.stages.has_archived = True
    assert world.reconciler().reconcile(IMAGE) == Indexed(IMAGE, 2)
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ARCHIVED)
    assert world.reconciler(NEW_INDEX).reconcile(IMAGE) == Indexed(IMAGE, 2)


def frozen(work: Work, keeper: Keeper) -> None:
    raise ChangedError("InvalidObjectState")


def test_a_frozen_object_whose_archived_answers_do_not_do_is_given_up_until_it_is_restored(world: World) -> None:
    world.store.freeze(IMAGE)
    world.stages.has_archived, world.stages.meanwhile = True, frozen
    outcome = world.reconciler().reconcile(IMAGE)
    assert isinstance(outcome, Failed)
    assert outcome.code is ErrorCode.ARCHIVED
    before = world.ledger.get(IMAGE)
    assert world.reconciler().reconcile(IMAGE).reason is SkipReason.ARCHIVED  # type: ignore[union-attr]
    assert world.ledger.get(IMAGE) == before


def test_a_side_file_that_came_and_went_is_no_reason_to_wait_for_pixels(world: World) -> None:
    """Its place would have needed the header; without it the archive says all, as before."""
    world.reconciler().reconcile(IMAGE)
    side = ImageRef(IMAGE.bucket, "o/a.tfw")
    world.store.put(side, b"x")
    world.store.freeze(IMAGE)

    def go_away(work: Work, keeper: Keeper) -> None:
        if work.version.side_files:
            world.store.delete(side)
            raise ChangedError("InvalidObjectState")

    world.stages.has_archived, world.stages.meanwhile = True, go_away
    assert world.reconciler(NEW_INDEX).reconcile(IMAGE) == Indexed(IMAGE, 2)


@pytest.mark.parametrize("has_archived", [False, True])
def test_labels_that_are_still_true_stay_when_the_object_is_frozen_during_work(
    world: World, *, has_archived: bool
) -> None:
    world.reconciler().reconcile(IMAGE)
    labels = dict(world.labels.documents)

    def freeze(work: Work, keeper: Keeper) -> None:
        world.store.freeze(IMAGE)
        raise ChangedError("InvalidObjectState")

    world.stages.meanwhile, world.stages.has_archived = freeze, has_archived
    for _ in range(2):
        assert world.reconciler(NEW_INDEX).reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ARCHIVED)
    entry = world.entry(IMAGE)
    assert (entry.state, entry.lease, entry.error_code) == (State.PROCESSING, None, ErrorCode.ARCHIVED)
    assert world.labels.documents == labels
    assert len(world.stages.worked) == (3 if has_archived else 2)
    world.store.restore(IMAGE)
    world.stages.meanwhile = nothing
    assert world.reconciler(NEW_INDEX).reconcile(IMAGE) == Indexed(IMAGE, 2)


def test_labels_of_a_worker_that_died_go_when_its_work_is_put_off(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    labels = dict(world.labels.documents)
    epoch = world.entry(IMAGE).epoch + 1
    lease, declared = Lease("dead", world.clock.now_ms() - 1), (SupersededSet(epoch, 1, world.clock.now_ms()),)
    world.rewrite(IMAGE, state=State.PROCESSING, epoch=epoch, lease=lease, superseded=declared)
    left = replace(next(iter(labels.values())), epoch=epoch, ordinal=0)
    world.labels.documents[left.id] = left
    world.store.freeze(IMAGE)
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ARCHIVED)
    assert world.labels.documents == labels


def test_labels_that_are_true_again_stay_when_another_version_was_claimed_in_between(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    version, labels = world.entry(IMAGE).version, dict(world.labels.documents)
    world.rewrite(IMAGE, state=State.PROCESSING, version=replace(version, etag="other"), lease=None)
    world.store.freeze(IMAGE)
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.ARCHIVED)
    assert world.entry(IMAGE).version == version
    assert world.labels.documents == labels


def test_labels_of_another_version_do_not_stay_because_the_object_is_frozen(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    world.store.put(IMAGE, b"two")
    world.store.freeze(IMAGE)
    assert isinstance(world.reconciler().reconcile(IMAGE), Failed)
    assert world.labels.documents == {}


def test_a_third_silent_end_is_recorded_without_work(world: World) -> None:
    def die(work: Work, keeper: Keeper) -> None:
        raise SystemExit

    world.stages.meanwhile = die
    for turn in range(3):
        reconciler = world.reconciler(owner=f"w{turn}")
        with pytest.raises(SystemExit):
            reconciler.reconcile(IMAGE)
        world.rewrite(IMAGE, lease=Lease(f"w{turn}", world.clock.now_ms() - 1), attempts=turn)
    outcome = world.reconciler(owner="w3").reconcile(IMAGE)
    assert isinstance(outcome, Failed)
    assert outcome.code is ErrorCode.ABANDONED
    assert len(world.stages.worked) == 3


def test_dead_labels_of_an_earlier_crash_go_at_the_next_visit(world: World) -> None:
    world.reconciler().reconcile(IMAGE)
    epoch = world.entry(IMAGE).epoch
    world.rewrite(IMAGE, superseded=(SupersededSet(epoch - 5, 1, 0),))
    live = dict(world.labels.documents)
    dead = replace(next(iter(live.values())), epoch=epoch - 5, ordinal=0)
    world.labels.documents[dead.id] = dead
    world.reconciler().reconcile(IMAGE)
    assert world.labels.documents == live


def test_a_lost_lease_stops_the_work_before_a_paid_call(world: World) -> None:
    reached = []

    def work_on(work: Work, keeper: Keeper) -> None:
        world.clock.advance(ms=200_000)
        world.rewrite(IMAGE, epoch=work.epoch + 1, lease=Lease("other", world.clock.now_ms() + 10**6))
        try:
            keeper.keep()
        except LeaseLostError:
            reached.append("lost")
            raise

    world.stages.meanwhile = work_on
    assert world.reconciler().reconcile(IMAGE) == Skipped(IMAGE, SkipReason.BUSY)
    assert reached == ["lost"]
