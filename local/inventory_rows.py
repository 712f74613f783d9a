"""Columns of S3's inventories, filled from what a listing says of an object."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from batch_job.backfill.listing import encode_key
from batch_job.errors import SetUpError

Entry = Mapping[str, Any]
"""An entry of ListObjectsV2 or ListObjectVersions; of a delete marker with ``IsDeleteMarker``."""

VERSION_COLUMNS = ("VersionId", "IsLatest", "IsDeleteMarker")
"""Directly after the key, where all versions are listed."""


def to_fields(entry: Entry, columns: Sequence[str], *, bucket: str) -> list[str]:
    """Write an object's row.

    Raises:
        SetUpError: a column that inventories do not have.
    """
    if unknown := [name for name in columns if name not in COLUMNS and name != "Bucket"]:
        raise SetUpError(f"inventories have no columns {', '.join(unknown)}")
    return [bucket if name == "Bucket" else COLUMNS[name](entry) for name in columns]


def _key(entry: Entry) -> str:
    return encode_key(entry["Key"])


def _version(entry: Entry) -> str:
    version = entry.get("VersionId", "")
    return "" if version == "null" else version


def _modified(entry: Entry) -> str:
    modified: datetime = entry["LastModified"].astimezone(UTC)
    return f"{modified:%Y-%m-%dT%H:%M:%S}.{modified.microsecond // 1000:03d}Z"


def _etag(entry: Entry) -> str:
    return str(entry.get("ETag", "")).strip('"')


def _truth(value: object) -> str:
    return "true" if value else "false"


def _of_object(text: Callable[[Entry], str]) -> Callable[[Entry], str]:
    """Leave a column of delete markers empty."""
    return lambda entry: "" if entry.get("IsDeleteMarker") else text(entry)


def _always(value: str) -> Callable[[Entry], str]:
    return _of_object(lambda _entry: value)


COLUMNS: Mapping[str, Callable[[Entry], str]] = MappingProxyType(
    {
        "Key": _key,
        "VersionId": _version,
        "IsLatest": lambda entry: _truth(entry.get("IsLatest")),
        "IsDeleteMarker": lambda entry: _truth(entry.get("IsDeleteMarker")),
        "Size": _of_object(lambda entry: str(entry["Size"])),
        "LastModifiedDate": _modified,
        "StorageClass": _of_object(lambda entry: entry.get("StorageClass", "STANDARD")),
        "ETag": _of_object(_etag),
        "IsMultipartUploaded": _of_object(lambda entry: _truth("-" in _etag(entry))),
        "EncryptionStatus": _always("SSE-S3"),  # S3's default since 2023; a listing does not tell of others
        "BucketKeyStatus": _always("DISABLED"),
        "ChecksumAlgorithm": _of_object(lambda entry: ",".join(entry.get("ChecksumAlgorithm", ()))),
        "ObjectOwner": _of_object(lambda entry: entry.get("Owner", {}).get("ID", "")),
        **dict.fromkeys(
            (
                "ReplicationStatus",
                "ObjectLockRetainUntilDate",
                "ObjectLockMode",
                "ObjectLockLegalHoldStatus",
                "ObjectLockEventHoldStatus",
                "ObjectLockEventHoldDuration",
                "IntelligentTieringAccessTier",
                "ObjectAccessControlList",
                "LifecycleExpirationDate",
                "IntelligentTieringReferenceDate",
            ),
            _always(""),
        ),
    }
)
"""All that botocore's model of ``OptionalFields`` names; those that the emulator has nothing for are empty."""
