"""Opening a file with GDAL, through our own reading of it and with one driver."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from batch_job.adapters.ranges import RangedFile, RangedObject
from batch_job.adapters.signals import signals_held
from batch_job.values.image import ImageRef

_OPENING = threading.Lock()
"""Each opening adds a file system to GDAL's table, which has no lock of its own."""


def open_dataset(image: ImageRef, file: RangedObject, *, driver: str) -> Any:
    """Open what ``file`` reads as a rasterio dataset, in the thread that has our GDAL options. Raises GDAL's errors."""

    def opener(_path: str, _mode: str = "rb", **_options: Any) -> RangedFile:
        return file.open()

    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(image.id, driver=driver, opener=opener)


@contextmanager
def closing(dataset: Any) -> Iterator[None]:
    """Close a dataset after the block. GDAL calls us back then too, and would swallow what a signal raises."""
    with ExitStack() as open_dataset:
        open_dataset.enter_context(dataset)
        try:
            yield
        finally:
            with signals_held():
                open_dataset.close()
