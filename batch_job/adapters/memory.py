"""The ports in memory: for tests, and for trying things out. They keep every promise of their ports."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from batch_job.errors import ConflictError, LateError
from batch_job.values.documents import LabelDocument, label_id
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, LedgerEntry, Seen, StoredEntry
from batch_job.values.objects import ListedObject, ObjectFacts

if TYPE_CHECKING:
    from batch_job.ports import ArchiveStore, Clock, LabelIndex, Ledger, ObjectStore

EPOCH = "2026-01-01T00:00:00Z"
FIRST_TERM = 1


class ManualClock:
    """Time that passes when told to."""

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Give ms since 1970."""
        return self._now_ms

    def reading_age_ms(self) -> int:
        """Say that the reading is of this moment."""
        return 0

    def advance(self, *, ms: int) -> None:
        """Let time pass."""
        self._now_ms += ms


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in memory."""

    body: bytes = field(repr=False)
    facts: ObjectFacts


class MemoryObjectStore:
    """Buckets in memory; ETags are MD5 sums, as S3 makes them for a simple upload."""

    def __init__(self) -> None:
        self._objects: dict[ImageRef, StoredObject] = {}

    def put(self, image: ImageRef, body: bytes, *, last_modified: str = EPOCH) -> ObjectFacts:
        """Write an object, over what was there."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        facts = ObjectFacts(etag=etag, size=len(body), last_modified=last_modified)
        self._objects[image] = StoredObject(body, facts)
        return facts

    def delete(self, image: ImageRef) -> None:
        """Delete an object; that there is none is no error."""
        self._objects.pop(image, None)

    def freeze(self, image: ImageRef) -> None:
        """Move an object to an archive storage class."""
        self._set_readable(image, readable=False)

    def restore(self, image: ImageRef) -> None:
        """Make an object in an archive storage class readable."""
        self._set_readable(image, readable=True)

    def _set_readable(self, image: ImageRef, *, readable: bool) -> None:
        old = self._objects[image]
        self._objects[image] = replace(old, facts=replace(old.facts, readable=readable))

    def read(self, image: ImageRef) -> bytes | None:
        """Give an object's bytes, or None."""
        stored = self._objects.get(image)
        return None if stored is None else stored.body

    def head(self, image: ImageRef) -> ObjectFacts | None:
        """Ask for an object's facts; None when it does not exist."""
        stored = self._objects.get(image)
        return None if stored is None else stored.facts

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        """Yield every object under a prefix, in the order of their keys."""
        under = [(image.key, image) for image in list(self._objects) if image.bucket == bucket]
        for key, image in sorted(under):
            stored = self._objects.get(image)
            if stored is not None and key.startswith(prefix):
                facts = stored.facts
                storage_class = "STANDARD" if facts.readable else "GLACIER"
                yield ListedObject(key, facts.etag, facts.size, facts.last_modified, storage_class)


class MemoryArchiveStore:
    """Paid answers in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """Read a whole object; None when it does not exist."""
        return self.objects.get(key)

    def put(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        self.objects[key] = body

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        yield from sorted(key for key in self.objects if key.startswith(prefix))


class MemoryLedger:
    """A ledger in memory, with the compare-and-set of OpenSearch; entries are listed in real time."""

    def __init__(self) -> None:
        self._stored: dict[ImageRef, StoredEntry] = {}
        self._seq_no = 0
        self._lock = threading.Lock()

    def get(self, image: ImageRef) -> StoredEntry | None:
        """Read by id."""
        return self._stored.get(image)

    def put(self, entry: LedgerEntry, *, over: Seen | None) -> Seen:
        """Write, if the document is still as it was seen (None: if there is none).

        Raises:
            ConflictError: it is not.
        """
        with self._lock:
            self._check(entry.image, over)
            seen = self._next()
            self._stored[entry.image] = StoredEntry(entry, seen)
            return seen

    def delete(self, image: ImageRef, *, over: Seen) -> None:
        """Delete a tombstone, if it is still as it was seen. Raises as ``put``."""
        with self._lock:
            self._check(image, over)
            self._next()
            del self._stored[image]

    def entries(self, *, bucket: str, prefix: str = "") -> Iterator[StoredEntry]:
        """Yield every entry of a bucket under a prefix, as of the first one asked for."""
        for stored in list(self._stored.values()):
            if stored.entry.image.bucket == bucket and stored.entry.image.key.startswith(prefix):
                yield stored

    def _check(self, image: ImageRef, over: Seen | None) -> None:
        stored = self._stored.get(image)
        seen = None if stored is None else stored.seen
        if seen != over:
            raise ConflictError(f"{image.uri}: expected {over}, found {seen}")

    def _next(self) -> Seen:
        self._seq_no += 1
        return Seen(seq_no=self._seq_no, primary_term=FIRST_TERM)


class MemoryLabelIndex:
    """Labels in memory, by id."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self.documents: dict[str, LabelDocument] = {}

    def write(self, labels: Iterable[LabelDocument], *, until_ms: int) -> None:
        """Write all, over what has the same id.

        Raises:
            LateError: it is after ``until_ms``.
        """
        for label in labels:
            if self._clock.now_ms() > until_ms:
                raise LateError(f"{label.image.uri}: labels of epoch {label.epoch} come too late")
            self.documents[label.id] = label

    def delete(self, image: ImageRef, labels: LabelSet) -> None:
        """Delete by id; that there is none is no error."""
        for ordinal in range(labels.count):
            self.documents.pop(label_id(image, epoch=labels.epoch, ordinal=ordinal), None)


if TYPE_CHECKING:
    _clock: type[Clock] = ManualClock
    _store: type[ObjectStore] = MemoryObjectStore
    _archive: type[ArchiveStore] = MemoryArchiveStore
    _ledger: type[Ledger] = MemoryLedger
    _labels: type[LabelIndex] = MemoryLabelIndex
