"""What S3 Inventory says of a bucket: a manifest, data files, rows."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, auto
from typing import Self

import orjson

from batch_job.values.work import Redo

LATEST_MS = 253_402_300_800_000
"""The year 10000, which names of runs cannot hold."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One gzipped CSV of an inventory, in the destination bucket."""

    key: str
    size: int
    """Compressed, bytes."""
    md5: str
    """Of the compressed bytes, hex."""

    @property
    def id(self) -> str:
        """12 hex digits that name the file within its run."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]


class Scope(StrEnum):
    """How much of the bucket a listing covers."""

    BUCKET = auto()
    """All of it: the run supersedes an older one, and what the listing misses is looked for in the bucket."""
    PART = auto()
    """Some keys: the run stands beside the bucket's active one, and says nothing of other keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for who did not wait for the night."""

    scope: Scope
    redo: Redo = Redo.NOTHING


NIGHTLY = Request(scope=Scope.BUCKET)
"""What S3's own inventories ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``manifest.json``: which files make up one inventory of one bucket, and what their columns are."""

    source_bucket: str
    destination_bucket: str
    created_ms: int
    """When the scan of the bucket began, ms since 1970; objects written later may be missing."""
    columns: tuple[str, ...]
    """Names of the CSV's columns, in order; the files have no header."""
    files: tuple[DataFile, ...]
    """In the order of the manifest; none, if the inventory found nothing."""
    md5: str
    """Of ``manifest.json``, hex."""
    request: Request = NIGHTLY
    """In our own listings' manifests; S3's have none."""

    def __post_init__(self) -> None:
        if not 0 <= self.created_ms < LATEST_MS:
            raise ValueError(f"not a time of an inventory: {self.created_ms} ms since 1970")

    @property
    def run_id(self) -> str:
        """Name the run that plans this inventory; names sort by the time of the scan."""
        began = datetime.fromtimestamp(self.created_ms / 1000, tz=UTC)
        return f"{began:%Y%m%dT%H%M%SZ}-{self.md5[:8]}"

    def to_json(self) -> bytes:
        """Encode as the record of the run, not as S3 does."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Decode what ``to_json`` wrote."""
        facts = orjson.loads(body)
        columns, files = tuple(facts.pop("columns")), tuple(DataFile(**file) for file in facts.pop("files"))
        request = facts.pop("request")
        request = Request(scope=Scope(request["scope"]), redo=Redo(request["redo"]))
        return cls(**facts, columns=columns, files=files, request=request)

    def file(self, file_id: str) -> DataFile | None:
        """Find a data file by its id."""
        return next((file for file in self.files if file.id == file_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRow:
    """An object, or a version of one, as the inventory found it. None: the inventory has no such column."""

    key: str
    """As S3 has it, not encoded."""
    size: int | None = None
    etag: str | None = None
    """Without quotes."""
    readable: bool | None = None
    """False in an archive storage class; a restored copy does not show here."""
    current: bool = True
    """False for an older version and for a delete marker, which inventories of all versions list too."""


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that says nothing that can be acted on."""

    line: int
    """Counted from 1; of a row over several lines the last."""
    why: str
