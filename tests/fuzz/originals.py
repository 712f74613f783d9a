"""Small images of every format and layout that we read, and of some that we refuse; the same each time."""

import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.rpc import RPC

from local.scenes import Bands, Compression, Layout, Scene, make

WIDTH, HEIGHT = 420, 300
NORTH_UP = (0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0)

_SCENE = Scene(name="scene", width=WIDTH, height=HEIGHT, count=6, max_object_px=60)
_PLACED = replace(_SCENE, crs="EPSG:32633", transform=NORTH_UP)

_SCENES = {
    "cog-jpeg": replace(_PLACED, layout=Layout.COG, compression=Compression.JPEG),
    "cog-jpeg-mask": replace(_PLACED, layout=Layout.COG, compression=Compression.JPEG, nodata_border_px=30),
    "cog-deflate": replace(_PLACED, layout=Layout.COG, compression=Compression.DEFLATE, nodata_border_px=30),
    "tiled-lzw-palette": replace(_PLACED, compression=Compression.LZW, bands=Bands.PALETTE),
    "strips-16-bit-4-bands": replace(_PLACED, layout=Layout.STRIPS, bands=Bands.RGBN, bits=16),
    "strips-grey": replace(_PLACED, layout=Layout.STRIPS, bands=Bands.GREY, compression=Compression.NONE),
    "jpeg": replace(_SCENE, layout=Layout.JPEG),
    "jpeg-grey": replace(_SCENE, layout=Layout.JPEG, bands=Bands.GREY),
    "png": replace(_SCENE, layout=Layout.PNG),
    "png-alpha": replace(_SCENE, layout=Layout.PNG, bands=Bands.RGBN, nodata_border_px=30),
    "png-16-bit": replace(_SCENE, layout=Layout.PNG, bits=16),
}


def originals() -> dict[str, bytes]:
    """Make them all, by name."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        drawn = {name: make(scene, Path(folder)).image.read_bytes() for name, scene in _SCENES.items()}
        return {**drawn, **dict(_by_gdal()), **dict(_by_pillow())}


def masks() -> dict[str, bytes]:
    """Make masks for beside them, by name."""
    shown = (_noise(3) > 30).astype(np.uint8) * 255
    blocks = {"tiled": True, "blockxsize": 128, "blockysize": 64}
    return {
        "a mask": _mask(shown[:1], "2", compress="DEFLATE"),
        "a mask in blocks": _mask(shown[:1], "2", compress="LZW", **blocks),
        "a mask in one strip": _mask(shown[:1], "2", compress="ZSTD", blockysize=HEIGHT),
        "a mask of single bits": _mask(shown[:1] // 255, "2", nbits=1, compress="CCITTFAX4"),
        "a mask for each band": _mask(shown, "0", compress="DEFLATE", interleave="BAND"),
        "a mask in JPEG": _mask(shown, "0", compress="JPEG", bigtiff="YES", **blocks),
        "a mask in floating point": _mask(shown[:1].astype(np.float32), "2", endianness="BIG"),
    }


def _mask(shown: NDArray[Any], flags: str, **profile: Any) -> bytes:
    bands, height, width = shown.shape
    facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(shown.dtype)}
    with warnings.catch_warnings(), MemoryFile() as file:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with file.open(**{**facts, **profile}) as made:
            made.write(shown)
            made.update_tags(**{f"INTERNAL_MASK_FLAGS_{band}": flags for band in (1, 2, 3, 4)})
        return bytes(file.read())


def tiff_of(**profile: Any) -> bytes:
    """Make one TIFF more, of three bands."""
    return _gdal(_noise(3), **profile)


def _by_gdal() -> Iterator[tuple[str, bytes]]:
    rgb = _noise(3)
    yield "bigtiff", _gdal(rgb, bigtiff="YES", tiled=True, blockxsize=64, blockysize=64, compress="ZSTD")
    yield "big-endian", _gdal(rgb, endianness="BIG", compress="PACKBITS")
    yield "planar", _gdal(rgb, interleave="BAND", compress="LZW", predictor=2)
    yield "blocks-webp", _gdal(rgb, tiled=True, blockxsize=128, blockysize=128, compress="WEBP")
    yield "blocks-deflate", _gdal(_noise(4, "uint16"), tiled=True, blockxsize=128, blockysize=64, compress="DEFLATE")
    yield "blocks-zstd", _gdal(rgb, tiled=True, blockxsize=64, blockysize=64, compress="ZSTD", predictor=2)
    yield "cmyk", _gdal(_noise(4), photometric="CMYK", compress="DEFLATE")
    yield "one-bit", _gdal(_noise(1) % 2, nbits=1, compress="CCITTFAX4")
    yield "twelve-bits", _gdal(_noise(1, "uint16"), nbits=12)
    yield "float-nodata", _gdal(_noise(1, "float32"), nodata=3.0, compress="DEFLATE", predictor=3)
    yield "int16", _gdal(_noise(3, "int16"), nodata=-1, tiled=True, blockxsize=128, blockysize=128, compress="LZMA")
    yield "float64-webmercator", _gdal(_noise(2, "float64"), crs="EPSG:3857")
    yield "complex", _gdal(_noise(1, "complex64"))
    yield "gcps", _gdal(rgb, gcps=_GCPS, crs="EPSG:4326", transform=None, compress="DEFLATE")
    yield "rpcs", _gdal(rgb, rpcs=_RPCS, crs=None, transform=None, compress="DEFLATE")
    yield "jp2", _gdal(rgb, driver="JP2OpenJPEG", codec="JP2", reversible="YES")
    yield "jp2-16-bit", _gdal(_noise(1, "uint16"), driver="JP2OpenJPEG", codec="JP2", blockxsize=128, blockysize=128)
    yield "nitf", _gdal(rgb, driver="NITF", **_NOWHERE)
    yield "nitf-blocks-16-bit", _gdal(_noise(1, "uint16"), driver="NITF", blockxsize=64, blockysize=64, **_NOWHERE)
    yield "j2k", _gdal(rgb, driver="JP2OpenJPEG", codec="J2K", crs=None, transform=None)


def _by_pillow() -> Iterator[tuple[str, bytes]]:
    picture = Image.fromarray(np.ascontiguousarray(_noise(3).transpose(1, 2, 0)))
    exif = Image.Exif()
    exif[0x0132] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 0.5), 3: "W", 4: (0.0, 7.0, 30.0)})
    yield "jpeg-exif", _pillow(picture, "JPEG", exif=exif)
    exif[0x0112] = 6
    for form, options in (("JPEG", {"quality": 90}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        yield f"{form.lower()}-turned", _pillow(picture, form, exif=exif, **options)
    yield "jpeg-progressive", _pillow(picture, "JPEG", progressive=True)
    yield "jpeg-cmyk", _pillow(picture.convert("CMYK"), "JPEG")
    yield "webp", _pillow(picture, "WEBP", quality=90, exif=exif)
    yield "webp-alpha", _pillow(picture.convert("RGBA"), "WEBP", lossless=True)
    yield "png-palette", _pillow(picture.quantize(50), "PNG", transparency=3)
    yield "png-one-bit", _pillow(picture.convert("1"), "PNG")
    yield "tiff-multipage", _pillow(picture, "TIFF", save_all=True, append_images=[picture.resize((90, 90))])


def _noise(bands: int, dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(5).integers(1, 127, (bands, HEIGHT, WIDTH)).astype(dtype)


def _gdal(pixels: NDArray[Any], *, rpcs: RPC | None = None, **profile: Any) -> bytes:
    bands, height, width = pixels.shape
    facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    placed = {"crs": "EPSG:32618", "transform": rasterio.Affine(*NORTH_UP)}
    with MemoryFile() as file:
        with file.open(**{**facts, **placed, **profile}) as made:
            made.write(pixels)
            if rpcs is not None:
                made.rpcs = rpcs
        return bytes(file.read())


def _pillow(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


_NOWHERE = {"crs": None, "transform": None}
_GCPS = [
    GroundControlPoint(row=row, col=col, x=13 + col / 1e4, y=52 - row / 1e4)
    for row in (0, 150, HEIGHT)
    for col in (0, 210, WIDTH)
]
_RPCS = RPC(
    height_off=50.0,
    height_scale=500.0,
    lat_off=52.0,
    lat_scale=0.01,
    line_off=150.0,
    line_scale=150.0,
    long_off=13.0,
    long_scale=0.02,
    samp_off=210.0,
    samp_scale=210.0,
    line_num_coeff=[0.0, 0.0, -1.0] + [0.0] * 17,
    line_den_coeff=[1.0] + [0.0] * 19,
    samp_num_coeff=[0.0, 1.0] + [0.0] * 18,
    samp_den_coeff=[1.0] + [0.0] * 19,
)
