"""From bytes to pixels, within the service's limits. Sizes are checked in the header, before anything is decoded."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from local.rekognition.faults import bad_image, bad_parameters, too_large
from local.rekognition.sight import Picture

MIN_SIDE_PX = 80
MAX_SIDE_PX = 10_000

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_SIZE_AT = 16
_EXIF = b"Exif\x00\x00"
_EXIF_WITHIN_BYTES = 1 << 16
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow and simplejpeg raise over broken files."""


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    plain: bool
    """A JPEG that simplejpeg can decode as it stands: no EXIF (which may turn it), no CMYK."""


def decode(data: bytes) -> Picture:
    """Decode a JPEG or PNG; EXIF orientation is followed, as the service does.

    Raises:
        ServiceError: InvalidImageFormatException, InvalidParameterException (too small) or ImageTooLargeException.
    """
    try:
        header = _header(data)
    except _BROKEN as error:
        raise bad_image(str(error)) from error
    _check_size(header)
    try:
        if header.plain:
            return _as_picture(simplejpeg.decode_jpeg(data))
        # opened by format, past Pillow's own limit, which is below the service's
        kind = PngImageFile if data.startswith(_PNG) else JpegImageFile
        with kind(io.BytesIO(data)) as image:
            return _as_picture(ImageOps.exif_transpose(_eight_bits(image)).convert("RGB"))
    except _BROKEN as error:
        raise bad_image(str(error)) from error


def _header(data: bytes) -> _Header:
    if data.startswith(_PNG):
        width, height = struct.unpack_from(">II", data, _PNG_SIZE_AT)
        return _Header(width, height, plain=False)
    if data.startswith(_JPEG):
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        turned = _EXIF in data[:_EXIF_WITHIN_BYTES]
        return _Header(width, height, plain=not turned and colours not in ("CMYK", "YCCK"))
    raise ValueError("neither JPEG nor PNG")


def _check_size(header: _Header) -> None:
    width, height = header.width, header.height
    if min(width, height) < MIN_SIDE_PX:
        raise bad_parameters(f"{width} x {height} px, at least {MIN_SIDE_PX} px a side are needed")
    if max(width, height) > MAX_SIDE_PX:
        raise too_large(
            f"Input image dimensions {width} x {height} exceed maximum dimension size of {MAX_SIDE_PX} pixels"
        )


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 where other readers drop the low byte
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _as_picture(decoded: Any) -> Picture:
    return np.asarray(decoded, dtype=np.uint8)
