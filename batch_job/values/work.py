"""What a worker is asked to do, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

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
