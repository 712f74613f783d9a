"""How a camera was held: EXIF's orientation, wherever a format keeps it. GDAL tells it of JPEG alone."""

from collections.abc import Iterator

from batch_job.adapters.tiff_tags import BrokenTiffError, ReadBytes, Tiff
from batch_job.values.place import Georeferencing
from batch_job.values.raster import UPRIGHT, RasterFacts

_TAG = 0x0112
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
    elif (exif := reads_exif(facts.driver, read)) is not None:
        number = _in_tiff(exif)
    return number if number in range(1, 9) else UPRIGHT


def reads_exif(driver: str, read: ReadBytes) -> ReadBytes | None:
    """Give what reads the EXIF of a PNG or WebP, which is a TIFF of its own; None where there is none."""
    chunks = _CHUNKS[driver](read) if driver in _CHUNKS else ()
    body = next((body for _, body in chunks if body), None)
    if body is None:
        return None
    tiff = body.removeprefix(_PREFIX)
    return lambda start, length: tiff[start : start + length]


def _in_tiff(read: ReadBytes) -> int:
    try:
        tiff = Tiff.of(read)
        found = tiff.directory(tiff.first, frozenset({_TAG})).get(_TAG)
    except BrokenTiffError:
        return UPRIGHT  # cut off
    return int(found.numbers[0]) if found is not None and found.numbers else UPRIGHT


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
