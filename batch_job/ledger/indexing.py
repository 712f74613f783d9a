"""From a claim that is held to labels that are the truth, or to a failure on record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batch_job.errors import InputError
from batch_job.ledger import generations
from batch_job.ledger.lease import Hold
from batch_job.ledger.visits import Failure, Found
from batch_job.ports import LabelIndex, Ledger, Processing
from batch_job.values.documents import LabelDocument
from batch_job.values.ledger import LabelSet, LedgerEntry
from batch_job.values.work import Failed, Indexed, Outcome, Processed, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexing:
    """The ports that the work of a claim needs."""

    ledger: Ledger
    labels: LabelIndex
    processing: Processing

    def index(self, hold: Hold, found: Found) -> tuple[LedgerEntry, Outcome]:
        """Process and index, or record that this version cannot be.

        Raises:
            ChangedError: the object is no longer this version; the claim is still ours.
            LeaseLostError: the claim is no longer ours; ``clean_up``.
        """
        try:
            done = self._write_labels(hold, found)
            count, now_ms = len(done.labels), hold.now_ms()
            entry = hold.advance(
                lambda before: generations.indexed(before, count=count, described=done.described, now_ms=now_ms)
            )
            return entry, Indexed(found.image, count)
        except InputError as error:
            failure, now_ms = Failure(error.code, str(error)), hold.now_ms()
        described = found.described()
        entry = hold.advance(lambda before: generations.failed(before, failure, described=described, now_ms=now_ms))
        return entry, Failed(found.image, failure.code, failure.message)

    def _write_labels(self, hold: Hold, found: Found) -> Processed:
        """Process, declare the labels in the ledger, then write them."""
        entry = hold.entry
        done = self.processing.process(Work(found.image, found.facts, entry.version, entry.epoch), hold)
        count, now_ms = len(done.labels), hold.now_ms()
        if count:
            hold.advance(lambda before: generations.declared(before, count=count, now_ms=now_ms))
            hold.written = LabelSet(entry.epoch, count)
            self.labels.write(_keeping(done.labels, hold), until_ms=now_ms + generations.LABEL_DEADLINE_MS)
        return done

    def clean_up(self, hold: Hold) -> None:
        """After a loss, delete what we wrote, unless the ledger made it the truth before it passed on."""
        if hold.written is None:
            return
        image = hold.entry.image
        stored = self.ledger.get(image)
        if generations.is_dead(None if stored is None else stored.entry, epoch=hold.written.epoch):
            self.labels.delete(image, hold.written)


def _keeping(labels: Sequence[LabelDocument], hold: Hold) -> Iterator[LabelDocument]:
    """Yield labels, holding on to the lease while they are written."""
    for label in labels:
        hold.keep()
        yield label
