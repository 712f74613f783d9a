"""What the rules of a visit are about: who visits, under which settings, and what was found. Pure."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Self

from batch_job.errors import ErrorCode
from batch_job.settings import PipelineSettings
from batch_job.values.documents import ImageDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.objects import ObjectFacts


class Policy(StrEnum):
    """What counts as work."""

    CHANGED = auto()
    """Objects and side files that are new or changed, and documents made under other index settings."""
    REDO = auto()
    """Also what was detected under other settings, which may have to be paid for again, and what failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who visits, and under which settings."""

    owner: str
    """Names one line of work (a process or thread): two at once must not share it: they would take over from each other."""
    detection_fingerprint: str
    index_fingerprint: str
    settings_revision: int = 0
    lease_s: int = 300
    policy: Policy = Policy.CHANGED

    @classmethod
    def under(cls, settings: PipelineSettings, *, owner: str, policy: Policy = Policy.CHANGED) -> Self:
        """Take what the ledger needs of the pipeline's settings."""
        return cls(
            owner=owner,
            detection_fingerprint=settings.detection_fingerprint,
            index_fingerprint=settings.index_fingerprint,
            settings_revision=settings.settings_revision,
            lease_s=settings.lease_s,
            policy=policy,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the bucket."""

    image: ImageRef
    facts: ObjectFacts
    side_files: tuple[SideFile, ...]
    """Sorted by key."""

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
