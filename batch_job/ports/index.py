"""The two indices: the ledger, the labels, searching."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from batch_job.errors import ErrorCode
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, LedgerEntry, Seen, StoredEntry
from batch_job.values.query import LabelQuery


class Ledger(Protocol):
    """The images index, as the ledger of who does what."""

    def get(self, image: ImageRef) -> StoredEntry | None:
        """Read by id, in real time."""
        ...

    def put(self, entry: LedgerEntry, *, over: Seen | None) -> Seen:
        """Write, if the document is still as it was seen (None: if there is none).

        Raises:
            ConflictError: it is not.
            UnavailableError: whether it was written is not known.
        """
        ...

    def delete(self, image: ImageRef, *, over: Seen) -> None:
        """Delete a tombstone, if it is still as it was seen. Raises as ``put``."""
        ...

    def entries(self, *, bucket: str, prefix: str = "") -> Iterator[StoredEntry]:
        """Yield every entry of a bucket under a prefix, as of about now (not in real time), in no order."""
        ...


class LabelIndex(Protocol):
    """The labels index, for writing."""

    def write(self, labels: Iterable[LabelDocument], *, until_ms: int) -> None:
        """Write all, over what has the same id.

        Raises:
            LateError: a request would have been signed after ``until_ms``, by the store's clock.
            InputError: the index refuses a document for good.
            UnavailableError: some may be written, some not.
        """
        ...

    def delete(self, image: ImageRef, labels: LabelSet) -> None:
        """Delete by id; that there is none is no error."""
        ...


class FailureList(Protocol):
    """The images index, for those who look after what failed; as of about now, not in real time."""

    def failures(self, bucket: str, prefix: str = "", code: ErrorCode | None = None) -> Iterator[LedgerEntry]:
        """Yield the images whose keys start with ``prefix`` and that failed, with ``code`` if one is given, by key."""
        ...

    def failure_counts(self, bucket: str) -> Mapping[str, int]:
        """Count the images that failed by error code, a newer version's too, the most frequent first."""
        ...


class SearchIndex(Protocol):
    """Both indices, for reading."""

    def search(self, query: LabelQuery) -> Iterator[LabelDocument]:
        """Yield the labels asked for that their images count as their own, the most confident first.

        Raises:
            InputError: the question cannot be answered (an area that is no polygon, say).
        """
        ...

    def images(self, bucket: str, prefix: str = "") -> Iterator[LedgerEntry]:
        """Yield the images of a bucket whose keys start with ``prefix``, by key, as of about now."""
        ...
