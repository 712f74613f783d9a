"""The ledger's state machine: when a visit acts, and every change of an entry. Pure; ``docs/reconcile.md`` tells why.

The epoch grows with every change of hands (claim, removal, failure, release), and a label's id holds its epoch. So
labels of epochs below the ledger's, ``live`` apart, are dead for ever: anybody may delete them, any number of times.
"""

from dataclasses import replace

from batch_job.errors import ErrorCode
from batch_job.ledger.visits import Failure, Found, Worker
from batch_job.values.documents import ImageDocument
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LabelSet, Lease, LedgerEntry, State, SupersededSet
from batch_job.values.work import Redo, SkipReason

LABEL_DEADLINE_MS = 60 * 60 * 1000
"""No request that writes labels is signed later than this after their declaration."""
FORGET_AFTER_MS = LABEL_DEADLINE_MS + 10 * 60 * 1000
"""When no such request can arrive any more: a signature is good for 5 minutes, clocks differ by seconds."""
FROZEN = Failure(ErrorCode.ARCHIVED, "in an archive storage class and not restored")
MAX_ATTEMPTS = 3
"""So many workers may die on a version, without a word and without a new part in the archive."""


def why_skip(entry: LedgerEntry | None, found: Found | None, worker: Worker, *, now_ms: int) -> SkipReason | None:
    """Tell why a visit should do nothing; None: it should claim what it found, or remove what it did not find.

    ``entry`` must have been read before ``found``.
    """
    if entry is None:
        return SkipReason.ABSENT if found is None else None
    if is_leased(entry, now_ms=now_ms) and not _is_mine(entry, worker):
        return SkipReason.BUSY
    if found is None:
        return SkipReason.ABSENT if entry.state is State.REMOVED else None
    settled = _settled(entry, found, worker)
    if settled is None and entry.settings_revision > worker.settings_revision:
        return SkipReason.OLDER_SETTINGS
    return settled or _waits_for_pixels(entry, found, worker)


def is_leased(entry: LedgerEntry, *, now_ms: int) -> bool:
    """Tell whether somebody works on it and has said so lately."""
    return entry.state is State.PROCESSING and entry.lease is not None and entry.lease.until_ms > now_ms


def _is_mine(entry: LedgerEntry, worker: Worker) -> bool:
    return entry.lease is not None and entry.lease.owner == worker.owner


def _settled(entry: LedgerEntry, found: Found, worker: Worker) -> SkipReason | None:
    """Tell why an entry needs no work, or None when it may."""
    if entry.state not in (State.INDEXED, State.FAILED) or not found.same_content(entry.version):
        return None
    if not _is_workable(entry, found, worker):
        return SkipReason.ARCHIVED
    if entry.error_code is ErrorCode.ARCHIVED or entry.version.index_fingerprint != worker.index_fingerprint:
        return None
    if _is_asked_again(entry, worker):
        return None
    return SkipReason.SAME if found.facts.readable else SkipReason.ARCHIVED


def _is_asked_again(entry: LedgerEntry, worker: Worker) -> bool:
    """Tell whether somebody asked for what is settled already; once it is indexed under this request it is the same."""
    if worker.redo is Redo.NOTHING:
        return False
    if entry.state is State.FAILED:
        return True
    return worker.redo is Redo.DETECTION and entry.version.detection_fingerprint != worker.detection_fingerprint


def _waits_for_pixels(entry: LedgerEntry, found: Found, worker: Worker) -> SkipReason | None:
    """Tell whether work that was begun has to wait for pixels, while the labels that readers see are still true."""
    still_true = entry.live is not None and entry.live_content == found.content
    waits = entry.state is State.PROCESSING and still_true and not _is_workable(entry, found, worker)
    return SkipReason.ARCHIVED if waits else None


def _is_workable(entry: LedgerEntry, found: Found, worker: Worker) -> bool:
    """Tell whether pixels can be had, or are not needed; where that did not do once, it will not do again."""
    waits = entry.error_code is ErrorCode.ARCHIVED and entry.version.index_fingerprint == worker.index_fingerprint
    return found.facts.readable or (found.has_answers and not waits)


def still_true(entry: LedgerEntry, found: Found | None) -> bool:
    """Tell whether what was just recorded, indexed or failed, still holds for what stands in the bucket."""
    if found is None or not found.same_content(entry.version):
        return False
    return not (entry.error_code is ErrorCode.ARCHIVED and found.facts.readable)


def claimed(
    before: LedgerEntry | None, image: ImageRef, version: ImageVersion, *, worker: Worker, now_ms: int
) -> LedgerEntry:
    """Claim a version. A claim's epoch is at least the time in ms, so that no epoch returns after a tombstone went."""
    return LedgerEntry(
        image=image,
        state=State.PROCESSING,
        version=version,
        epoch=now_ms if before is None else max(before.epoch + 1, now_ms),
        lease=Lease(owner=worker.owner, until_ms=now_ms + worker.lease_s * 1000),
        attempts=_attempts(before, version, worker=worker, now_ms=now_ms),
        live=None if before is None else before.live,
        live_content=None if before is None else before.live_content,
        superseded=() if before is None else before.superseded,
        settings_revision=worker.settings_revision,
        described=None if before is None or before.live is None else before.described,
    )


def _attempts(before: LedgerEntry | None, version: ImageVersion, *, worker: Worker, now_ms: int) -> int:
    """Count the workers that fell silent on this version; one that released it, or goes on with it, is none of them."""
    if before is None or before.state is not State.PROCESSING or before.version != version:
        return 0
    fell_silent = before.lease is not None and not is_leased(before, now_ms=now_ms) and not _is_mine(before, worker)
    return before.attempts + (1 if fell_silent else 0)


def hopeless(claim: LedgerEntry, found: Found) -> Failure | None:
    """Tell why a claim should be recorded as failed instead of being worked on."""
    if not found.workable:
        return FROZEN
    if claim.attempts >= MAX_ATTEMPTS:
        return Failure(ErrorCode.ABANDONED, f"{claim.attempts} workers fell silent on it, one after the other")
    return None


def renewed(entry: LedgerEntry, *, until_ms: int, attempts: int) -> LedgerEntry:
    """Hold on to a claim."""
    lease = None if entry.lease is None else replace(entry.lease, until_ms=until_ms)
    return replace(entry, lease=lease, attempts=attempts)


def declared(entry: LedgerEntry, *, count: int, now_ms: int) -> LedgerEntry:
    """Write down which labels may exist from now on."""
    others = tuple(labels for labels in entry.superseded if labels.epoch != entry.epoch)
    return replace(entry, superseded=(*others, SupersededSet(entry.epoch, count, now_ms)))


def indexed(entry: LedgerEntry, *, count: int, described: ImageDocument, now_ms: int) -> LedgerEntry:
    """Make the claim's labels the truth; this write is the switch that readers look at."""
    others = tuple(labels for labels in entry.superseded if labels.epoch != entry.epoch)
    return replace(
        entry,
        state=State.INDEXED,
        lease=None,
        attempts=0,
        live=LabelSet(entry.epoch, count),
        live_content=entry.version.content,
        superseded=_retired(entry.live, others, now_ms=now_ms),
        described=described,
    )


def failed(entry: LedgerEntry, failure: Failure, *, described: ImageDocument, now_ms: int) -> LedgerEntry:
    """Give up a claimed version; no label is the truth any more."""
    return replace(
        _without_labels(entry, now_ms=now_ms),
        state=State.FAILED,
        error_code=failure.code,
        error=failure.message,
        described=described,
    )


def removed(entry: LedgerEntry, *, now_ms: int) -> LedgerEntry:
    """Leave a tombstone, which remembers the labels until they are gone for certain."""
    bare = _without_labels(entry, now_ms=now_ms)
    return replace(bare, state=State.REMOVED, error_code=None, error=None, described=None)


def _without_labels(entry: LedgerEntry, *, now_ms: int) -> LedgerEntry:
    superseded = _retired(entry.live, entry.superseded, now_ms=now_ms)
    return replace(
        entry, epoch=entry.epoch + 1, lease=None, attempts=0, live=None, live_content=None, superseded=superseded
    )


def _retired(live: LabelSet | None, others: tuple[SupersededSet, ...], *, now_ms: int) -> tuple[SupersededSet, ...]:
    return others if live is None or not live.count else (*others, SupersededSet(live.epoch, live.count, now_ms))


def released(entry: LedgerEntry) -> LedgerEntry:
    """Give a claim back: nobody's, to be claimed again, and no attempt counts."""
    return replace(entry, epoch=entry.epoch + 1, lease=None, attempts=0)


def put_off(entry: LedgerEntry, version: ImageVersion) -> LedgerEntry:
    """Leave a version until its object is restored; what readers see is still true of it."""
    return replace(released(entry), version=version, error_code=FROZEN.code, error=FROZEN.message)


def dead(entry: LedgerEntry) -> tuple[LabelSet, ...]:
    """Name the labels that may exist and never will be the truth again."""
    return tuple(LabelSet(labels.epoch, labels.count) for labels in entry.superseded if labels.epoch < entry.epoch)


def is_dead(entry: LedgerEntry | None, *, epoch: int) -> bool:
    """Tell whether the labels of an epoch are dead; with no entry they are, since no epoch returns."""
    if entry is None:
        return True
    return entry.epoch > epoch and (entry.live is None or entry.live.epoch != epoch)


def forgettable(entry: LedgerEntry, *, now_ms: int) -> tuple[LabelSet, ...]:
    """Name the dead labels that nobody can be writing any more."""
    late = {labels.epoch for labels in entry.superseded if labels.declared_ms + FORGET_AFTER_MS < now_ms}
    return tuple(labels for labels in dead(entry) if labels.epoch in late)


def forgotten(entry: LedgerEntry, labels: tuple[LabelSet, ...]) -> LedgerEntry:
    """Strike deleted labels off the list."""
    epochs = {gone.epoch for gone in labels}
    return replace(entry, superseded=tuple(kept for kept in entry.superseded if kept.epoch not in epochs))


def may_go(entry: LedgerEntry, *, now_ms: int) -> bool:
    """Tell whether a tombstone may be deleted: nothing superseded, and its epochs lie well before any new one."""
    return entry.state is State.REMOVED and not entry.superseded and entry.epoch + FORGET_AFTER_MS < now_ms
