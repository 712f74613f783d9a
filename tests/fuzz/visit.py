"""What is done with a damaged file: all stages, twice, as the first run and as re-indexing from the archive."""

import hashlib
import json
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from pathlib import Path

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.memory import EPOCH, MemoryArchiveStore
from batch_job.adapters.planted import PlantedDetector, PlantedObject
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.errors import InputError, OutOfBudgetError
from batch_job.ports import Keep
from batch_job.process import Pipeline
from batch_job.search.geojson import image_feature, label_feature
from batch_job.settings import PipelineSettings
from batch_job.spend.archive import Archive
from batch_job.tally import Tally
from batch_job.values.answers import Answer
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.objects import ObjectFacts
from batch_job.values.spaces import Chip, PixelBox
from batch_job.values.work import Processed, Work

ADDRESS_SPACE_BYTES = 2048 * 1024**2
"""Of a worker, its libraries included; each of its threads reserves 64 MB and more that it does not use."""
PEAK_MB = 800
"""Resident; a block of a TIFF may have 256 MB, and becomes several arrays."""
CHIP_PX = 256
"""So that the small images have several chips."""

IMAGE = ImageRef("fuzz", "folder/image")
BESIDE = ImageRef("fuzz", "folder/image.msk")
PLANTED = (PlantedObject("Car", 90.0, PixelBox(20.5, 10, 260, 90)), PlantedObject("Harbor", 80.0, None))

MOST_CHIPS = 500
"""Then it is enough: an image without data may be as large as it likes, and takes time in proportion."""

_NO_MEMORY = ("cannot allocate", "unable to allocate", "bad_alloc", "not enough memory")
"""Words by which libraries say that they met the bound; without one they would have gone on. libtiff's "Out of memory
reading of" a tag is not among them: it says so of broken counts, and has asked for nothing."""


class Kind(StrEnum):
    """How it ended; only the first two are as they should be."""

    CHIPS = auto()
    REFUSED = auto()
    """An ``InputError``."""
    ERROR = auto()
    MEMORY = auto()
    """It took, or wanted, more than the bound."""
    CRASH = auto()
    HANG = auto()

    @property
    def is_fine(self) -> bool:
        return self in (Kind.CHIPS, Kind.REFUSED)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a file ended."""

    kind: Kind
    what: str
    """The number of chips sent, the error's code, or what went wrong."""
    seconds: float = 0.0
    peak_mb: float = 0.0


class _Counting:
    """Counts the chips that it is asked about; the answers are ``PlantedDetector``'s."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        for answer in PlantedDetector(PLANTED).detect(chips, keep=keep):
            self.asked += 1
            yield answer


class _Patience:
    """A lease that ends when enough was seen; ``keep`` is called for every chip, blank ones too."""

    def __init__(self) -> None:
        self._left = MOST_CHIPS

    def keep(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OutOfBudgetError(f"enough after {MOST_CHIPS} chips")

    def part_archived(self) -> None: ...


def limit_memory() -> None:
    """Bound this process, for good."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))


def visit(body: bytes, mask: bytes | None = None) -> Ending:
    """Send a file, and a mask beside it, through all stages."""
    _forget_peak()
    began = time.perf_counter()
    try:
        kind, what = Kind.CHIPS, f"{_process_twice(body, mask)} chips"
    except OutOfBudgetError as error:
        kind, what = Kind.CHIPS, str(error)
    except InputError as error:
        kind, what = (Kind.MEMORY, _told(error)) if _wanted_memory(error) else (Kind.REFUSED, str(error.code))
    except MemoryError as error:
        kind, what = Kind.MEMORY, _told(error)
    except Exception as error:  # noqa: BLE001  whatever it is, it is what we are looking for
        kind, what = Kind.ERROR, _told(error)
    peak_mb = _peak_mb()
    if peak_mb > PEAK_MB:
        kind, what = Kind.MEMORY, f"{peak_mb:.0f} MB resident; {what}"
    return Ending(kind, what, time.perf_counter() - began, peak_mb)


def _process_twice(body: bytes, mask: bytes | None) -> int:
    """Process, then again from the archive alone; gives the number of chips sent."""
    detector = _Counting()
    bodies = {IMAGE: body} if mask is None else {IMAGE: body, BESIDE: mask}
    pipeline = Pipeline(
        open_raster=RasterOpener(ObjectsInMemory(bodies)),
        detector=detector,
        transform=GdalGroundTransform(),
        settings=PipelineSettings(detector="http@http://127.0.0.1:9", chip_px=CHIP_PX),
        progress=Tally(),
        archive=Archive(MemoryArchiveStore()),
    )
    settings = pipeline.settings
    sides = () if mask is None else (SideFile(BESIDE.key, _md5(mask)),)
    version = ImageVersion("etag", sides, settings.detection_fingerprint, settings.index_fingerprint)
    work = Work(
        IMAGE,
        ObjectFacts(etag=_md5(body), size=len(body), last_modified=EPOCH),
        version,
        epoch=1,
    )
    first = pipeline.process(work, _Patience())
    asked = detector.asked
    again = pipeline.process(work, _Patience())
    assert detector.asked == asked, f"{detector.asked - asked} chips were bought again"
    assert _documents(again) == _documents(first), "re-indexing gives other documents"
    return asked


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _documents(processed: Processed) -> str:
    """Encode all; a number that is none is no JSON."""
    described = replace(processed.described, indexed_at=EPOCH)
    features = [image_feature(described), *map(label_feature, processed.labels)]
    return json.dumps(features, allow_nan=False)


def _wanted_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY):
        return True
    return error.__cause__ is not None and _wanted_memory(error.__cause__)


def _told(error: BaseException) -> str:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" ({Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno})" if at is not None else ""
    return f"{type(error).__name__}: {error}{place}"


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
