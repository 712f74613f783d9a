"""How a camera was held: EXIF's orientation, wherever a format keeps it. GDAL tells it of JPEG alone."""

import struct
from collections.abc import Callable, Iterator

from batch_job.values.place import Georeferencing
from batch_job.values.raster import UPRIGHT, RasterFacts

ReadBytes = Callable[[int, int], bytes]
"""From, and how many; fewer where the file ends."""

_TAG = 0x0112
_MOST_ENTRIES = 512
"""Of a TIFF's directory, which is sorted by tag: the orientation stands among the first 30."""
_MOST_CHUNKS = 64
"""Of a PNG or WebP; an animation has more, and is refused before."""
_PREFIX = b"Exif\0\0"
"""Some writers put it before EXIF in WebP, as JPEG has it."""


def read_orientation(facts: RasterFacts, tags: dict[str, str], read: ReadBytes) -> int:
    """Give EXIF's number, 1–8; 1 where the file does not say, or says something else.

    A TIFF that is placed on the ground is a map, whose rows are what its georeference says of them; some carry a tag
    that nobody ever looked at.

    Args:
        facts: The header, but for this.
        tags: GDAL's metadata.
        read: Reads the file.
    """
    number = UPRIGHT
    if facts.driver == "JPEG":
        text = tags.get("EXIF_Orientation", "").strip()
        number = int(text) if text.isdigit() else UPRIGHT
    elif facts.driver == "GTiff" and facts.georeference.by in (Georeferencing.NONE, Georeferencing.EXIF):
        number = _in_tiff(read)
    elif facts.driver in _CHUNKS:
        number = next((_in_exif(body) for name, body in _CHUNKS[facts.driver](read) if body), UPRIGHT)
    return number if number in range(1, 9) else UPRIGHT


def _in_exif(body: bytes) -> int:
    tiff = body.removeprefix(_PREFIX)
    return _in_tiff(lambda start, length: tiff[start : start + length])


def _in_tiff(read: ReadBytes) -> int:
    try:
        return next((number for tag, number in _entries(read) if tag == _TAG), UPRIGHT)
    except (struct.error, KeyError, OverflowError):
        return UPRIGHT  # cut off


def _entries(read: ReadBytes) -> Iterator[tuple[int, int]]:
    """Yield tag and first 16-bit value of a TIFF's first directory."""
    head = read(0, 16)
    order = {b"II": "<", b"MM": ">"}[head[:2]]
    [version] = struct.unpack_from(f"{order}H", head, 2)
    at_form, count_form, size, value_at = {42: ("4xI", "H", 12, 8), 43: ("8xQ", "Q", 20, 12)}[version]
    [start] = struct.unpack_from(order + at_form, head)
    count_bytes = struct.calcsize(order + count_form)
    [count] = struct.unpack(order + count_form, read(start, count_bytes))
    entries = read(start + count_bytes, min(count, _MOST_ENTRIES) * size)
    for at in range(0, len(entries) - size + 1, size):
        yield (
            struct.unpack_from(f"{order}H", entries, at)[0],
            struct.unpack_from(f"{order}H", entries, at + value_at)[0],
        )


def _png_chunks(read: ReadBytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    for _ in range(_MOST_CHUNKS):
        head = read(at, 8)
        if len(head) < 8:
            return
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        yield name, read(at + 8, length) if name == _PNG_EXIF else b""
        at += 12 + length


def _webp_chunks(read: ReadBytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    for _ in range(_MOST_CHUNKS):
        head = read(at, 8)
        if len(head) < 8:
            return
        name, length = head[:4], int.from_bytes(head[4:], "little")
        yield name, read(at + 8, length) if name == _WEBP_EXIF else b""
        at += 8 + length + length % 2


_PNG_EXIF, _WEBP_EXIF = b"eXIf", b"EXIF"
_CHUNKS = {"PNG": _png_chunks, "WEBP": _webp_chunks}
