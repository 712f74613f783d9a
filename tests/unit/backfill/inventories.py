"""Inventories as S3 delivers them, made from what they are to say."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote_plus

from batch_job.values.inventory import DataFile, Manifest

COLUMNS = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass")
CREATED_MS = 1_795_136_400_000


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def csv_gz(rows: Iterable[tuple[str, int, str]], *, bucket: str, storage_class: str = "STANDARD") -> bytes:
    """Rows are (key, size, ETag)."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for key, size, etag in rows:
        writer.writerow([bucket, quote_plus(key, safe="/"), size, "2026-01-02T03:04:05.000Z", etag, storage_class])
    return gzip.compress(text.getvalue().encode(), mtime=0)


def data_file(key: str, body: bytes) -> DataFile:
    return DataFile(key=key, size=len(body), md5=md5(body))


def manifest_of(files: Sequence[DataFile] = (), *, bucket: str, created_ms: int = CREATED_MS) -> Manifest:
    return Manifest(
        source_bucket=bucket,
        destination_bucket="reports",
        created_ms=created_ms,
        columns=COLUMNS,
        files=tuple(files),
        md5="0" * 32,
    )


def manifest_json(files: Sequence[DataFile], *, bucket: str, **other: Any) -> bytes:
    facts: dict[str, Any] = {
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": str(CREATED_MS),
        "fileFormat": "CSV",
        "fileSchema": ", ".join(COLUMNS),
        "files": [{"key": file.key, "size": file.size, "MD5checksum": file.md5} for file in files],
    }
    return json.dumps({**facts, **other}).encode()
