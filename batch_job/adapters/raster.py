"""Images through GDAL, by rasterio: from files of this machine and, under ``If-Match``, from S3.

GDAL reads through Python (rasterio's ``opener``), never through ``/vsis3``, whose cache would serve the bytes of an
older version; measured, that costs nothing. Only the driver that the first bytes call for may open a file.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.session import DummySession

from batch_job.adapters.decoders import decoder_of
from batch_job.adapters.gdal_open import closing, open_dataset
from batch_job.adapters.gdal_thread import GDAL_OPTIONS, GdalThread, as_ours
from batch_job.adapters.ranges import LocalFiles, RangedObject, RangeReader
from batch_job.adapters.raster_blocks import Blocks
from batch_job.adapters.raster_header import HEAD_BYTES, driver_of, read_facts, read_layout
from batch_job.adapters.raster_limits import check_parts, check_size
from batch_job.adapters.raster_mask import MaskBeside, opened_mask
from batch_job.adapters.raster_nitf import read_segment
from batch_job.adapters.raster_parts import Layout
from batch_job.adapters.raster_pixels import PixelReader, has_mask
from batch_job.adapters.raster_single import check_single, check_single_head
from batch_job.adapters.raster_source import GdalRaster
from batch_job.ports import OpenRaster, RasterSource
from batch_job.values.image import LOCAL_FILES, ImageRef, SideFile

THREADS = max(1, min(os.cpu_count() or 1, 4))
"""Decode and stretch beside the thread that reads; more find nothing to do."""


@dataclass(frozen=True, slots=True)
class RasterOpener:
    """Opens images; fits ``ports.OpenRaster``. Each open image is for one thread."""

    objects: RangeReader
    """Of the object store."""
    files: RangeReader = field(default_factory=LocalFiles)

    @contextmanager
    def __call__(self, image: ImageRef, *, etag: str | None, mask: SideFile | None = None) -> Iterator[RasterSource]:
        """Open an image; see ``ports.OpenRaster``."""
        file = RangedObject(self._reader(image), image, etag=etag)
        with rasterio.Env(session=DummySession(), **GDAL_OPTIONS), ExitStack() as open_files:
            dataset, head = _opened(image, file)
            open_files.enter_context(closing(dataset))
            with as_ours(image, file):
                check_single(image, dataset)
                check_size(image, dataset, head)
                facts, layout = read_facts(dataset, file.read), read_layout(dataset)
            beside = self._mask(image, mask, dataset, open_files)
            threads = open_files.enter_context(ThreadPoolExecutor(THREADS))
            gdal = open_files.enter_context(GdalThread(image, file))
            blocks = _blocks(dataset, layout)
            yield GdalRaster(
                facts=facts,
                layout=layout,
                pixels=PixelReader(dataset, facts, beside),
                file=file,
                gdal=gdal,
                threads=threads,
                blocks=blocks,
                decoder=gdal.call(lambda: decoder_of(blocks, facts, file)),
            )

    def _reader(self, image: ImageRef) -> RangeReader:
        return self.files if image.bucket == LOCAL_FILES else self.objects

    def _mask(self, image: ImageRef, mask: SideFile | None, dataset: Any, open_files: ExitStack) -> MaskBeside | None:
        """Open the mask beside an image; one inside comes before it, as GDAL has it."""
        if mask is None or has_mask(dataset):
            return None
        beside = ImageRef(bucket=image.bucket, key=mask.key)
        return open_files.enter_context(opened_mask(self._reader(image), beside, etag=mask.etag, of=dataset))


def _opened(image: ImageRef, file: RangedObject) -> tuple[Any, bytes]:
    """Give rasterio's dataset, by the one driver for these first bytes, and these."""
    head = file.read(0, HEAD_BYTES)
    driver = driver_of(image, head)
    check_single_head(image, head)
    if driver == "NITF":
        segment = read_segment(image, file.read)
        head = file.read(segment.start, HEAD_BYTES) if segment.is_jpeg_2000 else head
    check_parts(image, head)
    with as_ours(image, file):
        return open_dataset(image, file, driver=driver), head


def _blocks(dataset: Any, layout: Layout) -> Blocks | None:
    if dataset.driver != "GTiff" or not dataset.count:
        return None
    interleaving = dataset.interleaving.value if dataset.interleaving else "PIXEL"
    return Blocks(dataset, layout, bands_apart=interleaving != "PIXEL")


if TYPE_CHECKING:
    _open_raster: type[OpenRaster] = RasterOpener
