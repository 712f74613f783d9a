"""From pixels to the bytes that a detector takes, within its limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from batch_job.errors import TooLargeError
from batch_job.settings import Encoding
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipFrame, Window


@dataclass(frozen=True, slots=True)
class ChipLimits:
    """What a detector takes."""

    min_side_px: int
    max_side_px: int
    max_bytes: int


REKOGNITION_LIMITS = ChipLimits(min_side_px=80, max_side_px=10_000, max_bytes=5 * 1024**2)
"""Guidelines and quotas in Amazon Rekognition, for an image passed as bytes."""

_LOWER_QUALITIES = (85, 75, 60)
"""Tried, where they are under the quality asked for, before a chip is scaled: 60 still keeps edges, half the size does
not keep small objects."""

_PNG_LEVEL = 1
"""zlib's fastest: level 6 takes four times as long for 5 % fewer bytes on imagery."""

FLAT_LEVELS = 2
"""Grey levels between which a colour may lie: so much JPEG leaves in a border without data, and no detector sees it."""

LEAST_VALID = 0.001
"""The share of a chip that must be picture: of 1,024 px a side a column of one pixel; a hull's width needs twenty."""

_SAMPLE_STEP = 31
"""One pixel of so many rows and columns is looked at first: 1 ‰ of the pixels settles it for nearly every chip."""


def is_blank(rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bool:
    """Tell whether there is nothing to see: next to no valid pixel, or as good as one colour in all that are valid.

    The rule is told to users in ``docs/pixels.md``.

    Args:
        rgb: (3, rows, columns).
        valid: (rows, columns).
    """
    sample = slice(None, None, _SAMPLE_STEP)
    if _is_flat(rgb[:, sample, sample], valid[sample, sample]) and _is_flat(rgb, valid):
        return True
    return int(np.count_nonzero(valid)) < LEAST_VALID * valid.size


def unscaled_frame(window: Window, *, limits: ChipLimits = REKOGNITION_LIMITS) -> ChipFrame:
    """Frame a chip of the window's own size, padded where a side is under the detector's least."""
    return _frame(window, width=window.width, height=window.height, limits=limits)


def encode(
    image: ImageRef,
    window: Window,
    rgb: NDArray[np.uint8],
    *,
    encoding: Encoding,
    quality: int,
    limits: ChipLimits = REKOGNITION_LIMITS,
) -> Chip:
    """Encode a chip; one that is over the limits is encoded worse, then smaller, until it is not.

    JPEG keeps a colour for each pixel (4:4:4): with the usual 4:2:0 a car of 12 px has 6 x 6 colours, mixed with the
    ground's. Padding is black and stands right and below: as outside of the image, so nowhere is anything
    made up, whereas repeated edges would draw an object that the image cuts as a streak.

    Args:
        image: Where it is from.
        window: Where it was cut.
        rgb: (3, rows, columns) of the window.
        encoding: JPEG or PNG; PNG is never made JPEG.
        quality: Of JPEG, 1–100.
        limits: The detector's.

    Raises:
        TooLargeError: even the smallest picture that the detector takes has too many bytes.
    """
    qualities = [quality, *(lower for lower in _LOWER_QUALITIES if lower < quality)]
    for picture in _ever_smaller(rgb, limits):
        height, width, _ = picture.shape
        frame = _frame(window, width=width, height=height, limits=limits)
        padded = _padded(picture, frame)
        for body in _encoded(padded, encoding, qualities):
            if len(body) <= limits.max_bytes:
                return Chip(image=image, frame=frame, body=body, media_type=f"image/{encoding}")
    raise TooLargeError(f"{image.uri} {window}: no picture of it has at most {limits.max_bytes} bytes")


def _is_flat(rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bool:
    if not valid.all():
        colours = rgb[:, valid]
        return not colours.size or bool((np.ptp(colours, axis=1) <= FLAT_LEVELS).all())
    # row upon row first: 60 times as fast as a copy of pixels that lie (rows, columns, 3) in memory, as most do
    high, low = rgb.max(axis=1).max(axis=1), rgb.min(axis=1).min(axis=1)
    return bool((high - low <= FLAT_LEVELS).all())


def _frame(window: Window, *, width: int, height: int, limits: ChipLimits) -> ChipFrame:
    return ChipFrame(
        window=window,
        encoded_width=max(width, limits.min_side_px),
        encoded_height=max(height, limits.min_side_px),
        content_width=width,
        content_height=height,
    )


def _ever_smaller(rgb: NDArray[np.uint8], limits: ChipLimits) -> Iterator[NDArray[np.uint8]]:
    """Yield (rows, columns, 3): the picture, then halves of it, each exactly over the same ground."""
    picture = rgb.transpose(1, 2, 0)
    if not picture.flags.c_contiguous:  # a hook's say; half the time of a contiguous copy of the transposed array
        picture = np.stack([*rgb], axis=-1, out=np.empty((*rgb.shape[1:], 3), np.uint8))
    while True:
        height, width, _ = picture.shape
        if max(height, width) <= limits.max_side_px:
            yield picture
        if max(height, width) == 1:
            return
        half = ((width + 1) // 2, (height + 1) // 2)
        picture = np.asarray(Image.fromarray(picture).resize(half, Image.Resampling.BOX))


def _padded(picture: NDArray[np.uint8], frame: ChipFrame) -> NDArray[np.uint8]:
    right = frame.encoded_width - frame.content_width
    below = frame.encoded_height - frame.content_height
    return np.pad(picture, ((0, below), (0, right), (0, 0))) if right or below else picture


def _encoded(picture: NDArray[np.uint8], encoding: Encoding, qualities: list[int]) -> Iterator[bytes]:
    if encoding is Encoding.PNG:
        out = BytesIO()
        Image.fromarray(picture).save(out, "PNG", compress_level=_PNG_LEVEL)
        yield out.getvalue()
        return
    encode_jpeg: Any = simplejpeg.encode_jpeg
    for quality in qualities:
        yield encode_jpeg(picture, quality=quality, colorspace="RGB", colorsubsampling="444")
