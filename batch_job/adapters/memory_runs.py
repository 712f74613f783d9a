"""The planner's ports in memory: for tests, and for trying things out. They keep every promise of their ports."""

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batch_job.adapters.memory import EPOCH, MemoryArchiveStore, MemoryObjectStore
from batch_job.errors import ChangedError, ConflictError
from batch_job.values.image import ImageRef
from batch_job.values.objects import ListedObject, StoredBytes

if TYPE_CHECKING:
    from batch_job.ports import ByteStream, Deliveries, JobQueue, MessageQueue, OpenStream, RunStore

ARRAY_SIZES = range(2, 10_001)
"""AWS Batch service quotas."""


class MemoryRunStore(MemoryArchiveStore):
    """A run's folder in memory, with S3's conditional writes."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self.written_at: dict[str, str] = {}
        """ISO 8601 in UTC."""

    def read(self, key: str) -> StoredBytes | None:
        """Read a whole object for writing over it; None when it does not exist."""
        body = self.objects.get(key)
        return None if body is None else StoredBytes(body, _etag(body))

    def listed(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects under a prefix, by key; each was written at ``written_at[key]``, or at ``EPOCH``."""
        for key in self.keys(prefix):
            body = self.objects[key]
            yield ListedObject(key, _etag(body), len(body), self.written_at.get(key, EPOCH))

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders right under a prefix."""
        below = (key.removeprefix(prefix).partition("/") for key in self.keys(prefix))
        yield from dict.fromkeys(f"{prefix}{folder}/" for folder, slash, _ in below if slash)

    def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
        """Write, if the object's ETag is still ``over``.

        Raises:
            ConflictError: it is not.
        """
        with self._lock:
            stored = self.read(key)
            if (None if stored is None else stored.etag) != over:
                raise ConflictError(f"{key} is no longer {over or 'absent'}")
            self.objects[key] = body
        return _etag(body)

    def delete(self, key: str) -> None:
        """Delete an object; that there is none is no error."""
        self.objects.pop(key, None)


@dataclass(frozen=True, slots=True)
class MemoryStreams:
    """Opens the objects of a store in memory."""

    store: MemoryObjectStore

    @contextmanager
    def __call__(self, *, bucket: str, key: str) -> "Iterator[ByteStream]":
        """Open an object.

        Raises:
            ChangedError: there is none.
        """
        body = self.store.read(ImageRef(bucket, key))
        if body is None:
            raise ChangedError(f"there is no s3://{bucket}/{key}")
        yield io.BytesIO(body)


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A job that waits."""

    name: str
    parameters: Mapping[str, str]
    size: int | None
    """Of an array; None: a job of its own."""


@dataclass(slots=True)
class MemoryJobQueue:
    """Jobs that nobody runs, by id."""

    jobs: dict[str, SubmittedJob] = field(default_factory=dict)
    cancelled: dict[str, str] = field(default_factory=dict)
    """Reasons, by id."""

    def submit(self, name: str, parameters: Mapping[str, str]) -> str:
        """Submit a job of its own; gives its id."""
        return self._add(SubmittedJob(name, dict(parameters), None))

    def submit_array(self, name: str, parameters: Mapping[str, str], *, size: int) -> str:
        """Submit a job of 2 to 10,000 children; gives its id.

        Raises:
            ValueError: another size.
        """
        if size not in ARRAY_SIZES:
            raise ValueError(f"an array of {size} children")
        return self._add(SubmittedJob(name, dict(parameters), size))

    def _add(self, job: SubmittedJob) -> str:
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = job
        return job_id

    def cancel(self, job_id: str, *, reason: str) -> None:
        """Take a job back."""
        self.cancelled[job_id] = reason


@dataclass(slots=True)
class MemoryMessageQueue:
    """Messages, in the order they were sent."""

    bodies: list[str] = field(default_factory=list)

    def send(self, bodies: Iterable[str]) -> None:
        """Send all."""
        self.bodies.extend(bodies)


@dataclass(slots=True)
class MemoryDeliveries:
    """What a Lambda did about the messages that came to it."""

    waits_s: dict[str, int] = field(default_factory=dict)
    """By receipt."""
    stopped: bool = False

    def postpone(self, receipt: str, *, wait_s: int) -> None:
        """Have a message come again after so many seconds."""
        self.waits_s[receipt] = wait_s

    def stop(self) -> None:
        """Have no more of them come."""
        self.stopped = True


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


if TYPE_CHECKING:
    _runs: type[RunStore] = MemoryRunStore
    _jobs: type[JobQueue] = MemoryJobQueue
    _messages: type[MessageQueue] = MemoryMessageQueue
    _deliveries: type[Deliveries] = MemoryDeliveries

    def _opens(store: MemoryObjectStore) -> OpenStream:
        return MemoryStreams(store)
