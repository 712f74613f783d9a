"""What a worker is asked to do, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Self

import orjson

from batch_job.errors import ErrorCode
from batch_job.values.documents import ImageDocument, LabelDocument
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.objects import ObjectFacts


@dataclass(frozen=True, slots=True)
class Work:
    """One version of one image, claimed."""

    image: ImageRef
    facts: ObjectFacts
    version: ImageVersion
    """Its detection fingerprint may be an older one, of which the archive then holds every answer."""
    epoch: int
    """The claim's; part of every label's id and of every archive part's name."""


@dataclass(frozen=True, slots=True)
class Processed:
    """What the stages made of it."""

    described: ImageDocument
    labels: Sequence[LabelDocument]
    """Ordinals 0 to n - 1 of ``Work.epoch``."""


class Redo(StrEnum):
    """What is done again although neither object nor index settings changed."""

    NOTHING = auto()
    DETECTION = auto()
    """What was detected under other settings, which may have to be paid for again, and what failed."""
    FAILED = auto()
    """What failed for good; what is indexed under other detection settings is left alone."""


class SkipReason(StrEnum):
    """Why nothing was done."""

    SAME = auto()
    """This version is indexed, or has failed, already."""
    BUSY = auto()
    """Another worker holds a live lease."""
    ARCHIVED = auto()
    """In an archive storage class, and what the index says of it is still true."""
    ABSENT = auto()
    """Neither in the bucket nor in the index."""
    OLDER_SETTINGS = auto()
    """The ledger was written under newer settings than this worker's."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """The index now says what this version of the image shows."""

    image: ImageRef
    labels: int


@dataclass(frozen=True, slots=True)
class Removed:
    """The object is gone, and so are its labels."""

    image: ImageRef


@dataclass(frozen=True, slots=True)
class Skipped:
    """Left alone, on purpose."""

    image: ImageRef
    reason: SkipReason
    code: ErrorCode | None = None
    """Why the ledger's version failed at an earlier visit; None: it did not."""

    @property
    def worth_retrying(self) -> bool:
        """Tell whether the same item may find work later; a queue keeps its message then."""
        return self.reason in (SkipReason.BUSY, SkipReason.OLDER_SETTINGS)


@dataclass(frozen=True, slots=True)
class Failed:
    """This version cannot be processed, and the ledger says so."""

    image: ImageRef
    code: ErrorCode
    message: str


Outcome = Indexed | Removed | Skipped | Failed


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An image to reconcile, or one part of a large image."""

    image: ImageRef
    size: int
    """Of the whole object, bytes, as it was when planned."""
    part: int = 1
    """Part ``part`` of ``parts``, counted from 1; which rows that are the worker takes from the header."""
    parts: int = 1

    def __post_init__(self) -> None:
        if self.size < 0 or not 1 <= self.part <= self.parts:
            raise ValueError(f"not a piece of work: {self}")

    def to_ndjson(self) -> bytes:
        """Encode as one line."""
        facts = {"bucket": self.image.bucket, "key": self.image.key, "size": self.size}
        part = {} if self.parts == 1 else {"part": self.part, "parts": self.parts}
        return orjson.dumps({**facts, **part}, option=orjson.OPT_APPEND_NEWLINE)

    def to_text(self) -> str:
        """Encode for a job's parameter, or a message."""
        return self.to_ndjson().decode().rstrip()

    @classmethod
    def from_ndjson(cls, line: bytes | str) -> Self:
        """Decode what ``to_ndjson`` or ``to_text`` wrote."""
        facts = orjson.loads(line)
        image = ImageRef(bucket=facts.pop("bucket"), key=facts.pop("key"))
        return cls(image, **facts)


@dataclass(frozen=True, slots=True)
class Shard:
    """What one child of an array job works through."""

    run_id: str
    name: str
    """As ``ShardRange.name`` gives it; names the done marker too."""
    items: tuple[WorkItem, ...]

    def to_ndjson(self) -> bytes:
        """Encode: a line about the shard, then one for each item."""
        head = orjson.dumps(
            {"run_id": self.run_id, "name": self.name, "items": len(self.items)}, option=orjson.OPT_APPEND_NEWLINE
        )
        return head + b"".join(item.to_ndjson() for item in self.items)

    @classmethod
    def from_ndjson(cls, text: bytes) -> Self:
        """Decode what ``to_ndjson`` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is no shard, or not the whole of one.
        """
        first, *lines = text.splitlines()
        head = orjson.loads(first)
        if len(lines) != head["items"]:
            raise ValueError(f"shard {head['name']} has {len(lines)} of {head['items']} items")
        return cls(head["run_id"], head["name"], tuple(WorkItem.from_ndjson(line) for line in lines))


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Consecutive shards of one planned CSV, for one job: child ``i`` takes ``name(i)``; a plain job, ``name(0)``."""

    run_id: str
    plan: str
    """The common beginning of the shards' names."""
    first: int
    count: int

    def __post_init__(self) -> None:
        if self.first < 0 or self.count < 1:
            raise ValueError(f"not a range of shards: {self}")

    def name(self, index: int) -> str:
        """Name the shard of a child.

        Raises:
            ValueError: there is no such child.
        """
        if not 0 <= index < self.count:
            raise ValueError(f"child {index} of {self}")
        return f"{self.plan}-{self.first + index:06d}"

    def to_text(self) -> str:
        """Encode for a job's parameter."""
        return f"{self.run_id}/{self.plan}/{self.first}/{self.count}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Decode what ``to_text`` wrote.

        Raises:
            ValueError: it is none.
        """
        run_id, plan, first, count = text.split("/")
        return cls(run_id, plan, int(first), int(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDone:
    """What came of a shard whose every item was visited; its done marker."""

    name: str
    images: Mapping[str, int] = field(default_factory=dict)
    """Counts by outcome, as ``Tally.images`` names them: ``indexed``, ``failed``, ``skipped_same``, …"""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Failed images by error code."""
    calls: int = 0
    """Paid calls."""
    labels: int = 0
    blank_chips: int = 0
    """Not sent, since there is no picture in them: each is a call less."""
    duration_ms: int = 0

    def to_json(self) -> bytes:
        """Encode."""
        facts: dict[str, Any] = {
            "name": self.name,
            "images": dict(self.images),
            "errors": dict(self.errors),
            "calls": self.calls,
            "labels": self.labels,
            "blank_chips": self.blank_chips,
            "duration_ms": self.duration_ms,
        }
        return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Decode what ``to_json`` wrote."""
        return cls(**orjson.loads(body))
