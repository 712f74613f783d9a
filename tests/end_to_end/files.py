"""Small pictures of every kind, good and bad, each with one planted car where there is a picture at all."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile

WIDTH, HEIGHT = 400, 300
CAR = (100.0, 120.0, 160.0, 150.0)
"""min_col, min_row, max_col, max_row."""
RED = (230, 20, 20)
UTM = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 388_000, 0, -0.5, 5_822_000)}
MARS = 'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.89444722361179]],\
PRIMEM["Reference_Meridian",0],UNIT["Degree",0.0174532925199433]]'


def picture(*, width: int = WIDTH, height: int = HEIGHT, cars: tuple[tuple[float, ...], ...] = (CAR,)) -> NDArray[Any]:
    """Grey noise with red rectangles; (3, rows, columns)."""
    grey = np.random.default_rng(7).integers(95, 125, (1, height, width), dtype=np.uint8)
    rgb = np.repeat(grey, 3, axis=0)
    for car in cars:
        left, top, right, bottom = (int(edge) for edge in car)
        rgb[:, top:bottom, left:right] = np.array(RED, np.uint8)[:, None, None]
    return rgb


def tiff(bands: NDArray[Any], **profile: Any) -> bytes:
    """Write (bands, rows, columns) as a GeoTIFF."""
    count, height, width = bands.shape
    colormap = profile.pop("colormap", None)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=count, dtype=bands.dtype, **(UTM | profile)
        ) as image:
            image.write(bands)
            if colormap:
                image.write_colormap(1, colormap)
        return memory.read()


def pillow(rgb: NDArray[Any], kind: str, *, mode: str = "RGB", **options: Any) -> bytes:
    """Write (3, rows, columns) through Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0))).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def good() -> bytes:
    """A GeoTIFF with one car."""
    return tiff(picture())


def truncated(body: bytes) -> bytes:
    """The first half of a file, as of an upload that broke off."""
    return body[: len(body) // 2]


def one_colour_tiff(side_px: int) -> bytes:
    """A bomb of some kB: one colour, and no block written."""
    with MemoryFile() as memory:
        profile = {"count": 1, "dtype": "uint8", "tiled": True, "blockxsize": 512, "blockysize": 512}
        with memory.open(driver="GTiff", width=side_px, height=side_px, SPARSE_OK="TRUE", **profile, **UTM):
            pass
        return memory.read()


def png_of(side_px: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def jpeg_of(side_px: int) -> bytes:
    """A JPEG whose header says it is so large."""
    body = bytearray(pillow(picture(), "JPEG"))
    at = body.index(b"\xff\xc0")  # start of frame: length, precision, height, width
    body[at + 5 : at + 9] = struct.pack(">HH", side_px, side_px)
    return bytes(body)


def vrt(source: str) -> bytes:
    """A virtual raster that makes GDAL open something else."""
    return (
        f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"><VRTRasterBand dataType="Byte" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>'
        f"</SimpleSource></VRTRasterBand></VRTDataset>"
    ).encode()


def palette_tiff() -> bytes:
    grey = picture()[0]
    indices = np.where(picture()[1] == RED[1], 200, grey)[np.newaxis].astype(np.uint8)
    return tiff(indices, colormap={**{n: (n, n, n, 255) for n in range(200)}, 200: (*RED, 255)}, photometric="palette")


def one_bit_tiff() -> bytes:
    return tiff((picture()[:1] > 110).astype(np.uint8), nbits=1)


def float_with_nan_tiff() -> bytes:
    bands = picture().astype(np.float32) / 255
    bands[:, :, 250:] = np.nan
    return tiff(bands)


def complex_tiff() -> bytes:
    return tiff(picture()[:1].astype(np.complex64))


def all_nodata_tiff() -> bytes:
    return tiff(np.zeros((3, HEIGHT, WIDTH), np.uint8), nodata=0)


def cmyk_tiff() -> bytes:
    inks = np.concatenate([255 - picture(), np.zeros((1, HEIGHT, WIDTH), np.uint8)])
    return tiff(inks, photometric="CMYK")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


HTML = b"<!DOCTYPE html><html><title>403 Forbidden</title><body>Sign in to download</body></html>"

READ: Mapping[str, Callable[[], bytes]] = {
    "good.tif": good,
    "a_png_named.tif": lambda: pillow(picture(), "PNG"),
    "a_tiff_named.jpg": good,
    "cmyk.jpg": lambda: pillow(picture(), "JPEG", mode="CMYK", quality=95),
    "cmyk.tif": cmyk_tiff,
    "palette.tif": palette_tiff,
    "palette.png": lambda: pillow(picture(), "PNG", mode="P"),
    "float_nan.tif": float_with_nan_tiff,
    "bigtiff.tif": lambda: tiff(picture(), bigtiff="YES"),
    "mars.tif": lambda: tiff(picture(), crs=MARS, transform=rasterio.Affine(1e-4, 0, 137.4, 0, -1e-4, -4.6)),
    "progressive.jpg": lambda: pillow(picture(), "JPEG", quality=95, progressive=True),
    "jpeg2000.jp2": lambda: pillow(picture(), "JPEG2000"),
}
"""By file name: what is read, with its car."""
WITHOUT_A_CAR: Mapping[str, Callable[[], bytes]] = {
    "one_bit.tif": one_bit_tiff,
    "one_bit.png": lambda: pillow(picture(), "PNG", mode="1"),
    "all_nodata.tif": all_nodata_tiff,
    "one_pixel.png": lambda: pillow(picture()[:, :1, :1], "PNG"),
}
"""What is read, and shows nothing."""
FAILED: Mapping[str, tuple[Callable[[], bytes], str, str]] = {
    "truncated.tif": (lambda: truncated(good()), "unreadable", "truncated.tif"),
    "truncated.jpg": (lambda: truncated(pillow(picture(), "JPEG")), "unreadable", "truncated.jpg"),
    "truncated.png": (lambda: truncated(pillow(picture(), "PNG")), "unreadable", "truncated.png"),
    "truncated.jp2": (lambda: pillow(picture(), "JPEG2000")[:100], "unreadable", "truncated.jp2"),
    "empty.tif": (lambda: b"", "unreadable", "the file is empty"),
    "html.jpg": (lambda: HTML, "unreadable", "no image that we read; it begins with b'<!DOCTYPE html>"),
    "four_bytes.tif": (lambda: b"II*\0", "unreadable", "four_bytes.tif"),
    "a_gif_named.png": (lambda: pillow(picture(), "GIF"), "unsupported", "GIF is not read"),
    "complex.tif": (complex_tiff, "unsupported", "complex numbers"),
    "vrt_of_a_file.tif": (lambda: vrt("/etc/hostname"), "unsupported", "VRT is not read"),
    "vrt_of_a_url.tif": (lambda: vrt("/vsicurl/http://127.0.0.1:9/x.tif"), "unsupported", "VRT is not read"),
    "bomb.png": (lambda: png_of(30_000), "too_large", "30000 x 30000 px in one piece"),
    "bomb.jpg": (lambda: jpeg_of(30_000), "too_large", "30000 x 30000 px in one piece"),
}
"""What fails, its error code, and words of its message."""
