"""Objects: the imagery, the archive, runs; and the store's time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from batch_job.values.image import ImageRef
from batch_job.values.objects import ListedObject, ObjectFacts, StoredBytes


class Clock(Protocol):
    """The object store's time, not this machine's."""

    def now_ms(self) -> int:
        """Give ms since 1970: the newest ``Date`` of the store plus the time since, suspended time included."""
        ...

    def reading_age_ms(self) -> int:
        """Tell how old that newest ``Date`` is; a very large number before the first."""
        ...


class ObjectStore(Protocol):
    """The buckets with the imagery."""

    def head(self, image: ImageRef) -> ObjectFacts | None:
        """Ask for an object's facts; None when it does not exist (404)."""
        ...

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        """Yield every object under a prefix, in the order of their keys."""
        ...


class ArchiveStore(Protocol):
    """Where paid answers are kept; keys are relative to its root."""

    def get(self, key: str) -> bytes | None:
        """Read a whole object; None when it does not exist."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write a whole object, at once or not at all."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        ...


class RunStore(ArchiveStore, Protocol):
    """Where runs keep their plans, shards and markers; keys are relative to its root."""

    def read(self, key: str) -> StoredBytes | None:
        """Read a whole object for writing over it; None when it does not exist."""
        ...

    def listed(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects under a prefix, by key."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders right under a prefix that ends with ``/``, by name, without what is in them: ``a/b/``."""
        ...

    def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
        """Write, if the object's ETag is still ``over`` (None: if there is no object); gives the new ETag.

        Raises:
            ConflictError: it is not, or an earlier try of this very write arrived and its answer was lost.
            UnavailableError: whether it was written is not known.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object; that there is none is no error."""
        ...


class ByteStream(Protocol):
    """An object's bytes, in order."""

    def read(self, size: int, /) -> bytes:
        """Read up to so many bytes; none at the end, all that are left if ``size`` is -1."""
        ...


class OpenStream(Protocol):
    """Opens objects of any size."""

    def __call__(self, *, bucket: str, key: str) -> AbstractContextManager[ByteStream]:
        """Open an object.

        Raises:
            ChangedError: there is none.
        """
        ...
