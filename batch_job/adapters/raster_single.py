"""Whether a file holds one picture or a sequence of them, of which nobody could say which was meant."""

import struct
from typing import Any

from batch_job.errors import UnsupportedImageError
from batch_job.values.image import ImageRef

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_ANIMATION, _PNG_PIXELS = b"acTL", b"IDAT"
_WEBP_EXTENDED, _WEBP_FLAGS = slice(12, 16), 20
_WEBP_ANIMATED = 0x02
"""In the flags of the chunk VP8X (WebP Container Specification, "Extended file format")."""


def is_webp(head: bytes) -> bool:
    """Tell by a file's first bytes."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def check_single_head(image: ImageRef, head: bytes) -> None:
    """Refuse an animation by its first bytes.

    Raises:
        UnsupportedImageError: it is one.
    """
    if is_webp(head) and head[_WEBP_EXTENDED] == b"VP8X" and head[_WEBP_FLAGS] & _WEBP_ANIMATED:
        raise _sequence(image, "an animated WebP")
    if head.startswith(_PNG_START) and _PNG_ANIMATION in _chunks_before_pixels(head):
        raise _sequence(image, "an animated PNG")


def check_single(image: ImageRef, dataset: Any) -> None:
    """Refuse an open rasterio dataset that is one of several in its file; smaller copies of it are not counted.

    Raises:
        UnsupportedImageError: names how many there are.
    """
    if len(dataset.subdatasets) > 1:
        raise _sequence(image, f"a file of {len(dataset.subdatasets)} images")


def _sequence(image: ImageRef, what: str) -> UnsupportedImageError:
    return UnsupportedImageError(f"{image.uri}: {what} is not read: write each image into a file of its own")


def _chunks_before_pixels(head: bytes) -> list[bytes]:
    names: list[bytes] = []
    at = len(_PNG_START)
    while at + 8 <= len(head) and names[-1:] != [_PNG_PIXELS]:
        [length] = struct.unpack_from(">I", head, at)
        names.append(head[at + 4 : at + 8])
        at += 12 + length
    return names
