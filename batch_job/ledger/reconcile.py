"""One step behind every door: make the index say what the bucket says of one image (``docs/reconcile.md``)."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from batch_job.errors import BackfillError, ChangedError, ErrorCode, LeaseLostError
from batch_job.ledger import generations
from batch_job.ledger.indexing import Indexing
from batch_job.ledger.lease import Hold
from batch_job.ledger.looking import look
from batch_job.ledger.visits import Failure, Found, LedgerSettings, Worker
from batch_job.ledger.writes import LedgerWriter
from batch_job.ports import Clock, LabelIndex, Ledger, ObjectStore, Processing
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LedgerEntry, Seen, State, StoredEntry
from batch_job.values.work import Failed, Outcome, Redo, Removed, Skipped, SkipReason

MAX_ROUNDS = 5
"""An object that changes faster than it can be processed goes back to its queue after so many tries."""


def random_token() -> str:
    """Make a token that nobody made before."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """The ports, and who works under which settings."""

    store: ObjectStore
    ledger: Ledger
    labels: LabelIndex
    processing: Processing
    clock: Clock
    settings: LedgerSettings
    owner: str
    """Names one line of work; a lease of this name is taken for our own, and simply claimed again.

    So two threads may share a reconciler as long as they never reconcile the same image at once."""
    redo: Redo = Redo.NOTHING
    new_token: Callable[[], str] = random_token
    """Signs each write of the ledger; never gives the same text twice."""
    sleep: Callable[[float], None] = time.sleep
    """Waits before a write that the index refused is repeated, seconds."""

    @property
    def writer(self) -> LedgerWriter:
        """Writes the ledger."""
        return LedgerWriter(
            store=self.store, ledger=self.ledger, clock=self.clock, new_token=self.new_token, sleep=self.sleep
        )

    @property
    def indexing(self) -> Indexing:
        """Does the work of a claim."""
        return Indexing(ledger=self.ledger, labels=self.labels, processing=self.processing)

    def reconcile(self, image: ImageRef) -> Outcome:
        """Make the index say what the bucket says of an image. Safe to repeat, at any time, by anybody.

        Raises:
            TransientError: try the same item again later.
            DeploymentError: stop; no item would fare better.
        """
        visit = _Visit(self, image)
        try:
            return visit.go()
        except BaseException as error:
            visit.let_go(error)
            raise

    def delete_dead(self, entry: LedgerEntry) -> None:
        """Delete the labels that will never be the truth again; that they are gone already is no error."""
        for labels in generations.dead(entry):
            self.labels.delete(entry.image, labels)


class _Visit:
    """One call of ``reconcile``: rounds of looking and acting, and the claim that is held in between."""

    def __init__(self, by: Reconciler, image: ImageRef) -> None:
        self._by = by
        self._image = image
        self._worker = Worker.under(by.settings, owner=by.owner, redo=by.redo)
        self._writer = by.writer
        self._held: Hold | None = None
        self._tried: LedgerEntry | None = None
        """A claim that was written, perhaps, or still may be: its answer was lost."""
        self._wants_pixels: str | None = None
        """The content for which the archive's answers alone turned out not to do."""

    def go(self) -> Outcome:
        """Look and act until what was done is still true when looked at again."""
        for _ in range(MAX_ROUNDS):
            outcome = self._round()
            if outcome is not None:
                return outcome
        raise ChangedError(f"{self._image.uri}: changed during each of {MAX_ROUNDS} visits")

    def _round(self) -> Outcome | None:
        """Do one round; None when everything must be looked at again."""
        stored, found = self._look()
        entry = None if stored is None else stored.entry
        now_ms = self._writer.now_ms(self._image)
        reason = generations.why_skip(entry, found, self._worker, now_ms=now_ms)
        if found is not None and self._may_do_without_pixels(entry, found, now_ms=now_ms):
            found, reason = replace(found, has_answers=True), None
        if reason is not None:
            return self._skip(stored, found, reason)
        if found is not None:
            return self._claim(stored, found)
        return None if stored is None else self._remove(stored)

    def _look(self) -> tuple[StoredEntry | None, Found | None]:
        """Read the ledger first: a claim then fails if anybody wrote since, so it never rests on an old look."""
        stored = self._by.ledger.get(self._image)
        return stored, look(self._by.store, self._image)

    def _may_do_without_pixels(self, entry: LedgerEntry | None, found: Found, *, now_ms: int) -> bool:
        """Tell whether an object in an archive storage class is work, since the archive holds all its answers."""
        if found.facts.readable or found.content == self._wants_pixels:
            return False
        with_answers = replace(found, has_answers=True)
        if generations.why_skip(entry, with_answers, self._worker, now_ms=now_ms) is not None:
            return False
        return self._by.processing.archived(self._image, self._version(entry, found))

    def _skip(self, stored: StoredEntry | None, found: Found | None, reason: SkipReason) -> Skipped | None:
        if stored is None:
            return Skipped(self._image, reason)
        if found is not None and stored.entry.state is State.PROCESSING and reason is SkipReason.ARCHIVED:
            return self._put_off(stored, found)
        if stored.entry.state in (State.INDEXED, State.FAILED):
            self._by.delete_dead(stored.entry)
        return Skipped(self._image, reason, stored.entry.error_code)

    def _put_off(self, stored: StoredEntry, found: Found) -> Skipped | None:
        """Leave work that needs pixels until the object is restored: nobody's, and only the true labels stay."""
        if stored.entry.error_code is not ErrorCode.ARCHIVED or not found.same_content(stored.entry.version):
            waiting = generations.put_off(stored.entry, self._version(stored.entry, found))
            taken = self._take(waiting, over=stored.seen)
            if taken is None:
                return None
            stored = taken
        self._held = None
        self._by.delete_dead(stored.entry)
        return Skipped(self._image, SkipReason.ARCHIVED)

    def _take(self, entry: LedgerEntry, *, over: Seen | None) -> StoredEntry | None:
        return self._writer.take(self._writer.signed(entry), over=over)

    def _remove(self, stored: StoredEntry) -> Outcome | None:
        now_ms = self._writer.now_ms(self._image)
        taken = self._take(generations.removed(stored.entry, now_ms=now_ms), over=stored.seen)
        if taken is None:
            return None
        self._held = None
        self._by.delete_dead(taken.entry)
        is_back = self._by.store.head(self._image) is not None
        return None if is_back else Removed(self._image)

    def _claim(self, stored: StoredEntry | None, found: Found) -> Outcome | None:
        entry, seen = (None, None) if stored is None else (stored.entry, stored.seen)
        version = self._version(entry, found)
        now_ms = self._writer.now_ms(self._image)
        claim = generations.claimed(entry, self._image, version, worker=self._worker, now_ms=now_ms)
        failure = generations.hopeless(claim, found)
        if failure is not None:
            return self._give_up(claim, failure, found=found, over=seen)
        self._tried = self._writer.signed(claim)
        taken = self._writer.take(self._tried, over=seen)
        if taken is None:
            return None  # it may still be under way: let_go looks for it
        self._held, self._tried = self._hold(taken), None
        if self._held.now_ms() > now_ms + generations.LABEL_DEADLINE_MS:
            return None  # so late that a tombstone may have come and gone since we looked: look again
        return self._work(self._held, found)

    def _hold(self, taken: StoredEntry) -> Hold:
        return Hold(self._writer, taken, lease_s=self._worker.lease_s)

    def _version(self, entry: LedgerEntry | None, found: Found) -> ImageVersion:
        """Choose the claim's version: other detection settings, or side files, are no reason to pay again."""
        version = found.version_for(self._worker)
        if entry is None or self._worker.redo is Redo.DETECTION or found.facts.etag != entry.version.etag:
            return version
        older = replace(version, detection_fingerprint=entry.version.detection_fingerprint)
        return older if older == version or self._by.processing.archived(self._image, older) else version

    def _give_up(self, claim: LedgerEntry, failure: Failure, *, found: Found, over: Seen | None) -> Outcome | None:
        """Record a failure that needs no work, in one write."""
        now_ms = self._writer.now_ms(self._image)
        entry = generations.failed(claim, failure, described=found.described(), now_ms=now_ms)
        taken = self._take(entry, over=over)
        outcome = Failed(self._image, failure.code, failure.message)
        return None if taken is None else self._conclude(taken.entry, outcome)

    def _work(self, hold: Hold, found: Found) -> Outcome | None:
        try:
            entry, outcome = self._by.indexing.index(hold, found)
        except ChangedError:
            if not found.facts.readable:
                self._wants_pixels = found.content
            return None  # the claim stays ours: the next round claims what it finds over it, or removes
        except LeaseLostError:
            self._held = None
            self._by.indexing.clean_up(hold)
            return None
        return self._conclude(entry, outcome)

    def _conclude(self, entry: LedgerEntry, outcome: Outcome) -> Outcome | None:
        """Clean up after a version was settled, and look whether it is still what stands in the bucket."""
        self._held = None
        self._by.delete_dead(entry)
        found = look(self._by.store, self._image)
        return outcome if generations.still_true(entry, found) else None

    def let_go(self, reason: BaseException) -> None:
        """Release the claim, if one is held; when that fails the lease runs out, and ``reason`` says so."""
        try:
            held = self._claim_in_force()
            if held is not None:
                held.advance(generations.released)
        except BackfillError as error:
            reason.add_note(f"{self._image.uri}: its claim could not be released: {error}")

    def _claim_in_force(self) -> Hold | None:
        """Find the claim that we hold, be it one whose answer was lost."""
        taken = None if self._tried is None else self._writer.find(self._tried)
        return self._held if taken is None else self._hold(taken)
