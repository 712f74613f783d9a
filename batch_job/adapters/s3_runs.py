"""S3 for the planner: a run's folder with conditional writes, and objects read as streams."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import S3, as_ours, error_code
from batch_job.adapters.s3 import S3ArchiveStore, S3ObjectStore
from batch_job.errors import ConflictError
from batch_job.ports import ByteStream, OpenStream, RunStore
from batch_job.values.objects import ListedObject, StoredBytes

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MISSING = ("404", "NoSuchKey")
_NOT_AS_SEEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict", *_MISSING)
"""Another version; another write at this moment; an object to be written over that is gone."""


class S3RunStore(S3ArchiveStore):
    """A bucket's prefix where runs are kept; fits ``ports.RunStore``."""

    def read(self, key: str) -> StoredBytes | None:
        """Read a whole object for writing over it; None when it does not exist."""
        with as_ours(S3, doing=f"reading {self._uri(key)}"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._root + key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                raise
            with closing(answer["Body"]) as body:
                return StoredBytes(body.read(), answer["ETag"].strip('"'))

    def listed(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects under a prefix, by key."""
        for found in S3ObjectStore(self._client).list(self._bucket, self._root + prefix):
            yield replace(found, key=found.key.removeprefix(self._root))

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders right under a prefix; see ``ports.RunStore``."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._root + prefix, Delimiter="/"
        )
        with as_ours(S3, doing=f"listing {self._uri(prefix)} (needs s3:ListBucket)"):
            for page in pages:
                for folder in page.get("CommonPrefixes", ()):
                    yield folder["Prefix"].removeprefix(self._root)

    def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
        """Write, if the object's ETag is still ``over``; see ``ports.RunStore``."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if over is None else {"IfMatch": f'"{over}"'}
        with as_ours(S3, doing=f"writing {self._uri(key)} (needs s3:PutObject and s3:GetObject)"):
            try:
                answer = self._client.put_object(Bucket=self._bucket, Key=self._root + key, Body=body, **condition)
            except ClientError as error:
                if error_code(error) in _NOT_AS_SEEN:
                    raise ConflictError(f"{self._uri(key)} is no longer {over or 'absent'}") from error
                raise
        return answer["ETag"].strip('"')

    def delete(self, key: str) -> None:
        """Delete an object; that there is none is no error."""
        with as_ours(S3, doing=f"deleting {self._uri(key)} (needs s3:DeleteObject)"):
            self._client.delete_object(Bucket=self._bucket, Key=self._root + key)


class S3Streams:
    """Opens objects as streams; fits ``ports.OpenStream``."""

    def __init__(self, client: "S3Client") -> None:
        """Take a client of ``s3.s3_client``."""
        self._client = client

    @contextmanager
    def __call__(self, *, bucket: str, key: str) -> Iterator[ByteStream]:
        """Open an object; see ``ports.OpenStream``."""
        doing = f"reading s3://{bucket}/{key}"
        with as_ours(S3, doing=doing):
            answer = self._client.get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            yield _Stream(body, doing)


@dataclass(frozen=True, slots=True)
class _Stream:
    """A body whose errors are ours."""

    body: Any
    doing: str

    def read(self, size: int, /) -> bytes:
        with as_ours(S3, doing=self.doing):
            data: bytes = self.body.read(None if size < 0 else size)
        return data


if TYPE_CHECKING:
    _runs: type[RunStore] = S3RunStore

    def _opens(client: "S3Client") -> OpenStream:
        return S3Streams(client)
