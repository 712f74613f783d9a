"""Entries, versions and workers for the tests of the ledger."""

from dataclasses import dataclass, replace

from batch_job.ledger.visits import Found, Worker
from batch_job.values.documents import ImageDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.ledger import LabelSet, Lease, LedgerEntry, State
from batch_job.values.objects import ObjectFacts
from batch_job.values.work import Redo

IMAGE = ImageRef(bucket="imagery", key="o/a.tif")
TIME = "2026-01-01T00:00:00Z"
NOW_MS = 1_767_225_600_000
VERSION = ImageVersion(etag="e1", side_files=(), detection_fingerprint="d1", index_fingerprint="i1")
WORKER = Worker(owner="me", detection_fingerprint="d1", index_fingerprint="i1", lease_s=300)
REDOING = replace(WORKER, redo=Redo.DETECTION)
RETRYING = replace(WORKER, redo=Redo.FAILED)
DESCRIBED = ImageDocument(
    image=IMAGE, etag="e1", size=1, last_modified=TIME, time=TIME, time_source=TimeSource.LAST_MODIFIED
)
INDEXED = LedgerEntry(
    image=IMAGE,
    state=State.INDEXED,
    version=VERSION,
    epoch=NOW_MS - 1000,
    live=LabelSet(NOW_MS - 1000, 3),
    live_content=VERSION.content,
    described=DESCRIBED,
)
LEASED = replace(
    INDEXED, state=State.PROCESSING, lease=Lease("other", NOW_MS + 1), live=None, live_content=None, described=None
)


def found(etag: str = "e1", *sides: SideFile, readable: bool = True, has_answers: bool = False) -> Found:
    facts = ObjectFacts(etag=etag, size=1, last_modified=TIME, readable=readable)
    return Found(IMAGE, facts, sides, has_answers=has_answers)


@dataclass(frozen=True)
class Settings:
    """What the ledger needs of the settings."""

    detection_fingerprint: str = "d1"
    index_fingerprint: str = "i1"
    settings_revision: int = 0
    lease_s: int = 300
