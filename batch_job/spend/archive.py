"""Raw answers in S3, in parts, so that no chip is paid for twice and documents can be made again for free.

Below the archive's root, for one image at one ETag under one detection fingerprint. Where a mask lies beside the image
(``scene.tif.msk``), its ETag stands after the image's, for other pixels are shown under another mask::

    answers/<detection fingerprint>/<image id>/<etag>/image-<side files>.json       what placing and indexing need
    answers/<detection fingerprint>/<image id>/<etag>/e<epoch>-<ordinal>.ndjson.gz  answers with their windows

A part's name holds the claim's epoch, so two claims never write the same name; readers take the union.
"""

import gzip
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import orjson
import structlog

from batch_job.errors import BackfillError
from batch_job.ports import ArchiveStore
from batch_job.values.answers import ArchivedAnswer, ChipBlank, answer_from_ndjson
from batch_job.values.image import ImageRef, ImageVersion, SideFile, mask_of
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipGrid

log = structlog.get_logger()

PART_ANSWERS = 32
"""Paid answers a part; with PART_AGE_S the most that a killed worker can lose."""
PART_AGE_S = 10.0
PART_LINES = 2048
"""Blank chips cost nothing, but an image may have very many of them."""

_BETWEEN = "+"
"""Two ETags; in one it would be quoted."""

_DAMAGE = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, BackfillError)
"""What reading a part can raise that was cut off, or written by code that is not ours."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """``image.json``: what placing and indexing need, so that neither needs the image."""

    facts: RasterFacts
    grid: ChipGrid

    def to_json(self) -> bytes:
        """Encode."""
        cut = self.grid
        grid = {"chip_px": cut.chip_px, "overlap_px": cut.overlap_px, "overview_px": cut.overview_px}
        return orjson.dumps({"facts": self.facts.to_json(), "grid": grid})

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Decode what ``to_json`` wrote."""
        record: dict[str, Any] = orjson.loads(body)
        facts = RasterFacts.from_json(record["facts"])
        return cls(facts, ChipGrid(image_width=facts.width, image_height=facts.height, **record["grid"]))


@dataclass(frozen=True, slots=True)
class Archive:
    """Reads and writes one folder per image, ETag and detection fingerprint."""

    store: ArchiveStore

    def record(self, image: ImageRef, version: ImageVersion) -> ImageRecord | None:
        """Read ``image.json`` for exactly these side files."""
        return self._record(_folder(image, version) + _record_name(version.side_files))

    def any_record(self, image: ImageRef, version: ImageVersion) -> ImageRecord | None:
        """Read an ``image.json`` made with whatever side files: size and grid hold, the place may not."""
        records = map(self._record, self.store.keys(_folder(image, version) + "image-"))
        return next((record for record in records if record is not None), None)

    def _record(self, key: str) -> ImageRecord | None:
        body = self.store.get(key)
        try:
            return None if body is None else ImageRecord.from_json(body)
        except _DAMAGE:
            log.warning("archive.damaged", key=key, exc_info=True)
            return None

    def write_record(self, image: ImageRef, version: ImageVersion, record: ImageRecord) -> None:
        """Write ``image.json``; the same facts give the same bytes."""
        self.store.put(_folder(image, version) + _record_name(version.side_files), record.to_json())

    def answers(self, image: ImageRef, version: ImageVersion) -> Iterator[ArchivedAnswer]:
        """Yield what is known of the chips, one part in memory at a time, the newest first.

        A window may come twice, when it was bought again because the first answer was of no use. A part that cannot be
        read counts as absent.
        """
        for key in sorted(self.store.keys(_folder(image, version) + "e"), reverse=True):
            yield from self._part(key)

    def _part(self, key: str) -> list[ArchivedAnswer]:
        body = self.store.get(key)
        try:
            return [] if body is None else [answer_from_ndjson(line) for line in gzip.decompress(body).splitlines()]
        except _DAMAGE:
            log.warning("archive.damaged", key=key, exc_info=True)
            return []

    def writer(
        self, image: ImageRef, version: ImageVersion, *, epoch: int, on_part: Callable[[], None]
    ) -> "PartWriter":
        """Start writing parts for one claim; ``on_part`` is called after each."""
        return PartWriter(self.store, _folder(image, version) + f"e{epoch:015d}", on_part)


class PartWriter:
    """Collects answers and writes them in parts; ``flush`` writes what is left."""

    def __init__(self, store: ArchiveStore, stem: str, on_part: Callable[[], None]) -> None:
        """Take ``stem``, the part names' common beginning."""
        self._store, self._stem, self._on_part = store, stem, on_part
        self._lines: list[bytes] = []
        self._paid = self._ordinal = 0
        self._since = time.monotonic()

    def add(self, answer: ArchivedAnswer) -> None:
        """Take an answer; write a part when it is full or old enough."""
        self._lines.append(answer.to_ndjson())
        self._paid += not isinstance(answer, ChipBlank)
        full = self._paid >= PART_ANSWERS or len(self._lines) >= PART_LINES
        if full or (self._paid and time.monotonic() - self._since >= PART_AGE_S):
            self.flush()

    def flush(self) -> None:
        """Write what is left."""
        if self._lines:
            body = gzip.compress(b"".join(self._lines), compresslevel=5, mtime=0)
            self._store.put(f"{self._stem}-{self._ordinal:06d}.ndjson.gz", body)
            self._lines.clear()
            self._paid, self._ordinal = 0, self._ordinal + 1
            self._on_part()
        self._since = time.monotonic()


def _folder(image: ImageRef, version: ImageVersion) -> str:
    mask = mask_of(image, version.side_files)
    etags = [version.etag] if mask is None else [version.etag, mask.etag]
    shown = _BETWEEN.join(quote(etag, safe="") for etag in etags)
    return f"answers/{version.detection_fingerprint}/{image.id}/{shown}/"


def _record_name(side_files: tuple[SideFile, ...]) -> str:
    facts = "\x1f".join(f"{side.key}\x1e{side.etag}" for side in side_files)
    return f"image-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"
