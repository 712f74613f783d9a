"""Reads what S3 Inventory delivers: ``manifest.json``, and CSV files without header, unsorted, keys form-encoded.

Amazon S3 user guide, "Cataloging and analyzing your data with S3 Inventory".
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote_plus

import orjson

from batch_job.errors import InventoryError
from batch_job.ports import ByteStream
from batch_job.values.inventory import NIGHTLY, DataFile, InventoryRow, Manifest, Request, Scope, UnreadableRow
from batch_job.values.work import Redo

REQUIRED = ("Bucket", "Key")
"""Without the others planning is wasteful (no ETag: everything is visited) but not wrong."""

_ARCHIVE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
"""GLACIER_IR reads at once."""
_ARCHIVE_TIERS = ("ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS")
"""Of Intelligent-Tiering, as inventories and as the API spell them; other tiers read at once."""

_NOT_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)


def parse_manifest(body: bytes, *, checksum: bytes) -> Manifest:
    """Read ``manifest.json`` against the text of ``manifest.checksum``.

    Raises:
        InventoryError: it is not the manifest that the checksum is of, no manifest, or one of another format than CSV.
    """
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    promised = checksum.strip().decode("ascii", "replace").lower()
    if md5 != promised:
        raise InventoryError(f"manifest.json has the MD5 {md5}, manifest.checksum says {promised!r}")
    try:
        return _manifest(orjson.loads(body), md5=md5)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InventoryError(f"manifest.json is no inventory manifest: {error!r}") from error


def _manifest(facts: Mapping[str, Any], *, md5: str) -> Manifest:
    if facts["fileFormat"] != "CSV":
        raise InventoryError(f"the inventory of {facts['sourceBucket']} is {facts['fileFormat']}; configure it as CSV")
    return Manifest(
        source_bucket=facts["sourceBucket"],
        destination_bucket=facts["destinationBucket"].rpartition(":::")[2],
        created_ms=int(facts["creationTimestamp"]),
        columns=_columns(facts["fileSchema"]),
        files=tuple(DataFile(file["key"], file["size"], file["MD5checksum"].lower()) for file in facts["files"]),
        md5=md5,
        request=_request(facts.get("request")),
    )


def _request(facts: Mapping[str, Any] | None) -> Request:
    """Read what our own listings ask for; S3's inventories ask for nothing."""
    return NIGHTLY if facts is None else Request(scope=Scope(facts["scope"]), redo=Redo(facts["redo"]))


def _columns(schema: str) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in schema.split(","))
    if not set(REQUIRED) <= set(columns) or len(set(columns)) < len(columns):
        raise InventoryError(f"the inventory's columns are {schema!r}; each once, {' and '.join(REQUIRED)} are due")
    return columns


def read_rows(stream: ByteStream, file: DataFile, manifest: Manifest) -> Iterator[InventoryRow | UnreadableRow]:
    """Yield the rows of a data file; a few buffers of it are in memory.

    Raises:
        InventoryError: the file is not the one that the manifest lists; known at its end at the latest.
    """
    checked = _Md5Stream(stream)
    layout = _Layout.of(manifest)
    # bytes that are no UTF-8 spoil their row alone
    text = io.TextIOWrapper(gzip.GzipFile(fileobj=checked), encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield from _rows(text, layout)
    except _NOT_GZIP as error:
        raise InventoryError(f"{file.key} is no whole gzip file: {error}") from error
    if checked.md5.hexdigest() != file.md5:
        raise InventoryError(f"{file.key} has the MD5 {checked.md5.hexdigest()}, the manifest says {file.md5}")


class _Md5Stream(io.RawIOBase):
    """Sums up what is read through it."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.md5.update(data)
        return data


def _rows(text: io.TextIOWrapper, layout: "_Layout") -> Iterator[InventoryRow | UnreadableRow]:
    reader = csv.reader(text)
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield UnreadableRow(reader.line_num, str(error))
            continue
        if fields is None:
            return
        if fields:
            yield layout.row(fields, line=reader.line_num)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Which column is what. None: there is none such."""

    bucket_name: str
    width: int
    bucket: int
    key: int
    size: int | None
    etag: int | None
    storage_class: int | None
    access_tier: int | None
    is_latest: int | None
    is_delete_marker: int | None

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        at = {name: position for position, name in enumerate(manifest.columns)}
        return cls(
            bucket_name=manifest.source_bucket,
            width=len(at),
            bucket=at["Bucket"],
            key=at["Key"],
            size=at.get("Size"),
            etag=at.get("ETag"),
            storage_class=at.get("StorageClass"),
            access_tier=at.get("IntelligentTieringAccessTier"),
            is_latest=at.get("IsLatest"),
            is_delete_marker=at.get("IsDeleteMarker"),
        )

    def row(self, fields: Sequence[str], *, line: int) -> InventoryRow | UnreadableRow:
        """Read one row."""
        if len(fields) != self.width:
            return UnreadableRow(line, f"{len(fields)} fields instead of {self.width}")
        if fields[self.bucket] != self.bucket_name:
            return UnreadableRow(line, f"of another bucket: {fields[self.bucket]!r}")
        try:
            return self._row(fields)
        except ValueError as error:  # of Unicode too
            return UnreadableRow(line, str(error))

    def _row(self, fields: Sequence[str]) -> InventoryRow:
        key = unquote_plus(fields[self.key], errors="strict")
        if not key:
            raise ValueError("no key")
        etag = _field(fields, self.etag)
        f"{key}{etag}".encode()  # raises where bytes were no UTF-8
        size = _field(fields, self.size)
        if size and not size.isdecimal():
            raise ValueError(f"no size: {size!r}")
        return InventoryRow(
            key=key,
            size=int(size) if size else None,
            etag=etag.strip('"') or None,
            readable=None if self.storage_class is None else not self._is_archived(fields),
            current=_field(fields, self.is_latest).lower() != "false"
            and _field(fields, self.is_delete_marker).lower() != "true",
        )

    def _is_archived(self, fields: Sequence[str]) -> bool:
        return (
            _field(fields, self.storage_class) in _ARCHIVE_CLASSES
            or _field(fields, self.access_tier).upper() in _ARCHIVE_TIERS
        )


def _field(fields: Sequence[str], position: int | None) -> str:
    return "" if position is None else fields[position]
