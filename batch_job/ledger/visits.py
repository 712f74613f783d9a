"""What the rules of a visit are about: who visits, under which settings, and what was found. Pure."""

from dataclasses import dataclass
from typing import Protocol, Self

from batch_job.errors import ErrorCode
from batch_job.values.documents import ImageDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.objects import ObjectFacts
from batch_job.values.work import Redo


class LedgerSettings(Protocol):
    """What the ledger needs of ``PipelineSettings``."""

    @property
    def detection_fingerprint(self) -> str:
        """Names what raw answers depend on."""
        ...

    @property
    def index_fingerprint(self) -> str:
        """Names what documents depend on beside them."""
        ...

    @property
    def settings_revision(self) -> int:
        """Grows with every deployment."""
        ...

    @property
    def lease_s(self) -> int:
        """How long a worker may be silent, seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who visits, and under which settings."""

    owner: str
    detection_fingerprint: str
    index_fingerprint: str
    settings_revision: int = 0
    lease_s: int = 300
    redo: Redo = Redo.NOTHING

    @classmethod
    def under(cls, settings: LedgerSettings, *, owner: str, redo: Redo) -> Self:
        """Take what the ledger needs of the settings."""
        return cls(
            owner=owner,
            detection_fingerprint=settings.detection_fingerprint,
            index_fingerprint=settings.index_fingerprint,
            settings_revision=settings.settings_revision,
            lease_s=settings.lease_s,
            redo=redo,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the bucket."""

    image: ImageRef
    facts: ObjectFacts
    side_files: tuple[SideFile, ...]
    """Sorted by key."""
    has_answers: bool = False
    """The archive of answers holds all of this version's, so that no pixel is needed."""

    @property
    def workable(self) -> bool:
        """Tell whether it can be processed; an object in an archive storage class has no pixels to give."""
        return self.facts.readable or self.has_answers

    @property
    def content(self) -> str:
        """Name object and side files; see ``ImageVersion.content``."""
        return ImageVersion(self.facts.etag, self.side_files, "", "").content

    def version_for(self, worker: Worker) -> ImageVersion:
        """Give the version that the worker would make of it."""
        return ImageVersion(
            etag=self.facts.etag,
            side_files=self.side_files,
            detection_fingerprint=worker.detection_fingerprint,
            index_fingerprint=worker.index_fingerprint,
        )

    def same_content(self, version: ImageVersion) -> bool:
        """Tell whether object and side files are those of a version."""
        return self.facts.etag == version.etag and self.side_files == version.side_files

    def described(self) -> ImageDocument:
        """Say what can be said of an image that could not be opened."""
        return ImageDocument(
            image=self.image,
            etag=self.facts.etag,
            size=self.facts.size,
            last_modified=self.facts.last_modified,
            time=self.facts.last_modified,
            time_source=TimeSource.LAST_MODIFIED,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a version is given up."""

    code: ErrorCode
    message: str
