"""S3: objects' facts and bytes, the archive, and the store's own time. Nothing here is paid by the call."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import S3, as_ours, error_code
from batch_job.adapters.ranges import Portion, RangeReader
from batch_job.adapters.store_time import NEVER_MS, DatedAnswer, StoreTime
from batch_job.errors import UnavailableError, UnreadableImageError, UnsupportedImageError
from batch_job.ports import ArchiveStore, Clock, ObjectStore
from batch_job.values.image import ImageRef
from batch_job.values.objects import ListedObject, ObjectFacts

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
"""Between two bytes, not for an answer as a whole."""
ATTEMPTS = 5
"""In all, with botocore's standard back-off (at most 20 s each): S3 asks to slow down while it splits a busy prefix."""
CONNECTIONS = 32
"""At least as many as threads that use one client; more would wait for each other."""

_MISSING = ("404", "NoSuchKey")
_BAD_REQUEST = "400"
"""All that a HEAD tells of a customer's own key (SSE-C) that is missing, and of expired credentials too."""
_REFUSED, _ENCRYPTION = "InvalidRequest", "encryption"
"""How a GET names the former."""
_NO_SUCH_BYTES = "InvalidRange"
_NEEDS_RESTORE = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes; GLACIER_IR reads at once. Intelligent-Tiering says it in ``ArchiveStatus`` instead."""
_RESTORED = 'ongoing-request="false"'

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps; elsewhere than on Linux, CLOCK_MONOTONIC does."""
_SENT_AT = "imagery_backfill_sent_at_boot_ms"
"""Where a request's context, which botocore hands from sending to answer, keeps our time."""


class Payer(Enum):
    """Who pays for requests to a bucket and for what they bring."""

    OWNER = MappingProxyType[str, Any]({})
    REQUESTER = MappingProxyType({"RequestPayer": "requester"})
    """Said with each request; a bucket whose owner pays takes no notice (S3 user guide, "Requester Pays buckets")."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What each request says of it."""
        return self.value


def s3_client(
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    session: boto3.Session | None = None,
) -> "S3Client":
    """Make a client; what is None comes from ``session``, or from the environment, as always with AWS.

    Raises:
        SettingsError, AccessError: the environment names what is not there, a profile say.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # another endpoint than AWS's seldom has a name in DNS for each bucket
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    with as_ours(S3, doing="connecting to S3"):
        return (session or boto3).client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=config,
        )


class S3ObjectStore:
    """The buckets with the imagery; fits ``ports.ObjectStore``."""

    def __init__(self, client: "S3Client", *, payer: Payer = Payer.OWNER) -> None:
        """Take a client of ``s3_client``."""
        self._client, self._paying = client, payer.parameters

    def head(self, image: ImageRef) -> ObjectFacts | None:
        """Ask for an object's facts; None when it does not exist.

        An object under a customer's own key (SSE-C) has facts too, by the listing: that it cannot be read is this one
        object's failure, which ``S3Reader`` raises.

        Raises:
            AccessError: the role lacks s3:GetObject, or s3:ListBucket, without which S3 answers 403 for a missing key.
        """
        with as_ours(S3, doing=f"HEAD {image.uri} (needs s3:GetObject on objects, s3:ListBucket on the bucket)"):
            try:
                answer = self._client.head_object(Bucket=image.bucket, Key=image.key, **self._paying)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                if error_code(error) == _BAD_REQUEST:
                    return self._listed(image)
                raise
        return ObjectFacts(
            etag=answer["ETag"].strip('"'),
            size=answer["ContentLength"],
            last_modified=_iso(answer["LastModified"]),
            readable=_is_readable(answer),
        )

    def _listed(self, image: ImageRef) -> ObjectFacts | None:
        """Ask the bucket for an object's facts; an error says in words what is wrong, as no HEAD can."""
        page = self._client.list_objects_v2(Bucket=image.bucket, Prefix=image.key, MaxKeys=1, **self._paying)
        for found in page.get("Contents", ()):  # a key comes before all those that it begins
            if found["Key"] == image.key:
                return ObjectFacts(
                    etag=found["ETag"].strip('"'),
                    size=found["Size"],
                    last_modified=_iso(found["LastModified"]),
                    readable=found.get("StorageClass") not in _NEEDS_RESTORE,
                )
        return None

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        """Yield every object under a prefix, a page of 1,000 in memory at once."""
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=bucket, Prefix=prefix, **self._paying))
        while True:
            with as_ours(S3, doing=f"listing s3://{bucket}/{prefix} (needs s3:ListBucket)"):
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", ()):
                yield ListedObject(
                    key=found["Key"],
                    etag=found["ETag"].strip('"'),
                    size=found["Size"],
                    last_modified=_iso(found["LastModified"]),
                    storage_class=found.get("StorageClass", "STANDARD"),
                )


class S3Reader:
    """Reads parts of objects; fits ``ranges.RangeReader``."""

    def __init__(self, client: "S3Client", *, payer: Payer = Payer.OWNER) -> None:
        """Take a client of ``s3_client``."""
        self._client, self._paying = client, payer.parameters

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        """Read bytes of one version of an object; see ``RangeReader``."""
        more = dict(self._paying) if etag is None else {**self._paying, "IfMatch": f'"{etag}"'}
        with as_ours(S3, doing=f"reading {length} bytes from {start} on of {image.uri}"):
            try:
                answer = self._client.get_object(
                    Bucket=image.bucket, Key=image.key, Range=f"bytes={start}-{start + length - 1}", **more
                )
            except ClientError as error:
                if error_code(error) == _NO_SUCH_BYTES and not start:
                    raise UnreadableImageError(f"{image.uri}: the file is empty") from error
                if error_code(error) == _REFUSED and _ENCRYPTION in str(error).lower():
                    raise UnsupportedImageError(
                        f"{image.uri}: encrypted under a customer's own key (SSE-C), without which nobody reads it"
                    ) from error
                raise
            body = whole_body(answer)
        size = int(answer["ContentRange"].rpartition("/")[2])
        return Portion(body, object_size=size, etag=answer["ETag"].strip('"'))


class S3ArchiveStore:
    """A bucket's prefix where paid answers are kept; fits ``ports.ArchiveStore``."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        """Take a client of ``s3_client`` and the archive's root."""
        self._client, self._bucket = client, bucket
        self._root = f"{prefix.strip('/')}/".lstrip("/")

    def get(self, key: str) -> bytes | None:
        """Read a whole object; None when it does not exist."""
        with as_ours(S3, doing=f"reading {self._uri(key)}"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._root + key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                raise
            return whole_body(answer)

    def put(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        with as_ours(S3, doing=f"writing {self._uri(key)} (needs s3:PutObject)"):
            self._client.put_object(Bucket=self._bucket, Key=self._root + key, Body=body)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        for found in S3ObjectStore(self._client).list(self._bucket, self._root + prefix):
            yield found.key.removeprefix(self._root)

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._root}{key}"


class S3Clock:
    """The time by S3's answers; fits ``ports.Clock``. Any number of threads."""

    def __init__(self, client: "S3Client") -> None:
        """Listen to every answer that this client gets."""
        self._lock = threading.Lock()
        self._time: StoreTime | None = None
        client.meta.events.register("request-created.s3", self._note_sending)
        client.meta.events.register("after-call.s3", self._note_answer)

    def now_ms(self) -> int:
        """Give ms since 1970; see ``ports.Clock``.

        Raises:
            UnavailableError: S3 has not answered yet.
        """
        with self._lock:
            if self._time is None:
                raise UnavailableError("S3 has not answered yet, so nobody knows the time")
            return self._time.at(_boot_ms())

    def reading_age_ms(self) -> int:
        """Tell how old the newest ``Date`` is; a very large number before the first."""
        with self._lock:
            return NEVER_MS if self._time is None else self._time.age_ms(_boot_ms())

    def _note_sending(self, request: Any, **_: Any) -> None:
        """Note when a request goes out; called again for each retry, and the answer is the last one's."""
        request.context[_SENT_AT] = _boot_ms()

    def _note_answer(self, http_response: Any, context: dict[str, Any], **_: Any) -> None:
        date, sent_ms = http_response.headers.get("Date"), context.get(_SENT_AT)
        if date is None or sent_ms is None:
            return
        date_ms = int(parsedate_to_datetime(date).timestamp()) * 1000
        answer = DatedAnswer(date_ms=date_ms, sent_ms=sent_ms, read_ms=_boot_ms())
        with self._lock:
            self._time = StoreTime.first(answer) if self._time is None else self._time.after(answer)


def _boot_ms() -> int:
    return time.clock_gettime_ns(_BOOT_CLOCK) // 10**6


def whole_body(answer: "GetObjectOutputTypeDef") -> bytes:
    """Read what a GET brings; inside ``as_ours``, as it may break off."""
    # not `with body`: that gives the raw stream, whose errors botocore does not translate
    with closing(answer["Body"]) as body:
        return body.read()


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _is_readable(answer: "HeadObjectOutputTypeDef") -> bool:
    archived = answer.get("StorageClass") in _NEEDS_RESTORE or "ArchiveStatus" in answer
    return not archived or _RESTORED in answer.get("Restore", "")


if TYPE_CHECKING:
    _store: type[ObjectStore] = S3ObjectStore
    _reader: type[RangeReader] = S3Reader
    _archive: type[ArchiveStore] = S3ArchiveStore
    _clock: type[Clock] = S3Clock
