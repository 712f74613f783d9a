"""JPEG blocks of a TIFF through libjpeg-turbo: four times as fast as the libjpeg inside rasterio's wheels.

Only what is plain is decoded here. Whatever is broken or unusual is left to GDAL, so that there is one judge of it.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from batch_job.adapters.gdal_thread import tag
from batch_job.adapters.ranges import RangedObject
from batch_job.adapters.raster_blocks import Blocks
from batch_job.adapters.raster_parts import shared
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Window

MAX_BLOCK_BYTES = 64 * 1024**2
"""4,096 px a side in RGB are 50 MB. Each thread holds a whole block; of larger ones GDAL holds one at a time."""

START, END = b"\xff\xd8", b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
"""In compressed data 255 is followed by 0, so this stands there once: a block of thousands of scans takes hours."""
_COLOURS = {"YCbCr": 1, "RGB": 0}
"""How a TIFF's photometric interpretation is told to libjpeg, which would guess: the transform of Adobe's marker."""


@dataclass(frozen=True, slots=True)
class JpegBlocks:
    """The blocks of an image in one or three bands of 8 bits."""

    blocks: Blocks
    tables: bytes
    """What stands before each block, with its start: quantization and Huffman tables that all share."""
    colours: str
    """As libjpeg must find them: ``YCbCr``, ``RGB`` or ``Gray``."""

    @classmethod
    def of(cls, blocks: Blocks, facts: RasterFacts) -> Self | None:
        """Look whether an open TIFF has such blocks; for the thread of the dataset."""
        dataset: Any = blocks.dataset
        compression = dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
        if not compression.endswith("JPEG") or set(facts.dtypes) != {"uint8"} or facts.bits is not None:
            return None
        layout = blocks.layout
        if layout.block_width * layout.block_height * layout.pixel_bytes > MAX_BLOCK_BYTES:
            return None
        colours = _colours_of(dataset, compression)
        tables = bytes.fromhex(tag(dataset, "JPEGTABLES", band=1) or "ffd8ffd9")
        if colours is None or not (tables.startswith(START) and tables.endswith(END)):
            return None
        return cls(blocks, tables.removesuffix(END) + _adobe(colours), colours)

    def read(self, file: RangedObject, piece: Window) -> "CodedPiece | None":
        """Read the blocks of a piece, coded; None if one is not there. For the thread of the dataset."""
        found = self.blocks.bodies(file, piece)
        if found is None:
            return None
        if any(not body.startswith(START) or body.count(START_OF_SCAN) != 1 for _, body in found):
            return None
        coded = [(window, self.tables + body[len(START) :]) for window, body in found]
        return CodedPiece(piece, self.colours, coded)


@dataclass(frozen=True, slots=True)
class CodedPiece:
    """A piece of an image, not decoded yet."""

    piece: Window
    colours: str
    blocks: Sequence[tuple[Window, bytes]]

    def decode(self) -> NDArray[np.uint8] | None:
        """Decode, in any thread: (bands, rows, columns), in memory (rows, columns, bands). None: GDAL shall judge."""
        bands = 1 if self.colours == "Gray" else 3
        pixels = np.empty((self.piece.height, self.piece.width, bands), np.uint8)
        for window, body in self.blocks:
            rows, rows_there = shared(self.piece.row_off, self.piece.height, window.row_off, window.height)
            cols, cols_there = shared(self.piece.col_off, self.piece.width, window.col_off, window.width)
            # the last strip may be written short
            block = _decoded(body, self.colours, width=window.width, heights=(window.height, rows_there.stop))
            if block is None:
                return None
            pixels[rows, cols] = block[rows_there, cols_there]
        return pixels.transpose(2, 0, 1)


def _decoded(body: bytes, colours: str, *, width: int, heights: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Decode a block that is what it should be; by its header first, since it may claim to be of any size."""
    try:
        height, wide, found, _ = simplejpeg.decode_jpeg_header(body)
        if found != colours or wide != width or height not in heights:
            return None
        decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(body, colorspace="GRAY" if colours == "Gray" else "RGB")
    except ValueError:
        return None
    return decoded


def _colours_of(dataset: Any, compression: str) -> str | None:
    """Name what the blocks hold; None where GDAL must sort it out (CMYK, alpha, bands apart)."""
    if dataset.count == 1:
        return "Gray" if dataset.colorinterp[0].name == "gray" else None
    meanings = [meaning.name for meaning in dataset.colorinterp]
    if meanings != ["red", "green", "blue"] or dataset.interleaving.value != "PIXEL":
        return None
    return "YCbCr" if compression.startswith("YCbCr") else "RGB"


def _adobe(colours: str) -> bytes:
    """Make the marker that tells libjpeg what the bands are; else it would guess by their numbers."""
    if colours not in _COLOURS:
        return b""
    body = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, _COLOURS[colours])
    return b"\xff\xee" + struct.pack(">H", len(body) + 2) + body
