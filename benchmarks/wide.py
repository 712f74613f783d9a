"""Images 60,000 px a side that are made in a second: every block of the file is the same bytes of noise.

A reader cannot know that, so it must fetch and decode each, as if they were different.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

SIDE_PX = 60_000
_RGB, _YCBCR = 2, 6
_DEFLATE, _JPEG = 8, 7
_SHORT, _LONG = 3, 4
_FORMATS = {_SHORT: "H", _LONG: "I"}


@dataclass(frozen=True, slots=True)
class WideImage:
    """A TIFF of blocks, or of strips as wide as it is."""

    block_width: int
    block_height: int
    bits: int = 8
    bands: int = 3
    jpeg: bool = False

    @property
    def file_name(self) -> str:
        """Names it by what it is."""
        form = "jpeg" if self.jpeg else "deflate"
        return f"wide-{self.block_width}x{self.block_height}-{self.bands}x{self.bits}-{form}.tif"

    def make(self, folder: Path) -> Path:
        """Write it, unless it is there."""
        path = folder / self.file_name
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(self._file()))
        return path

    def _block(self) -> bytes:
        highest = 2**self.bits
        shape = (self.block_height, self.block_width, self.bands)
        noise = np.random.default_rng(5).integers(0, highest, shape).astype(f"<u{self.bits // 8}")
        if self.jpeg:
            coded: bytes = simplejpeg.encode_jpeg(noise // 8 + 100, quality=75, colorsubsampling="420")
            return coded
        return zlib.compress(noise.tobytes(), level=1)

    def _file(self) -> Iterator[bytes]:
        block = self._block()
        n_blocks = -(-SIDE_PX // self.block_width) * -(-SIDE_PX // self.block_height)
        start = 8
        entries = self._tags(start, len(block), n_blocks)
        directory_at = start + len(block) + len(block) % 2
        values_at = directory_at + 2 + 12 * len(entries) + 4
        directory, values = b"", b""
        for tag, (kind, numbers) in sorted(entries.items()):
            packed = struct.pack(f"<{len(numbers)}{_FORMATS[kind]}", *numbers)
            if len(packed) > 4:
                place = struct.pack("<I", values_at + len(values))
                values += packed
            else:
                place = packed.ljust(4, b"\0")
            directory += struct.pack("<HHI", tag, kind, len(numbers)) + place
        yield b"II*\0" + struct.pack("<I", directory_at)
        yield block.ljust(len(block) + len(block) % 2, b"\0")
        yield struct.pack("<H", len(entries)) + directory + struct.pack("<I", 0) + values

    def _tags(self, start: int, n_bytes: int, n_blocks: int) -> dict[int, tuple[int, list[int]]]:
        """Give type and values by tag (TIFF 6.0)."""
        tags = {
            256: (_LONG, [SIDE_PX]),
            257: (_LONG, [SIDE_PX]),
            258: (_SHORT, [self.bits] * self.bands),
            259: (_SHORT, [_JPEG if self.jpeg else _DEFLATE]),
            262: (_SHORT, [_YCBCR if self.jpeg else _RGB]),
            277: (_SHORT, [self.bands]),
            284: (_SHORT, [1]),
        }
        if self.bands > 3:
            tags[338] = (_SHORT, [0] * (self.bands - 3))
        if self.jpeg:
            tags[530] = (_SHORT, [2, 2])
        offsets, sizes = (_LONG, [start] * n_blocks), (_LONG, [n_bytes] * n_blocks)
        if self.block_width >= SIDE_PX:
            return tags | {273: offsets, 278: (_LONG, [self.block_height]), 279: sizes}
        shape = {322: (_LONG, [self.block_width]), 323: (_LONG, [self.block_height])}
        return tags | shape | {324: offsets, 325: sizes}
