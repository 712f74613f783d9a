"""Every seam to the outside, on one page. Adapters implement these; fakes next to them do too.

Unless a method says otherwise it may raise ``TransientError`` (try again) and ``DeploymentError`` (stop).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum, auto
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batch_job.values.answers import Answer
from batch_job.values.budget import Draw, Drawn
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LabelSet, LedgerEntry, Seen, StoredEntry
from batch_job.values.objects import ListedObject, ObjectFacts, StoredBytes
from batch_job.values.place import Georeference
from batch_job.values.query import LabelQuery
from batch_job.values.raster import Pixels, RasterFacts
from batch_job.values.spaces import Chip, Window
from batch_job.values.work import Processed, Work

Keep = Callable[[], None]
"""``Keeper.keep``, for those who need no more of it."""


class Keeper(Protocol):
    """Holds the lease while somebody works."""

    def keep(self) -> None:
        """Renew the lease when that is due; make sure that it is still ours. Call it often, and before each paid call.

        Raises:
            LeaseLostError: the image is no longer ours; archive what was paid, then let this error pass.
            OutOfBudgetError: the same, for money.
        """
        ...

    def part_archived(self) -> None:
        """Note that a part reached the archive: progress, so the count of attempts starts again."""
        ...


class Processing(Protocol):
    """From a claimed version of an image to its documents; ``process.py`` is the real one."""

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        """Tell whether the archive holds every answer of this version, so that nothing would have to be bought."""
        ...

    def process(self, work: Work, keeper: Keeper) -> Processed:
        """Do all stages; whatever was paid for stands in the archive when this returns or raises.

        Raises:
            InputError: this version cannot be processed.
            ChangedError: the object is no longer this version.
            LeaseLostError, OutOfBudgetError: as ``keeper.keep``.
        """
        ...


class Clock(Protocol):
    """The object store's time, not this machine's."""

    def now_ms(self) -> int:
        """Give ms since 1970: the newest ``Date`` of the store plus the time since, suspended time included."""
        ...

    def reading_age_ms(self) -> int:
        """Tell how old that newest ``Date`` is; a very large number before the first."""
        ...


class ObjectStore(Protocol):
    """The buckets with the imagery."""

    def head(self, image: ImageRef) -> ObjectFacts | None:
        """Ask for an object's facts; None when it does not exist (404)."""
        ...

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        """Yield every object under a prefix, in the order of their keys."""
        ...


class ArchiveStore(Protocol):
    """Where paid answers are kept; keys are relative to its root."""

    def get(self, key: str) -> bytes | None:
        """Read a whole object; None when it does not exist."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write a whole object, at once or not at all."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        ...


class RunStore(ArchiveStore, Protocol):
    """Where runs keep their plans, shards and markers; keys are relative to its root."""

    def read(self, key: str) -> StoredBytes | None:
        """Read a whole object for writing over it; None when it does not exist."""
        ...

    def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
        """Write, if the object's ETag is still ``over`` (None: if there is no object); gives the new ETag.

        Raises:
            ConflictError: it is not, or an earlier try of this very write arrived and its answer was lost.
            UnavailableError: whether it was written is not known.
        """
        ...


class ByteStream(Protocol):
    """An object's bytes, in order."""

    def read(self, size: int, /) -> bytes:
        """Read up to so many bytes; none at the end, all that are left if ``size`` is -1."""
        ...


class OpenStream(Protocol):
    """Opens objects of any size."""

    def __call__(self, *, bucket: str, key: str) -> AbstractContextManager[ByteStream]:
        """Open an object.

        Raises:
            ChangedError: there is none.
        """
        ...


class JobQueue(Protocol):
    """Where jobs wait for a machine. A submission whose answer is lost may be made twice."""

    def submit(self, name: str, parameters: Mapping[str, str]) -> str:
        """Submit a job of its own; gives its id."""
        ...

    def submit_array(self, name: str, parameters: Mapping[str, str], *, size: int) -> str:
        """Submit a job of 2 to 10,000 children that know their numbers, from 0; gives its id."""
        ...

    def cancel(self, job_id: str, *, reason: str) -> None:
        """Take back what has not started, children too; what runs goes on. That it ended already is no error."""
        ...


class MessageQueue(Protocol):
    """Where messages wait for whoever works on them; each may come more than once, in any order."""

    def send(self, bodies: Iterable[str]) -> None:
        """Send all; if this raises, some may have been sent."""
        ...


class RasterSource(Protocol):
    """One open image."""

    @property
    def facts(self) -> RasterFacts:
        """The header."""
        ...

    def read_windows(self, windows: Iterable[Window], *, bands: Sequence[int]) -> Iterator[tuple[Window, Pixels]]:
        """Yield the pixels of each window, in the order given, of the bands given (1-based, as in GDAL).

        The reader may look ahead among the windows, so that it can decode every block once.

        Raises:
            UnreadableImageError: the bytes are broken.
            ChangedError: the object is not the version that was opened.
        """
        ...

    def read_overview(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read the whole image, scaled down so that neither side is over ``max_px``. Raises as ``read_windows``."""
        ...

    def read_sample(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read about ``max_px``² pixels from all over the image, in any arrangement, without reading all of it.

        Raises as ``read_windows``.
        """
        ...


class OpenRaster(Protocol):
    """Opens images of allowed formats, under ``If-Match`` where the store has it."""

    def __call__(self, image: ImageRef, *, etag: str | None) -> AbstractContextManager[RasterSource]:
        """Open an image.

        Raises:
            UnreadableImageError, UnsupportedImageError, TooLargeError: it is no image that we read.
            ChangedError: the object is not the version ``etag`` any more.
        """
        ...


class GroundTransform(Protocol):
    """Pixels to the ground where that takes more than an affine transform (GCPs, RPCs)."""

    def to_lonlat(
        self, georeference: Georeference, *, cols: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give longitudes and latitudes, degrees; not finite where there is no answer."""
        ...


class Detector(Protocol):
    """A model behind some service."""

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield what the model said of each chip, in any order; as many chips are alive as calls are in flight.

        ``keep`` is called before every attempt of a paid call. When it raises, or pulling the next chip does, no
        further call is started, the answers under way are still yielded, and then that error passes on.

        Raises:
            DetectorDownError: the service kept refusing; the answers got were yielded.
            AccessError: nobody may call it; stop.
        """
        ...


class BudgetStore(Protocol):
    """What is left of the calls allowed, the same for all workers."""

    def draw(self, draw: Draw) -> Drawn:
        """Take calls from a lane in one atomic step, if its next free moment is not after ``draw.now_us``.

        Raises:
            UnavailableError, ThrottledError: whether they were taken is not known; then they are nobody's.
        """
        ...

    def time_s(self) -> int:
        """Ask what time it is by the clock whose dates stand in the answers of ``draw``; whole seconds since 1970."""
        ...


class Ledger(Protocol):
    """The images index, as the ledger of who does what."""

    def get(self, image: ImageRef) -> StoredEntry | None:
        """Read by id, in real time."""
        ...

    def put(self, entry: LedgerEntry, *, over: Seen | None) -> Seen:
        """Write, if the document is still as it was seen (None: if there is none).

        Raises:
            ConflictError: it is not.
            UnavailableError: whether it was written is not known.
        """
        ...

    def delete(self, image: ImageRef, *, over: Seen) -> None:
        """Delete a tombstone, if it is still as it was seen. Raises as ``put``."""
        ...

    def entries(self, *, bucket: str, prefix: str = "") -> Iterator[StoredEntry]:
        """Yield every entry of a bucket under a prefix, as of about now (not in real time), in no order."""
        ...


class LabelIndex(Protocol):
    """The labels index, for writing."""

    def write(self, labels: Iterable[LabelDocument], *, until_ms: int) -> None:
        """Write all, over what has the same id.

        Raises:
            LateError: a request would have been signed after ``until_ms``, by the store's clock.
            InputError: the index refuses a document for good.
            UnavailableError: some may be written, some not.
        """
        ...

    def delete(self, image: ImageRef, labels: LabelSet) -> None:
        """Delete by id; that there is none is no error."""
        ...


class SearchIndex(Protocol):
    """Both indices, for reading."""

    def search(self, query: LabelQuery) -> Iterator[LabelDocument]:
        """Yield the labels asked for that their images count as their own, the most confident first.

        Raises:
            InputError: the question cannot be answered (an area that is no polygon, say).
        """
        ...

    def images(self, bucket: str, prefix: str = "") -> Iterator[LedgerEntry]:
        """Yield the images of a bucket whose keys start with ``prefix``, by key, as of about now."""
        ...


class Count(StrEnum):
    """What a run counts while it works."""

    CHIPS = auto()
    """Chips planned."""
    BLANK = auto()
    """... of these without a picture, not sent."""
    ANSWERS = auto()
    """... of these answered (paid)."""
    KEPT = auto()
    """... of these answered from the archive."""
    REJECTED = auto()
    THROTTLED = auto()
    """Attempts that the service refused for going too fast; not paid."""
    LABELS = auto()


class Progress(Protocol):
    """Somebody who watches a run; called from several threads."""

    def add(self, count: Count, n: int = 1) -> None:
        """Count."""
        ...

    def spent(self, stage: str, seconds: float) -> None:
        """Note the time that a stage took."""
        ...
