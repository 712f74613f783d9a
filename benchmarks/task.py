"""What every side of the pipeline benchmark is given, and what it reports; runs in the peers' environments too.

So it imports nothing but the standard library (as does `batch_job.cli.memory`) and, once the time is taken, Pillow.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import Self

from batch_job.cli.memory import peak_mb

THUMBNAIL_PX = 8
"""Side of the thumbnails by which chips are compared: encoders differ in pixels, never in such large areas."""

RGB = [1, 2, 3]
"""Bands, of peers that are told which."""
PERCENTILES = (2, 98)
"""Limits of the stretch of what is not 8-bit, by peers that are told which; taken from an overview of this size:"""
OVERVIEW_PX = 1024


@dataclass(frozen=True, slots=True)
class Task:
    """Cut one image into JPEG chips."""

    image: str
    """Path."""
    truth: str
    """Path of the truth; only ours has a use for it."""
    objects: int
    """How many objects must be found, by a side that looks for them."""
    chip_px: int
    overlap_px: int
    quality: int
    rows: int | None = None
    """Only so many rows of chips, from the top, by sides that know of it; None: all."""

    def to_json(self) -> str:
        """Encode as the one argument of a side's program."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Decode what ``to_json`` wrote."""
        return cls(**json.loads(text))

    def windows(self, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield col_off, row_off, width and height of each chip of an image, row by row; the last ones are moved in."""
        for row_off in self._offsets(height):
            for col_off in self._offsets(width):
                yield col_off, row_off, min(self.chip_px, width), min(self.chip_px, height)

    def _offsets(self, length: int) -> Iterator[int]:
        last = max(length - self.chip_px, 0)
        yield from range(0, last, self.chip_px - self.overlap_px)
        yield last


@dataclass(frozen=True, slots=True)
class Report:
    """What a side did, and how fast."""

    offsets: list[list[int]]
    """[col, row] of each chip, sorted."""
    thumbnails: dict[str, list[int]] = field(repr=False)
    """Of the chips on the diagonal, by ``col,row``: ``THUMBNAIL_PX``² pixels in RGB."""
    seconds: float
    """By the wall's clock."""
    cpu_seconds: float
    """Of all threads."""
    peak_mb: float
    """Resident memory of the whole process, its imports included."""
    labels: int | None = None
    """Objects found, by a side that looks for them."""

    def to_json(self) -> str:
        """Encode as the last line that a side prints."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Decode what ``to_json`` wrote."""
        return cls(**json.loads(text))


class Chips:
    """Notes a side's chips while it works, and keeps the few that are compared."""

    def __init__(self) -> None:
        self._offsets: list[list[int]] = []
        self._kept: dict[str, bytes] = {}

    def add(self, jpeg: bytes, *, col_off: int, row_off: int) -> None:
        """Note a chip."""
        self._offsets.append([col_off, row_off])
        if col_off == row_off:
            self._kept[f"{col_off},{row_off}"] = jpeg

    def timed(self, work: Callable[[], int | None]) -> Report:
        """Do the work, which adds the chips and may tell how many objects it found; report it."""
        began, cpu_began = time.perf_counter(), time.process_time()
        labels = work()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        peak = peak_mb()
        thumbnails = {at: _thumbnail(jpeg) for at, jpeg in self._kept.items()}
        return Report(sorted(self._offsets), thumbnails, seconds, cpu_seconds, peak, labels)


def _thumbnail(jpeg: bytes) -> list[int]:
    from PIL import Image  # noqa: PLC0415  only now, so that no side's figures hold it

    with Image.open(BytesIO(jpeg)) as picture:
        small = picture.convert("RGB").resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    return list(small.tobytes())
