"""What a NITF file's own headers say, before GDAL opens it (MIL-STD-2500C, tables A-1 and A-3).

GDAL opens the JPEG 2000 inside of a NITF as a file of its own, in releases before 3.10 with whichever driver takes it.
A segment that holds something else, a list of other files say, must never get so far.
"""

from collections.abc import Callable
from dataclasses import dataclass

from batch_job.errors import UnreadableImageError, UnsupportedImageError
from batch_job.values.image import ImageRef

ReadBytes = Callable[[int, int], bytes]
"""From, and how many."""

NITF_STARTS = (b"NITF02.10", b"NSIF01.00")
"""The two names of one format, the only one written since 1998."""

_HEADER_LENGTH, _IMAGES = slice(354, 360), slice(360, 363)
_SEGMENTS_START = 363
_SUBHEADER_DIGITS, _DATA_DIGITS = 6, 10
_COORDINATES = 371
"""One letter in the image's subheader; any but a blank is followed by 60 of coordinates."""
_COORDINATES_LENGTH = 60
_COMMENT_LENGTH = 80
_SUBHEADER_BYTES = 372 + _COORDINATES_LENGTH + 1 + 9 * _COMMENT_LENGTH + 2

NITF_UNCOMPRESSED = ("NC", "NM")
"""An M stands for blocks that are left out."""
_JPEG = ("C3", "M3")
_JPEG_2000 = "C8"
_COMPRESSIONS = (*NITF_UNCOMPRESSED, *_JPEG, _JPEG_2000)
_JPEG_2000_STARTS = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")
"""A codestream, or the whole JP2 file that some writers put in its place."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The one image in a NITF."""

    compression: str
    start: int
    """Of its data, in the file."""

    @property
    def is_jpeg_2000(self) -> bool:
        """Tell whether OpenJPEG will decode it."""
        return self.compression == _JPEG_2000


def read_segment(image: ImageRef, read: ReadBytes) -> Segment:
    """Find the image in a NITF.

    Raises:
        UnsupportedImageError: there is none, or several, or it is compressed in a way that we do not read.
        UnreadableImageError: the headers are broken.
    """
    head = read(0, _SEGMENTS_START + _SUBHEADER_DIGITS + _DATA_DIGITS)
    try:
        images, at = int(head[_IMAGES]), int(head[_HEADER_LENGTH])
        if images != 1:
            raise UnsupportedImageError(f"{image.uri}: {images} images in one NITF; only one is read: write one each")
        length = int(head[_SEGMENTS_START : _SEGMENTS_START + _SUBHEADER_DIGITS])
        segment = Segment(_compression(read(at, min(length, _SUBHEADER_BYTES))), at + length)
    except ValueError as error:
        raise UnreadableImageError(f"{image.uri}: a broken NITF header: {error}") from error
    if segment.compression not in _COMPRESSIONS:
        known = ", ".join(_COMPRESSIONS)
        raise UnsupportedImageError(f"{image.uri}: NITF compression {segment.compression!r} is not read, only {known}")
    if segment.is_jpeg_2000 and not read(segment.start, len(_JPEG_2000_STARTS[1])).startswith(_JPEG_2000_STARTS):
        raise UnreadableImageError(f"{image.uri}: the NITF says JPEG 2000, and holds something else")
    return segment


def _compression(subheader: bytes) -> str:
    text = subheader.decode("latin-1")
    if not text.startswith("IM"):
        raise ValueError(f"an image begins with IM, not {text[:2]!r}")
    comments = _COORDINATES + 1 + (_COORDINATES_LENGTH if text[_COORDINATES : _COORDINATES + 1] != " " else 0)
    at = comments + 1 + _COMMENT_LENGTH * int(text[comments : comments + 1])
    return text[at : at + 2]
