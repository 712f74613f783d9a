"""Calls of GDAL: all those of one image in a thread of its own, with our options, and with our errors for GDAL's."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.session import DummySession

from batch_job.adapters.ranges import RangedObject
from batch_job.adapters.signals import signals_held
from batch_job.errors import BackfillError, TooLargeError, UnreadableImageError
from batch_job.values.image import ImageRef

Result = TypeVar("Result")

BLOCK_CACHE_BYTES = 16 * 1024**2
"""GDAL's cache of decoded blocks, for the whole process: what is shown is read once, in pieces (``raster_pieces``), and
kept there, so that the cache must hold no more than a piece in all its bands."""

GDAL_OPTIONS = {
    "GDAL_CACHEMAX": BLOCK_CACHE_BYTES,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no side files: they only count as part of the version
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # a truncated JPEG is an error, not grey
    "GDAL_NUM_THREADS": "1",  # its threads do not find the opener: a JPEG 2000 in parts would be stray memory, silently
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # with it GDAL 3.10 fills a truncated PNG with stray memory, silently
}

_NEEDS_MEMORY = "libjpeg to allocate"
"""GDAL's words for a progressive JPEG whose coefficients do not fit in 500 MB."""


class GdalThread:
    """The one thread in which an open image is read, while others decode, stretch and encode what it read."""

    def __init__(self, image: ImageRef, file: RangedObject) -> None:
        """Take the image, for messages, and the file through which GDAL reads it."""
        self._image, self._file = image, file
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="gdal")

    def call(self, work: Callable[[], Result]) -> Result:
        """Do work, and wait for it. Raises what it raises, in our words."""
        return self.start(work).result()

    def start(self, work: Callable[[], Result]) -> "Future[Result]":
        """Have work done when all that was started before is done."""
        return self._executor.submit(self._do, work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let what is being done end; the rest is not begun."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _do(self, work: Callable[[], Result]) -> Result:
        # options and error handlers are a thread's own
        with rasterio.Env(session=DummySession(), **GDAL_OPTIONS), as_ours(self._image, self._file):
            return work()


@contextmanager
def as_ours(image: ImageRef, file: RangedObject) -> Iterator[None]:
    """Raise our error for GDAL's; what went wrong below GDAL comes first, and also when GDAL saw nothing of it."""
    try:
        with signals_held():
            yield
    except BackfillError:
        raise
    # GDAL may open a file and complain of it (broken EXIF, GeoTIFF keys): rasterio lets that through as it is
    except (RasterioError, CPLE_BaseError, ValueError, OSError, MemoryError) as error:
        if file.error is not None:
            raise file.error from error
        reason = str(error.__cause__ or error).removeprefix(image.id).lstrip(",: ")
        if _NEEDS_MEMORY in reason or isinstance(error, MemoryError):
            raise TooLargeError(f"{image.uri}: {reason}") from error
        raise UnreadableImageError(f"{image.uri}: {reason}") from error
    if file.error is not None:
        raise file.error


def tag(dataset: Any, name: str, *, band: int) -> str | None:
    """Give what GDAL's TIFF driver tells of where a band's bytes are (its metadata domain ``TIFF``)."""
    said: str | None = dataset.get_tag_item(name, "TIFF", bidx=band)
    return said
