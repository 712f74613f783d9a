"""Blocks of a TIFF in deflate, ZSTD and WebP through imagecodecs, in several threads.

GDAL needs a quarter to a half more for the same (``benchmarks.codecs``), and decodes in the one thread that may use the
dataset. Only what is plain is decoded here. Whatever is broken or unusual is left to GDAL, so that there is one judge
of it. LZW is GDAL's: imagecodecs for Python 3.11 is slower at it.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from batch_job.adapters.ranges import RangedObject
from batch_job.adapters.raster_blocks import Blocks
from batch_job.adapters.raster_parts import shared
from batch_job.adapters.tiff_tags import BrokenTiffError, Tiff
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Window

MAX_BLOCK_BYTES = 8 * 1024**2
"""1,024 px a side in 4 bands of 16 bits. Of larger blocks GDAL keeps one while it is cut."""

_CODECS = ("DEFLATE", "ZSTD", "WEBP")
"""As GDAL names them."""
_DTYPES = ("uint8", "uint16")
_PHOTOMETRIC, _FILL_ORDER, _PREDICTOR = 262, 266, 317
_SHOWN_AS_STORED = (0, 1, 2, 3)
"""Grey, either way, RGB and palettes; what is YCbCr, GDAL turns into RGB."""
_HIGH_BIT_FIRST = 1
_PLAIN, _DIFFERENCES = 1, 2
"""Predictors: none, and differences of neighbours (TIFF 6.0, section 14)."""
_WEBP_BANDS = 3


@dataclass(frozen=True, slots=True)
class PackedBlocks:
    """The blocks of an image whose pixels hold all bands, in unsigned whole numbers."""

    blocks: Blocks
    codec: str
    """Of ``_CODECS``."""
    bands: int
    dtype: str
    predictor: int

    @classmethod
    def of(cls, blocks: Blocks, facts: RasterFacts, file: RangedObject) -> Self | None:
        """Look whether an open TIFF has such blocks; for the thread of the dataset."""
        codec = blocks.dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
        dtype = facts.dtypes[0]
        if codec not in _CODECS or not _is_plain(blocks, facts):
            return None
        if codec == "WEBP" and (dtype, facts.bands) != ("uint8", _WEBP_BANDS):
            return None
        predictor = _predictor(file)
        return None if predictor is None else cls(blocks, codec, facts.bands, dtype, predictor)

    def read(self, file: RangedObject, piece: Window) -> "PackedPiece | None":
        """Read the blocks of a piece; None if one is not there. For the thread of the dataset."""
        if piece.width * piece.height * self.blocks.layout.pixel_bytes > MAX_BLOCK_BYTES:
            return None  # many small blocks of many bands
        packed = self.blocks.bodies(file, piece)
        return None if packed is None else PackedPiece(self, piece, packed)

    def decode(self, body: bytes) -> NDArray[Any] | None:
        """Decode a block, in any thread: (rows, columns, bands). None where it is not exactly that."""
        codecs: Any = importlib.import_module("imagecodecs")
        layout = self.blocks.layout
        pixels = np.empty((layout.block_height, layout.block_width, self.bands), self.dtype)
        try:
            if self.codec == "WEBP":
                codecs.webp_decode(body, hasalpha=False, out=pixels)  # raises before it decodes another size
                return pixels
            unpack = codecs.deflate_decode if self.codec == "DEFLATE" else codecs.zstd_decode
            unpacked = unpack(body, out=pixels.reshape(-1).view(np.uint8))
        except (RuntimeError, ValueError):
            return None
        if len(unpacked) != pixels.nbytes:
            return None
        if self.predictor == _DIFFERENCES:
            codecs.delta_decode(pixels, axis=1, out=pixels)
        return pixels


@dataclass(frozen=True, slots=True)
class PackedPiece:
    """A piece of an image, not decoded yet."""

    of: PackedBlocks
    piece: Window
    blocks: Sequence[tuple[Window, bytes]]

    def decode(self) -> NDArray[Any] | None:
        """Decode, in any thread: (bands, rows, columns), in memory (rows, columns, bands). None: GDAL shall judge."""
        if len(self.blocks) == 1:  # most pieces are one block, which needs no copy
            block = self.of.decode(self.blocks[0][1])
            return None if block is None else self._own(block, self.blocks[0][0]).transpose(2, 0, 1)
        pixels = np.empty((self.piece.height, self.piece.width, self.of.bands), self.of.dtype)
        for window, body in self.blocks:
            block = self.of.decode(body)
            if block is None:
                return None
            rows, _ = shared(self.piece.row_off, self.piece.height, window.row_off, window.height)
            cols, _ = shared(self.piece.col_off, self.piece.width, window.col_off, window.width)
            pixels[rows, cols] = self._own(block, window)
        return pixels.transpose(2, 0, 1)

    def _own(self, block: NDArray[Any], window: Window) -> NDArray[Any]:
        """Give what of a block lies in this piece."""
        _, rows = shared(self.piece.row_off, self.piece.height, window.row_off, window.height)
        _, cols = shared(self.piece.col_off, self.piece.width, window.col_off, window.width)
        return block[rows, cols]


def _is_plain(blocks: Blocks, facts: RasterFacts) -> bool:
    layout = blocks.layout
    return (
        set(facts.dtypes) <= {facts.dtypes[0]} & set(_DTYPES)
        and facts.bits is None
        and "alpha" not in facts.color_interp
        and (not blocks.bands_apart or facts.bands == 1)
        and layout.block_width < layout.width
        and layout.block_width * layout.block_height * layout.pixel_bytes <= MAX_BLOCK_BYTES
    )


def _predictor(file: RangedObject) -> int | None:
    """Read the predictor; None where GDAL must sort it out, as in a file whose numbers begin with the high byte."""
    try:
        tiff = Tiff.of(file.read)
        found = tiff.directory(tiff.first, frozenset({_PHOTOMETRIC, _FILL_ORDER, _PREDICTOR}))
    except BrokenTiffError:
        return None
    said = {tag: value.numbers[0] for tag, value in found.items() if value.numbers}
    if said.get(_PHOTOMETRIC) not in _SHOWN_AS_STORED or said.get(_FILL_ORDER, _HIGH_BIT_FIRST) != _HIGH_BIT_FIRST:
        return None
    number = int(said.get(_PREDICTOR, _PLAIN))
    return number if tiff.order == "<" and number in (_PLAIN, _DIFFERENCES) else None
