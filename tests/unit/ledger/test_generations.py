"""The state machine: tables of what a visit does, and laws that hold over every walk."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.errors import ErrorCode
from batch_job.ledger import generations
from batch_job.ledger.generations import FORGET_AFTER_MS, MAX_ATTEMPTS
from batch_job.ledger.visits import Failure, Found, Worker
from batch_job.values.image import SideFile
from batch_job.values.ledger import LabelSet, Lease, LedgerEntry, State, SupersededSet
from batch_job.values.work import SkipReason
from tests.unit.ledger.entries import (
    DESCRIBED,
    IMAGE,
    INDEXED,
    LEASED,
    NOW_MS,
    REDOING,
    RETRYING,
    VERSION,
    WORKER,
    found,
)

FAILED = replace(INDEXED, state=State.FAILED, live=None, live_content=None, error_code=ErrorCode.UNREADABLE)
FROZEN = replace(FAILED, error_code=ErrorCode.ARCHIVED)
TOMBSTONE = replace(INDEXED, state=State.REMOVED, live=None, live_content=None)
RAN_OUT = replace(LEASED, lease=Lease("other", NOW_MS))
RELEASED = replace(LEASED, lease=None)
SHOWN = replace(RELEASED, live=INDEXED.live, live_content=INDEXED.live_content)
"""Claimed again, under other settings, and released; readers see its labels."""
PUT_OFF = generations.put_off(SHOWN, VERSION)
OTHER_INDEX = replace(WORKER, index_fingerprint="i2")
NEWER = {"settings_revision": 7}
SAME = SkipReason.SAME

VISITS: list[tuple[str, LedgerEntry | None, Found | None, Worker, SkipReason | None]] = [
    ("nothing anywhere", None, None, WORKER, SkipReason.ABSENT),
    ("a tombstone of what is gone", TOMBSTONE, None, WORKER, SkipReason.ABSENT),
    ("new", None, found(), WORKER, None),
    ("back after removal", TOMBSTONE, found(), WORKER, None),
    ("gone", INDEXED, None, WORKER, None),
    ("gone, and failed before", FAILED, None, WORKER, None),
    ("gone while somebody works", LEASED, None, WORKER, SkipReason.BUSY),
    ("somebody works", LEASED, found(), WORKER, SkipReason.BUSY),
    ("somebody works on an older one", LEASED, found("e2"), WORKER, SkipReason.BUSY),
    ("I work", LEASED, found(), replace(WORKER, owner="other"), None),
    ("gone while I work", LEASED, None, replace(WORKER, owner="other"), None),
    ("a lease ran out", RAN_OUT, found(), WORKER, None),
    ("released", RELEASED, found(), WORKER, None),
    ("the same", INDEXED, found(), WORKER, SkipReason.SAME),
    ("failed already", FAILED, found(), WORKER, SkipReason.SAME),
    ("overwritten", INDEXED, found("e2"), WORKER, None),
    ("failed, then overwritten", FAILED, found("e2"), WORKER, None),
    ("a side file came", INDEXED, found("e1", SideFile("o/a.tfw", "s")), WORKER, None),
    ("other index settings", INDEXED, found(), replace(WORKER, index_fingerprint="i2"), None),
    ("other detection settings", INDEXED, found(), replace(WORKER, detection_fingerprint="d2"), SkipReason.SAME),
    ("redo under other detection settings", INDEXED, found(), replace(REDOING, detection_fingerprint="d2"), None),
    ("redo under the same", INDEXED, found(), REDOING, SkipReason.SAME),
    ("redo of a failure", FAILED, found(), REDOING, None),
    ("redo of failures: one", FAILED, found(), RETRYING, None),
    ("redo of failures: not what is indexed", INDEXED, found(), replace(RETRYING, detection_fingerprint="d2"), SAME),
    ("redo of failures: frozen still", FROZEN, found(readable=False), RETRYING, SkipReason.ARCHIVED),
    ("redo of failures: frozen since", FAILED, found(readable=False), RETRYING, SkipReason.ARCHIVED),
    ("redo of failures: under newer settings", replace(FAILED, **NEWER), found(), RETRYING, SkipReason.OLDER_SETTINGS),
    ("frozen since", INDEXED, found(readable=False), WORKER, SkipReason.ARCHIVED),
    ("frozen still", FROZEN, found(readable=False), WORKER, SkipReason.ARCHIVED),
    ("restored", FROZEN, found(), WORKER, None),
    ("new and frozen", None, found(readable=False), WORKER, None),
    ("released, then frozen", SHOWN, found(readable=False), WORKER, SkipReason.ARCHIVED),
    ("released, frozen, all answers known", SHOWN, found(readable=False, has_answers=True), WORKER, None),
    ("another one released, then frozen", SHOWN, found("e2", readable=False), WORKER, None),
    ("released before any labels, then frozen", RELEASED, found(readable=False), WORKER, None),
    ("put off", PUT_OFF, found(readable=False, has_answers=True), WORKER, SkipReason.ARCHIVED),
    ("put off, restored", PUT_OFF, found(), WORKER, None),
    ("put off, other settings", PUT_OFF, found(readable=False, has_answers=True), OTHER_INDEX, None),
    ("frozen, answers do not do", FROZEN, found(readable=False, has_answers=True), WORKER, SkipReason.ARCHIVED),
    ("frozen, other settings", INDEXED, found(readable=False), OTHER_INDEX, SkipReason.ARCHIVED),
    ("frozen, other settings, answers", INDEXED, found(readable=False, has_answers=True), OTHER_INDEX, None),
    ("frozen, answers", INDEXED, found(readable=False, has_answers=True), WORKER, SkipReason.ARCHIVED),
    ("newer settings, the same", replace(INDEXED, **NEWER), found(), WORKER, SkipReason.SAME),
    ("newer settings", replace(INDEXED, **NEWER), found("e2"), WORKER, SkipReason.OLDER_SETTINGS),
    ("newer settings, run out", replace(RAN_OUT, **NEWER), found(), WORKER, SkipReason.OLDER_SETTINGS),
    ("newer settings, gone", replace(INDEXED, **NEWER), None, WORKER, None),
    ("newer settings, back", replace(TOMBSTONE, **NEWER), found(), WORKER, SkipReason.OLDER_SETTINGS),
]


@pytest.mark.parametrize(("entry", "what", "worker", "reason"), [v[1:] for v in VISITS], ids=[v[0] for v in VISITS])
def test_why_a_visit_does_nothing(
    entry: LedgerEntry | None, what: Found | None, worker: Worker, reason: SkipReason | None
) -> None:
    assert generations.why_skip(entry, what, worker, now_ms=NOW_MS) is reason


def claimed(before: LedgerEntry | None, etag: str = "e1") -> LedgerEntry:
    return generations.claimed(before, IMAGE, replace(VERSION, etag=etag), worker=WORKER, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("before", "attempts"),
    [
        (None, 0),
        (INDEXED, 0),
        (replace(RAN_OUT, attempts=1), 2),
        (replace(RELEASED, attempts=0), 0),
        (replace(RAN_OUT, attempts=2, version=replace(VERSION, etag="e0")), 0),
        (replace(LEASED, attempts=1, lease=Lease("me", NOW_MS + 9)), 1),
        (replace(LEASED, attempts=1, lease=Lease("me", NOW_MS - 9)), 1),
    ],
    ids=["new", "indexed", "ran out", "released", "ran out on another version", "my own", "my own ran out"],
)
def test_attempts_count_silent_ends_on_one_version(before: LedgerEntry | None, attempts: int) -> None:
    assert claimed(before).attempts == attempts


def test_the_third_silent_end_gives_a_version_up() -> None:
    twice = claimed(replace(RAN_OUT, attempts=MAX_ATTEMPTS - 2))
    thrice = claimed(replace(RAN_OUT, attempts=MAX_ATTEMPTS - 1))
    failure = generations.hopeless(thrice, found())
    assert generations.hopeless(twice, found()) is None
    assert failure is not None
    assert failure.code is ErrorCode.ABANDONED


def test_a_frozen_object_is_given_up_until_it_is_restored() -> None:
    failure = generations.hopeless(claimed(None), found(readable=False))
    assert failure is not None
    assert failure.code is ErrorCode.ARCHIVED
    entry = generations.failed(claimed(None), failure, described=DESCRIBED, now_ms=NOW_MS)
    assert generations.still_true(entry, found(readable=False))
    assert not generations.still_true(entry, found())


def test_what_was_settled_is_no_longer_true_when_the_bucket_changed() -> None:
    assert generations.still_true(INDEXED, found())
    assert not generations.still_true(INDEXED, found("e2"))
    assert not generations.still_true(INDEXED, found("e1", SideFile("o/a.tfw", "s")))
    assert not generations.still_true(INDEXED, None)


def test_a_claim_keeps_what_readers_see() -> None:
    claim = claimed(INDEXED, "e2")
    assert (claim.live, claim.described) == (INDEXED.live, INDEXED.described)


def test_what_was_given_up_or_put_off_says_so_and_is_nobodys() -> None:
    assert (PUT_OFF.state, PUT_OFF.error_code, PUT_OFF.lease) == (State.PROCESSING, ErrorCode.ARCHIVED, None)
    assert (PUT_OFF.epoch, PUT_OFF.live) == (SHOWN.epoch + 1, SHOWN.live)
    assert claimed(PUT_OFF).error_code is None


def test_the_content_of_the_labels_shown_goes_with_them() -> None:
    claim = claimed(INDEXED, "e2")
    assert claim.live_content == VERSION.content
    assert indexed(claim, NOW_MS).live_content == claim.version.content != VERSION.content
    assert generations.failed(claim, FAILURE, described=DESCRIBED, now_ms=NOW_MS).live_content is None


def test_labels_that_are_none_are_not_listed() -> None:
    entry = replace(INDEXED, live=LabelSet(INDEXED.epoch, 0))
    assert generations.removed(entry, now_ms=NOW_MS).superseded == ()


def test_a_tombstone_stays_until_it_is_old_and_its_labels_are_forgotten() -> None:
    old = NOW_MS + FORGET_AFTER_MS
    assert generations.may_go(TOMBSTONE, now_ms=old)
    assert not generations.may_go(TOMBSTONE, now_ms=NOW_MS + 1000)
    assert not generations.may_go(replace(TOMBSTONE, superseded=(SupersededSet(1, 1, 1),)), now_ms=old)
    assert not generations.may_go(INDEXED, now_ms=old)


@pytest.mark.parametrize(
    ("entry", "dead"),
    [
        (None, True),
        (replace(INDEXED, epoch=8, live=LabelSet(8, 1)), True),
        (replace(INDEXED, epoch=8, live=LabelSet(7, 1)), False),
        (replace(INDEXED, epoch=7, live=None), False),
    ],
    ids=["no entry", "passed over", "the truth", "current"],
)
def test_which_labels_of_epoch_7_are_dead(entry: LedgerEntry | None, *, dead: bool) -> None:
    assert generations.is_dead(entry, epoch=7) is dead


times = st.integers(min_value=0, max_value=2 * FORGET_AFTER_MS)
HANDS = {"claim", "fail", "release", "remove"}


def indexed(entry: LedgerEntry, now_ms: int) -> LedgerEntry:
    own = [labels.count for labels in entry.superseded if labels.epoch == entry.epoch]
    return generations.indexed(entry, count=sum(own), described=DESCRIBED, now_ms=now_ms)


FAILURE = Failure(ErrorCode.UNREADABLE, "x")
Step = Callable[[LedgerEntry, int, int], LedgerEntry]
AT_ANY_TIME: dict[str, Step] = {
    "claim": lambda e, now_ms, _: generations.claimed(e, IMAGE, VERSION, worker=WORKER, now_ms=now_ms),
    "remove": lambda e, now_ms, _: generations.removed(e, now_ms=now_ms),
    "forget": lambda e, now_ms, _: generations.forgotten(e, generations.forgettable(e, now_ms=now_ms)),
}
WHILE_HELD: dict[str, Step] = {
    "renew": lambda e, now_ms, _: generations.renewed(e, until_ms=now_ms, attempts=0),
    "declare": lambda e, now_ms, count: generations.declared(e, count=count, now_ms=now_ms),
    "index": lambda e, now_ms, _: indexed(e, now_ms),
    "fail": lambda e, now_ms, _: generations.failed(e, FAILURE, described=DESCRIBED, now_ms=now_ms),
    "release": lambda e, _now_ms, _count: generations.released(e),
}


def walk(entry: LedgerEntry, step: str, now_ms: int, count: int) -> LedgerEntry:
    """Take a step where the protocol allows it; else stay."""
    held = entry.state is State.PROCESSING and entry.lease is not None
    take = AT_ANY_TIME.get(step) or (WHILE_HELD[step] if held else None)
    return entry if take is None else take(entry, now_ms, count)


def listed(entry: LedgerEntry) -> set[LabelSet]:
    live = {entry.live} if entry.live is not None and entry.live.count else set()
    return live | {LabelSet(labels.epoch, labels.count) for labels in entry.superseded}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*AT_ANY_TIME, *WHILE_HELD]), times, st.integers(min_value=1, max_value=5)),
        max_size=30,
    )
)
def test_every_walk_keeps_the_laws(path: list[tuple[str, int, int]]) -> None:
    entry, now_ms = claimed(None), NOW_MS
    for step, wait_ms, count in path:
        now_ms += wait_ms
        before, entry = entry, walk(entry, step, now_ms, count)
        if step in HANDS and entry is not before:
            assert entry.epoch > before.epoch
        assert entry.epoch >= before.epoch
        gone = set(generations.forgettable(before, now_ms=now_ms)) if step == "forget" else set()
        redeclared = {labels for labels in listed(before) if step == "declare" and labels.epoch == entry.epoch}
        assert listed(before) - gone - redeclared <= listed(entry)
        dead = set(generations.dead(entry))
        assert all(labels.epoch < entry.epoch and labels != entry.live for labels in dead)
        assert set(generations.forgettable(entry, now_ms=now_ms)) <= dead
        assert LedgerEntry.from_source(entry.to_source()) == entry


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=3 * FORGET_AFTER_MS))
def test_labels_are_forgotten_only_when_no_request_can_arrive(age_ms: int) -> None:
    entry = replace(INDEXED, superseded=(SupersededSet(5, 2, NOW_MS),))
    forgettable = generations.forgettable(entry, now_ms=NOW_MS + age_ms)
    assert forgettable == ((LabelSet(5, 2),) if age_ms > FORGET_AFTER_MS else ())
