"""An image's ledger: who works on it, which labels are its truth, which others may exist (``docs/reconcile.md``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Self

from batch_job.errors import ErrorCode
from batch_job.values.documents import ImageDocument
from batch_job.values.image import ImageRef, ImageVersion, SideFile


class State(StrEnum):
    """Where an image stands."""

    PROCESSING = auto()
    INDEXED = auto()
    FAILED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels that one claim wrote: ordinals 0 to ``count`` - 1 of that epoch."""

    epoch: int
    count: int


@dataclass(frozen=True, slots=True)
class SupersededSet:
    """Labels that may exist and are not, or not yet, the truth."""

    epoch: int
    count: int
    declared_ms: int
    """When this was written down, ms since 1970; no label of it is written more than an hour later."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works on the image, and until when that holds without another word."""

    owner: str
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An image's ledger (``docs/architecture.md``, Reconcile), kept in its image document."""

    image: ImageRef
    state: State
    version: ImageVersion
    """The version claimed last."""
    epoch: int
    """Grows with every change of hands."""
    lease: Lease | None = None
    attempts: int = 0
    token: str = ""
    """New for every write, so that a lost answer can be recognised."""
    live: LabelSet | None = None
    """The labels that are the truth."""
    live_content: str | None = None
    """Of which object and side files (``ImageVersion.content``); None: not known."""
    superseded: tuple[SupersededSet, ...] = ()
    settings_revision: int = 0
    error_code: ErrorCode | None = None
    error: str | None = None
    described: ImageDocument | None = None
    """What is known of the image of ``live``, or of the version that failed."""

    def to_source(self) -> dict[str, Any]:
        """Encode ledger and description as one document of the images index."""
        ledger: dict[str, Any] = {
            "id": self.image.id,
            "bucket": self.image.bucket,
            "key": self.image.key,
            "uri": self.image.uri,
            "state": str(self.state),
            "version": {
                "etag": self.version.etag,
                "side_files": [{"key": side.key, "etag": side.etag} for side in self.version.side_files],
                "detection_fingerprint": self.version.detection_fingerprint,
                "index_fingerprint": self.version.index_fingerprint,
            },
            "epoch": self.epoch,
            "attempts": self.attempts,
            "token": self.token,
            "superseded": [
                {"epoch": labels.epoch, "count": labels.count, "declared_ms": labels.declared_ms}
                for labels in self.superseded
            ],
            "settings_revision": self.settings_revision,
        }
        if self.lease is not None:
            ledger["lease"] = {"owner": self.lease.owner, "until_ms": self.lease.until_ms}
        if self.live is not None:
            ledger["live"] = {"epoch": self.live.epoch, "count": self.live.count}
            if self.live_content is not None:
                ledger["live"]["content"] = self.live_content
        if self.error_code is not None:
            ledger["error_code"], ledger["error"] = str(self.error_code), self.error
        return {**(self.described.to_source() if self.described else {}), **ledger}

    @classmethod
    def from_source(cls, source: Mapping[str, Any]) -> Self:
        """Decode what ``to_source`` wrote."""
        version, lease, live = source["version"], source.get("lease"), source.get("live")
        sides = tuple(SideFile(key=side["key"], etag=side["etag"]) for side in version["side_files"])
        return cls(
            image=ImageRef(bucket=source["bucket"], key=source["key"]),
            state=State(source["state"]),
            version=ImageVersion(
                etag=version["etag"],
                side_files=sides,
                detection_fingerprint=version["detection_fingerprint"],
                index_fingerprint=version["index_fingerprint"],
            ),
            epoch=source["epoch"],
            lease=None if lease is None else Lease(owner=lease["owner"], until_ms=lease["until_ms"]),
            attempts=source["attempts"],
            token=source["token"],
            live=None if live is None else LabelSet(epoch=live["epoch"], count=live["count"]),
            live_content=None if live is None else live.get("content"),
            superseded=tuple(SupersededSet(**labels) for labels in source["superseded"]),
            settings_revision=source["settings_revision"],
            error_code=ErrorCode(source["error_code"]) if "error_code" in source else None,
            error=source.get("error"),
            described=ImageDocument.from_source(source) if "time" in source else None,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """Which write of a document was read; a compare-and-set write names it."""

    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A ledger entry as read, with what a write over it must name."""

    entry: LedgerEntry
    seen: Seen
