"""What a file's first bytes and its header say: which format it is, and what it holds."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rasterio.enums import ColorInterp

from batch_job.adapters.exif_position import PADDING
from batch_job.adapters.raster_limits import JPEG_2000_STARTS, pixel_bytes
from batch_job.adapters.raster_nitf import NITF_STARTS
from batch_job.adapters.raster_orientation import read_orientation
from batch_job.adapters.raster_parts import Layout
from batch_job.adapters.raster_place import read_georeference
from batch_job.adapters.raster_single import is_webp
from batch_job.adapters.tiff_tags import ReadBytes
from batch_job.errors import UnreadableImageError, UnsupportedImageError
from batch_job.values.image import ImageRef
from batch_job.values.raster import RasterFacts

HEAD_BYTES = 64 * 1024
"""Enough of a file to know its format and, of JPEG 2000, the size of its parts."""

_ALLOWED = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),  # this and the next: BigTIFF
    (b"MM\0+", "GTiff"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    *((start, "JP2OpenJPEG") for start in JPEG_2000_STARTS),
    *((start, "NITF") for start in NITF_STARTS),
)
"""First bytes, and the one GDAL driver that may then open the file. A driver that can open other files for it (VRT and
its like) is never on this list."""

FORMATS = "TIFF, JPEG 2000, JPEG, PNG, WebP and NITF"

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
        georeference=read_georeference(dataset, read),
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
        pixel_bytes=pixel_bytes(dataset),
        shrinks=tuple(dataset.overviews(1)),
    )


def _palette(dataset: Any) -> tuple[tuple[int, int, int, int], ...]:
    if not dataset.count or dataset.colorinterp[0] is not ColorInterp.palette:
        return ()
    colours = dataset.colormap(1)
    return tuple(colours[index] for index in sorted(colours))


def _acquired(tags: dict[str, str]) -> str | None:
    """Read when a photograph was taken, by EXIF; without a zone it is taken for UTC.

    A TIFF's own DateTime tells when the file was written, often years later.
    """
    text = tags.get("EXIF_DateTimeOriginal", "").strip(PADDING)
    zone = tags.get("EXIF_OffsetTimeOriginal", "").strip(PADDING)
    taken = _moment(f"{text} {zone}") or _moment(f"{text} +00:00")
    if taken is None or not FIRST_YEAR <= taken.year <= LAST_YEAR:
        return None
    return taken.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S %z")
    except ValueError:
        return None
