"""Whether we dare to read a file: what would need too much memory or time is refused before any pixel is decoded."""

import struct
from typing import Any

import numpy as np

from batch_job.adapters.raster_nitf import NITF_UNCOMPRESSED
from batch_job.errors import TooLargeError
from batch_job.values.image import ImageRef

MAX_SCANLINE_PIXELS = 400_000_000
"""20,000². PNG, JPEG and JPEG 2000 in one piece are decoded from the top, whatever part is asked for; a file of 1 MB
can claim 65,535² pixels, and hours of decoding."""

MAX_SIDE_PX = 1_000_000
MAX_PIXELS = 250_000**2
"""62 gigapixels are 93,000 chips of 1,024 px, and 375 GB in 16-bit RGB. A sparse TIFF of 1 MB can claim 1,000,000²: all
its chips would have to be looked at, for days."""

MAX_BLOCK_BYTES = 256 * 1024**2
"""A block is decoded at once, and may be larger than its image; a COG's has 1–4 MB."""

MAX_PARTS = 100_000
"""Parts of a JPEG 2000 times its bands: to open the file OpenJPEG takes 3.7 kB for each, measured, so 370 MB at most;
60,000 px a side in parts of 1,024 px and 4 bands are 14,000."""

MAX_BANDS = 1024
"""Hyperspectral sensors have about 450."""

JPEG_2000_STARTS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
"""First bytes of such files."""
_SIZ = b"\xff\x4f\xff\x51"
"""Where a JPEG 2000 codestream begins, with its sizes (ISO/IEC 15444-1, A.5.1)."""
_SIZ_BYTES = 42
"""As far as the number of bands."""


def check_parts(image: ImageRef, head: bytes) -> None:
    """Refuse a JPEG 2000 in so many parts that even to open it would need too much memory; raises as ``check_size``."""
    at = head.find(_SIZ)
    if not head.startswith(JPEG_2000_STARTS) or at < 0 or len(head) < at + _SIZ_BYTES:
        return
    right, bottom, _, _, part_width, part_height, left, top, bands = struct.unpack_from(">8IH", head, at + 8)
    if not part_width or not part_height:
        return
    parts = -(-max(right - left, 0) // part_width) * -(-max(bottom - top, 0) // part_height)
    if parts * bands > MAX_PARTS:
        raise TooLargeError(f"{image.uri}: {parts} parts of {bands} bands; at most {MAX_PARTS} in all are read")


def check_size(image: ImageRef, dataset: Any, head: bytes) -> None:
    """Refuse what would need too much memory or time, before any pixel is decoded.

    Args:
        image: For the message.
        dataset: rasterio's, open.
        head: The file's first bytes.

    Raises:
        TooLargeError: says what is too large.
    """
    if dataset.count > MAX_BANDS:
        raise TooLargeError(f"{image.uri}: {dataset.count} bands; at most {MAX_BANDS} are read")
    width, height = dataset.width, dataset.height
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise TooLargeError(
            f"{image.uri}: {width} x {height} px; at most {MAX_PIXELS // 10**6:,} million are read, and "
            f"{MAX_SIDE_PX:,} a side: cut it into several images"
        )
    check_blocks(image, dataset)
    if dataset.driver == "GTiff" or dataset.tags().get("NITF_IC") in NITF_UNCOMPRESSED:
        return
    if dataset.driver == "WEBP":
        _check_webp(image, dataset)
    if head.startswith(JPEG_2000_STARTS):
        width, height = _largest_part(head, width=width, height=height)
    if width * height > MAX_SCANLINE_PIXELS:
        raise TooLargeError(
            f"{image.uri}: {width} x {height} px in one piece; of {dataset.driver}, which has no blocks to read alone, "
            f"at most {MAX_SCANLINE_PIXELS // 10**6} million are read"
        )


def pixel_bytes(dataset: Any) -> int:
    """Tell how many bytes a pixel has in one block: of all bands, or of one where each has its own blocks."""
    bands = dataset.count if dataset.interleaving and dataset.interleaving.value == "PIXEL" else 1
    return bands * max(16 if dtype.startswith("complex") else np.dtype(dtype).itemsize for dtype in dataset.dtypes)


def check_blocks(image: ImageRef, dataset: Any) -> None:
    """Refuse blocks that are too large to decode; raises as ``check_size``."""
    rows, cols = dataset.block_shapes[0]
    n_bytes = rows * cols * pixel_bytes(dataset)
    if n_bytes > MAX_BLOCK_BYTES:
        raise TooLargeError(
            f"{image.uri}: a block of {cols} x {rows} px needs {n_bytes} bytes; at most {MAX_BLOCK_BYTES} are decoded "
            "at once: write it in smaller blocks (a COG)"
        )


def _check_webp(image: ImageRef, dataset: Any) -> None:
    n_bytes = dataset.width * dataset.height * dataset.count
    if n_bytes > MAX_BLOCK_BYTES:
        raise TooLargeError(
            f"{image.uri}: {dataset.width} x {dataset.height} px of WebP, which is decoded as a whole, need {n_bytes} "
            f"bytes; at most {MAX_BLOCK_BYTES} are decoded at once"
        )


def _largest_part(head: bytes, *, width: int, height: int) -> tuple[int, int]:
    """Give width and height of the pieces that a JPEG 2000 image is coded in; the image's own where it does not say."""
    at = head.find(_SIZ)
    if at < 0 or len(head) < at + 32:
        return width, height
    part_width, part_height = struct.unpack(">II", head[at + 24 : at + 32])
    return min(part_width, width), min(part_height, height)
