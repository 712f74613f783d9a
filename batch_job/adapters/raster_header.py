"""What a file's first bytes and its header say: which format it is, what it holds, whether we dare to read it."""

import re
import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp

from batch_job.adapters.raster_nitf import NITF_STARTS, NITF_UNCOMPRESSED
from batch_job.adapters.raster_orientation import ReadBytes, read_orientation
from batch_job.adapters.raster_parts import Layout
from batch_job.adapters.raster_single import is_webp
from batch_job.errors import TooLargeError, UnreadableImageError, UnsupportedImageError
from batch_job.values.image import ImageRef
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint, LonLat
from batch_job.values.raster import RasterFacts

HEAD_BYTES = 64 * 1024
"""Enough of a file to know its format and, of JPEG 2000, the size of its parts."""

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

_ALLOWED = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),  # this and the next: BigTIFF
    (b"MM\0+", "GTiff"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
    *((start, "NITF") for start in NITF_STARTS),
)
"""First bytes, and the one GDAL driver that may then open the file. A driver that can open other files for it (VRT and
its like) is never on this list."""

FORMATS = "TIFF, JPEG 2000, JPEG, PNG, WebP and NITF"

_JPEG_2000 = tuple(start for start, driver in _ALLOWED if driver == "JP2OpenJPEG")

_REFUSED = (
    (b"<VRTDataset", "VRT"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "RIFF (AVI, WAV)"),
    (b"%PDF", "PDF"),
    (b"NITF", "NITF other than 2.1"),
    (b"\x89HDF", "HDF5"),
    (b"CDF", "netCDF"),
    (b"SIMPLE", "FITS"),
    (b"PK\3\4", "ZIP"),
    (b"\x1f\x8b", "gzip"),
)
"""Known, but not read; only for a message that helps."""

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""Of photographs; what lies outside is a clock that nobody set."""

_PADDING = " \0"

_SIZ = b"\xff\x4f\xff\x51"
"""Where a JPEG 2000 codestream begins, with its sizes (ISO/IEC 15444-1, A.5.1)."""
_SIZ_BYTES = 42
"""As far as the number of bands."""


def driver_of(image: ImageRef, head: bytes) -> str:
    """Name the GDAL driver for a file by its first bytes, whatever its name says.

    Raises:
        UnsupportedImageError: a format that we know and do not read, named in the message.
        UnreadableImageError: no image, or nothing at all.
    """
    if not head:
        raise UnreadableImageError(f"{image.uri}: the file is empty")
    if is_webp(head):
        return "WEBP"
    for start, driver in _ALLOWED:
        if head.startswith(start):
            return driver
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, name in _REFUSED:
        if text.startswith(start):
            raise UnsupportedImageError(f"{image.uri}: {name} is not read, only {FORMATS} are")
    raise UnreadableImageError(f"{image.uri}: no image that we read; it begins with {head[:16]!r}")


def check_parts(image: ImageRef, head: bytes) -> None:
    """Refuse a JPEG 2000 in so many parts that even to open it would need too much memory; raises as ``check_size``."""
    at = head.find(_SIZ)
    if not head.startswith(_JPEG_2000) or at < 0 or len(head) < at + _SIZ_BYTES:
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
    _check_blocks(image, dataset)
    if dataset.driver == "GTiff" or dataset.tags().get("NITF_IC") in NITF_UNCOMPRESSED:
        return
    if dataset.driver == "WEBP":
        _check_webp(image, dataset)
    if head.startswith(_JPEG_2000):
        width, height = _largest_part(head, width=width, height=height)
    if width * height > MAX_SCANLINE_PIXELS:
        raise TooLargeError(
            f"{image.uri}: {width} x {height} px in one piece; of {dataset.driver}, which has no blocks to read alone, "
            f"at most {MAX_SCANLINE_PIXELS // 10**6} million are read"
        )


def read_facts(dataset: Any, read: ReadBytes) -> RasterFacts:
    """Describe an open rasterio dataset; ``read`` reads its file, for what GDAL does not tell."""
    bits = dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") if dataset.count else None
    facts = RasterFacts(
        driver=dataset.driver,
        width=dataset.width,
        height=dataset.height,
        dtypes=tuple(dataset.dtypes),
        color_interp=tuple(meaning.name.lower() for meaning in dataset.colorinterp),
        nodata=tuple(dataset.nodatavals),
        palette=_palette(dataset),
        bits=None if bits is None else int(bits),
        acquired=_acquired(dataset.tags()),
        georeference=_georeference(dataset),
        descriptions=tuple(text or "" for text in dataset.descriptions) if any(dataset.descriptions) else (),
    )
    return replace(facts, orientation=read_orientation(facts, dataset.tags(), read))


def read_layout(dataset: Any) -> Layout:
    """Describe how the pixels of an open rasterio dataset lie in its file."""
    rows, cols = dataset.block_shapes[0]
    return Layout(
        width=dataset.width,
        height=dataset.height,
        block_width=cols,
        block_height=rows,
        pixel_bytes=_pixel_bytes(dataset),
        shrinks=tuple(dataset.overviews(1)),
    )


def _pixel_bytes(dataset: Any) -> int:
    """Tell how many bytes a pixel has in one block: of all bands, or of one where each has its own blocks."""
    bands = dataset.count if dataset.interleaving and dataset.interleaving.value == "PIXEL" else 1
    return bands * max(16 if dtype.startswith("complex") else np.dtype(dtype).itemsize for dtype in dataset.dtypes)


def _check_blocks(image: ImageRef, dataset: Any) -> None:
    rows, cols = dataset.block_shapes[0]
    n_bytes = rows * cols * _pixel_bytes(dataset)
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


def _palette(dataset: Any) -> tuple[tuple[int, int, int, int], ...]:
    if not dataset.count or dataset.colorinterp[0] is not ColorInterp.palette:
        return ()
    colours = dataset.colormap(1)
    return tuple(colours[index] for index in sorted(colours))


def _acquired(tags: dict[str, str]) -> str | None:
    """Read when a photograph was taken, by EXIF; without a zone it is taken for UTC.

    A TIFF's own DateTime tells when the file was written, often years later.
    """
    text = tags.get("EXIF_DateTimeOriginal", "").strip(_PADDING)
    zone = tags.get("EXIF_OffsetTimeOriginal", "").strip(_PADDING)
    taken = _moment(f"{text} {zone}") or _moment(f"{text} +00:00")
    if taken is None or not FIRST_YEAR <= taken.year <= LAST_YEAR:
        return None
    return taken.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S %z")
    except ValueError:
        return None


def _georeference(dataset: Any) -> Georeference:
    """Say every way in which the image is placed, and which is the most exact. GDAL shows EXIF of JPEG, not of TIFF."""
    has_transform = not dataset.transform.is_identity
    points, points_crs = dataset.gcps
    gcps = tuple(GroundControlPoint(p.col, p.row, p.x, p.y, p.z or 0.0) for p in points) if points_crs else ()
    rpcs = dataset.tags(ns="RPC")
    position = _exif_position(dataset.tags())
    ways = (
        (Georeferencing.AFFINE, dataset.crs and has_transform),
        (Georeferencing.GCPS, gcps),
        (Georeferencing.RPCS, rpcs),
        (Georeferencing.EXIF, position),
    )
    return Georeference(
        by=next((way for way, said in ways if said), Georeferencing.NONE),
        # each without the other too: a file beside the image may have what is missing
        crs=_crs_text(dataset.crs) if dataset.crs else None,
        transform=tuple(dataset.transform)[:6] if has_transform else None,
        gcps=gcps,
        gcps_crs=_crs_text(points_crs) if gcps else None,
        rpcs=tuple(sorted(rpcs.items())),
        position=position,
    )


def _crs_text(crs: Any) -> str:
    # 100: only what is that code in every detail, not what resembles it
    authority = crs.to_authority(confidence_threshold=100)
    return ":".join(authority) if authority and authority[0] == "EPSG" else str(crs.to_wkt(version="WKT2_2019"))


def _exif_position(tags: dict[str, str]) -> LonLat | None:
    lon = _exif_degrees(tags.get("EXIF_GPSLongitude"), tags.get("EXIF_GPSLongitudeRef"), negative="W", limit=180)
    lat = _exif_degrees(tags.get("EXIF_GPSLatitude"), tags.get("EXIF_GPSLatitudeRef"), negative="S", limit=90)
    return None if lon is None or lat is None else LonLat(lon=lon, lat=lat)


def _exif_degrees(text: str | None, hemisphere: str | None, *, negative: str, limit: int) -> float | None:
    """Read GDAL's ``(51) (30) (0.5)``: degrees, minutes, seconds."""
    numbers = [float(number) for number in re.findall(r"\(([-+.\deE]+)\)", text or "")]
    if len(numbers) != 3 or not hemisphere:
        return None
    degrees = numbers[0] + numbers[1] / 60 + numbers[2] / 3600
    if not 0 <= degrees <= limit:
        return None
    return -degrees if hemisphere.strip(_PADDING).upper() == negative else degrees
