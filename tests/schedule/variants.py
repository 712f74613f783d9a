"""The real code with one rule of DESIGN 4.1 taken out. Each must be caught, or the schedules prove nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from batch_job.adapters.store_time import DATE_RESOLUTION_MS, DatedAnswer, StoreTime
from batch_job.errors import ErrorCode
from batch_job.ledger import generations, nightly, reconcile
from batch_job.ledger.indexing import Indexing
from batch_job.ledger.lease import Hold
from batch_job.ledger.looking import look
from batch_job.ledger.reconcile import Reconciler
from batch_job.ledger.visits import Failure
from batch_job.values.documents import ImageDocument, TimeSource
from batch_job.values.ledger import LabelSet, LedgerEntry, State, StoredEntry
from batch_job.values.work import Redo
from tests.schedule.run import Tokens, run, token_per_write
from tests.schedule.scene import TIME


@dataclass(frozen=True)
class Variant:
    """One rule less."""

    patches: tuple[tuple[Any, str, Any], ...] = ()
    tokens: Tokens = token_per_write

    @contextmanager
    def in_force(self) -> Iterator[None]:
        with ExitStack() as stack:
            for target, name, new in self.patches:
                stack.enter_context(patch.object(target, name, new))
            yield

    def run(self, seed: int) -> Counter[str]:
        """Run a seed without the rule. Raises as ``run``; other errors show the missing rule too."""
        with self.in_force():
            return run(seed, self.tokens)


_version = reconcile._Visit._version
_attempts, _waits = generations._attempts, generations._waits_for_pixels
_real = {name: getattr(generations, name) for name in dir(generations) if not name.startswith("_")}


def _same_epoch(change: Callable[..., LedgerEntry]) -> Callable[..., LedgerEntry]:
    def changed(entry: LedgerEntry, *args: Any, **facts: Any) -> LedgerEntry:
        return replace(change(entry, *args, **facts), epoch=entry.epoch)

    return changed


def _released_as_failed(entry: LedgerEntry) -> LedgerEntry:
    described = ImageDocument(
        image=entry.image,
        etag=entry.version.etag,
        size=1,
        last_modified=TIME,
        time=TIME,
        time_source=TimeSource.LAST_MODIFIED,
    )
    return _real["failed"](entry, Failure(ErrorCode.UNREADABLE, "released"), described=described, now_ms=0)


def _released_counting(entry: LedgerEntry) -> LedgerEntry:
    return replace(_real["released"](entry), attempts=entry.attempts + 1)


def _failed_keeping_labels(entry: LedgerEntry, *args: Any, **facts: Any) -> LedgerEntry:
    return replace(_real["failed"](entry, *args, **facts), live=entry.live, superseded=entry.superseded)


def _forget_then_delete(reconciler: Reconciler, stored: StoredEntry) -> None:
    now_ms = reconciler.writer.now_ms(stored.entry.image)
    gone = generations.forgettable(stored.entry, now_ms=now_ms)
    if gone:
        reconciler.writer.strike_off(stored, gone)
    elif generations.may_go(stored.entry, now_ms=now_ms):
        reconciler.ledger.delete(stored.entry.image, over=stored.seen)
    for labels in gone:
        reconciler.labels.delete(stored.entry.image, labels)


def _look_then_read(visit: Any) -> Any:
    found = look(visit._by.store, visit._image)
    return visit._by.ledger.get(visit._image), found


def _undeclared(entry: LedgerEntry, **facts: Any) -> LedgerEntry:
    return entry


def _current_is_dead(entry: LedgerEntry) -> tuple[LabelSet, ...]:
    return tuple(LabelSet(labels.epoch, labels.count) for labels in entry.superseded)


def _first_epoch_is_one(before: LedgerEntry | None, *args: Any, **facts: Any) -> LedgerEntry:
    claim = _real["claimed"](before, *args, **facts)
    return replace(claim, epoch=1 if before is None else before.epoch + 1)


def _tombstone_goes_at_once(entry: LedgerEntry, *, now_ms: int) -> bool:
    return entry.state is State.REMOVED


def _skipping_nothing_older(entry: Any, found: Any, worker: Any, *, now_ms: int) -> Any:
    return _real["why_skip"](entry, found, replace(worker, settings_revision=10**6), now_ms=now_ms)


def _always(*args: Any, **facts: Any) -> bool:
    return True


def _nothing(*args: Any, **facts: Any) -> None:
    return None


def _token_per_worker(owner: str) -> Callable[[], str]:
    return lambda: owner


def _takes_leases_over(entry: LedgerEntry, *, now_ms: int) -> bool:
    return False


def _never_abandoned(claim: LedgerEntry, found: Any) -> Failure | None:
    return _real["hopeless"](replace(claim, attempts=0), found)


def _frozen_for_good(entry: Any, found: Any, worker: Any, *, now_ms: int) -> Any:
    return _real["why_skip"](replace(entry, error_code=None) if entry else None, found, worker, now_ms=now_ms)


def _true_when_read(before: StoreTime, answer: DatedAnswer) -> StoreTime:
    """Hear a date as the time at which it is read, however long it was under way."""
    if answer.date_ms <= before.newest_date_ms:
        return before
    noted_ms = min(max(before.at(answer.read_ms), answer.date_ms), answer.date_ms + DATE_RESOLUTION_MS)
    return StoreTime(
        newest_date_ms=answer.date_ms, noted_ms=noted_ms, noted_at_ms=answer.read_ms, asked_at_ms=answer.read_ms
    )


def _without_live(entry: LedgerEntry) -> LedgerEntry:
    superseded = generations._retired(entry.live, entry.superseded, now_ms=entry.epoch)
    return replace(entry, live=None, live_content=None, superseded=superseded)


def _claimed_without_live(*args: Any, **facts: Any) -> LedgerEntry:
    return _without_live(_real["claimed"](*args, **facts))


def _released_without_live(entry: LedgerEntry) -> LedgerEntry:
    return _without_live(_real["released"](entry))


def _own_settings(visit: Any, entry: Any, found: Any) -> Any:
    return found.version_for(visit._worker)


def _own_if_redoing(visit: Any, entry: Any, found: Any) -> Any:
    redoing = visit._worker.redo is not Redo.NOTHING
    return found.version_for(visit._worker) if redoing else _version(visit, entry, found)


def _asking_for_all(entry: LedgerEntry, worker: Any) -> bool:
    other = entry.version.detection_fingerprint != worker.detection_fingerprint
    return worker.redo is not Redo.NOTHING and (entry.state is State.FAILED or other)


def _only_answered_claims(visit: Any) -> Any:
    return visit._held


def _never(*args: Any, **facts: Any) -> bool:
    return False


def _counting_its_own(before: Any, version: Any, *, worker: Any, now_ms: int) -> int:
    return int(_attempts(before, version, worker=replace(worker, owner="nobody"), now_ms=now_ms))


def _waiting_whatever_is_shown(entry: LedgerEntry, found: Any, worker: Any) -> Any:
    return _waits(replace(entry, live_content=found.content), found, worker)


def _tried_every_night(entry: LedgerEntry, found: Any, worker: Any) -> Any:
    return found.workable


VARIANTS: dict[str, Variant] = {
    # the eight of the issue
    "the epoch stays on removal": Variant(((generations, "removed", _same_epoch(generations.removed)),)),
    "a token per worker, not per write": Variant(tokens=_token_per_worker),
    "a release is recorded as failed": Variant(((generations, "released", _released_as_failed),)),
    "progress does not reset the attempts": Variant(((Hold, "part_archived", _nothing),)),
    "a failure keeps its labels": Variant(((generations, "failed", _failed_keeping_labels),)),
    "the pass forgets, then deletes": Variant(((nightly, "forget", _forget_then_delete),)),
    "HEAD before GET": Variant(((reconcile._Visit, "_look", _look_then_read),)),
    "no look at the lease before a paid call": Variant(((Hold, "keep", _nothing),)),
    # and more
    "the epoch stays on failure": Variant(((generations, "failed", _same_epoch(generations.failed)),)),
    "a release counts as an attempt": Variant(((generations, "released", _released_counting),)),
    "labels are not declared": Variant(((generations, "declared", _undeclared),)),
    "labels of the current epoch count as dead": Variant(((generations, "dead", _current_is_dead),)),
    "after a loss all own labels are deleted": Variant(((generations, "is_dead", _always),)),
    "labels are written at any time": Variant(((generations, "LABEL_DEADLINE_MS", 10**12),)),
    "the pass forgets at once": Variant(((generations, "FORGET_AFTER_MS", 0),)),
    "first epochs are 1": Variant(((generations, "claimed", _first_epoch_is_one),)),
    "a tombstone goes with labels on its list": Variant(((generations, "may_go", _tombstone_goes_at_once),)),
    "no look after settling": Variant(((generations, "still_true", _always),)),
    "older settings win": Variant(((generations, "why_skip", _skipping_nothing_older),)),
    "live leases are taken over": Variant(((generations, "is_leased", _takes_leases_over),)),
    "three deaths do not end it": Variant(((generations, "hopeless", _never_abandoned),)),
    "a date is the time when it is read": Variant(((StoreTime, "after", _true_when_read),)),
    # what readers see
    "a claim drops what is live": Variant(((generations, "claimed", _claimed_without_live),)),
    "a release drops what is live": Variant(((generations, "released", _released_without_live),)),
    # whose settings, whose leases, whose labels
    "a claim takes its worker's detection settings": Variant(((reconcile._Visit, "_version", _own_settings),)),
    "an error does not release the claim": Variant(((reconcile._Visit, "let_go", _nothing),)),
    "a claim without an answer is not released": Variant(
        ((reconcile._Visit, "_claim_in_force", _only_answered_claims),)
    ),
    "an own lease that ran out counts as an attempt": Variant(((generations, "_attempts", _counting_its_own),)),
    "after a loss nothing is deleted": Variant(((Indexing, "clean_up", _nothing),)),
    # what somebody asked for again
    "asked for failures, what is indexed is done again": Variant(((generations, "_is_asked_again", _asking_for_all),)),
    "a failure is final, whoever asks": Variant(((generations, "_is_asked_again", _never),)),
    "failures are tried under the worker's detection settings": Variant(
        ((reconcile._Visit, "_version", _own_if_redoing),)
    ),
    # objects in an archive storage class
    "frozen during work, true labels go": Variant(((generations, "_waits_for_pixels", _nothing),)),
    "frozen during work, any labels stay": Variant(((generations, "_waits_for_pixels", _waiting_whatever_is_shown),)),
    "frozen is never indexed from the archive": Variant(((reconcile._Visit, "_may_do_without_pixels", _never),)),
    "frozen is tried without pixels every night": Variant(((generations, "_is_workable", _tried_every_night),)),
    "failed(archived) is final": Variant(((generations, "why_skip", _frozen_for_good),)),
}
