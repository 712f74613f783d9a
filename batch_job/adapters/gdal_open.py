"""Opening a file with GDAL, through our own reading of it and with one driver."""

import threading
import warnings
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from batch_job.adapters.ranges import RangedFile, RangedObject
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
