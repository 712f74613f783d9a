"""Who decodes an image's pieces beside GDAL: chosen by facts of the file. Fits one port, whoever it is."""

from typing import Any, Protocol

from numpy.typing import NDArray

from batch_job.adapters.jpeg_blocks import JpegBlocks
from batch_job.adapters.jpeg_stream import JpegStream
from batch_job.adapters.packed_blocks import PackedBlocks
from batch_job.adapters.ranges import RangedObject
from batch_job.adapters.raster_blocks import Blocks
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Window


class Coded(Protocol):
    """A piece of an image, read."""

    @property
    def piece(self) -> Window:
        """Where it lies."""
        ...

    def decode(self) -> NDArray[Any] | None:
        """Decode, in any thread: (bands, rows, columns). None: GDAL shall judge."""
        ...


class Decoder(Protocol):
    """Reads pieces of an open image, past GDAL."""

    def read(self, file: RangedObject, piece: Window) -> Coded | None:
        """Read a piece, in the thread of the dataset. None: GDAL shall."""
        ...


def decoder_of(blocks: Blocks | None, facts: RasterFacts, file: RangedObject) -> Decoder | None:
    """Choose, in the thread of the dataset; None where GDAL is the fastest, or the only one."""
    if blocks is None:
        return JpegStream.of(facts, file.read)
    return JpegBlocks.of(blocks, facts) or PackedBlocks.of(blocks, facts, file)
