"""Writes inventories as S3 does: rows into gzipped CSV files without header, a manifest over them. Pure.

Amazon S3 user guide, "Amazon S3 Inventory list"; ``inventory.py`` reads the same. Rows are pulled as files are, and one
file is in memory.
"""

import csv
import gzip
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import orjson

from batch_job.values.inventory import DataFile, Request
from batch_job.values.ledger import LedgerEntry
from batch_job.values.objects import ListedObject

COLUMNS = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass")
"""Of our own listings: what ListObjectsV2 tells."""
KEY_SAFE = "/"
"""What stays as it is in keys; they are encoded as forms are, a space becomes ``+``."""
MAX_FILE_ROWS = 250_000
"""About 4 MB compressed (measured, keys of 40 characters); planned well within the time of a Lambda."""
COMPRESSION = 5
"""A third of the time of 9, and a tenth larger."""

Row = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingHead:
    """What a manifest says beside its files."""

    source_bucket: str
    destination_bucket: str
    created_ms: int
    """When the listing began, ms since 1970."""
    columns: tuple[str, ...] = COLUMNS
    request: Request | None = None
    """None in S3's own."""


def encode_key(key: str) -> str:
    """Write a key as inventories do; ``unquote_plus`` reads it."""
    return quote_plus(key, safe=KEY_SAFE)


def row_of_object(found: ListedObject, *, bucket: str) -> Row:
    """Write an object's row, in the order of ``COLUMNS``."""
    modified = found.last_modified.replace("Z", ".000Z")
    return (bucket, encode_key(found.key), str(found.size), modified, found.etag, found.storage_class)


def row_of_entry(entry: LedgerEntry) -> Row:
    """Write the row of an object that the ledger knows, as it was then; its storage class the ledger does not know."""
    size, modified = (entry.described.size, entry.described.last_modified) if entry.described else (0, "")
    found = ListedObject(entry.image.key, entry.version.etag, size, modified, storage_class="")
    return row_of_object(found, bucket=entry.image.bucket)


def data_files(rows: Iterable[Row], *, max_rows: int = MAX_FILE_ROWS) -> Iterator[bytes]:
    """Yield whole data files, gzipped, none of them empty; the same rows give the same bytes."""
    pulled = iter(rows)
    for first in pulled:
        yield data_file(itertools.chain((first,), itertools.islice(pulled, max_rows - 1)))


def data_file(rows: Iterable[Row]) -> bytes:
    """Write one data file; its rows are held compressed alone."""
    body = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=body, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return body.getvalue()


def file_of(key: str, body: bytes) -> DataFile:
    """Describe a data file for the manifest."""
    return DataFile(key, len(body), md5_hex(body))


def write_manifest(head: ListingHead, files: Iterable[DataFile]) -> bytes:
    """Write ``manifest.json``; ``parse_manifest`` reads it."""
    facts: dict[str, Any] = {
        "sourceBucket": head.source_bucket,
        "destinationBucket": f"arn:aws:s3:::{head.destination_bucket}",
        "version": "2016-11-30",
        "creationTimestamp": str(head.created_ms),
        "fileFormat": "CSV",
        "fileSchema": ", ".join(head.columns),
        "files": [{"key": file.key, "size": file.size, "MD5checksum": file.md5} for file in files],
    }
    if head.request is not None:
        facts["request"] = {"scope": str(head.request.scope), "redo": str(head.request.redo)}
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2)


def write_checksum(manifest: bytes) -> bytes:
    """Write ``manifest.checksum``, whose arrival says that all is there."""
    return md5_hex(manifest).encode()


def folder_of(created_ms: int, *, name: str) -> str:
    """Name the folder of a listing: by its time, and ``name``, as two may begin in the same moment."""
    return f"{datetime.fromtimestamp(created_ms / 1000, tz=UTC):%Y%m%dT%H%M%SZ}-{name}"


def md5_hex(body: bytes) -> str:
    """Sum up as inventories do."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
