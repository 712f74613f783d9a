"""Small images of every format, layout, compression and type that we read, with the picture that is in them."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile
from rasterio.shutil import copy

WIDTH, HEIGHT = 150, 110
NOISE_SEED = 11

GDAL_TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
LOSSLESS = ("none", "packbits", "lzw", "deflate", "zstd", "lzma", "lerc")
LAYOUTS: dict[str, dict[str, Any]] = {
    "blocks": {"tiled": True, "blockxsize": 64, "blockysize": 64},
    "strips": {"blockysize": 8},
    "one strip": {"blockysize": HEIGHT},
    "blocks, a band each": {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band"},
    "COG": {},
    "BigTIFF": {"tiled": True, "blockxsize": 64, "blockysize": 64, "bigtiff": "YES"},
    "big-endian strips": {"endianness": "BIG"},
}


@dataclass(frozen=True, slots=True)
class Case:
    """A file, and what a person sees in it."""

    format: str
    layout: str
    compression: str
    dtype: str
    bands: str
    make: Callable[[], bytes]
    seen: NDArray[np.uint8]
    """(3, rows, columns)."""
    within: float = 0.0
    """How far a colour may be off on average; 0 for lossless formats, where none may be off at all."""

    @property
    def name(self) -> str:
        return f"{self.format}, {self.layout}, {self.compression}, {self.dtype}, {self.bands}"


def truth() -> NDArray[np.uint8]:
    """(3, rows, columns): soft colours with small detail, no two bands alike."""
    rng = np.random.default_rng(NOISE_SEED)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
    soft = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
    return np.clip(soft + rng.integers(-6, 7, soft.shape), 0, 255).astype(np.uint8).transpose(2, 0, 1)


TRUTH = truth()
GREY = np.repeat(TRUTH[1:2], 3, axis=0)


def as_type(picture: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """Spread bytes over part of a type's range, below zero too where it has a sign."""
    if dtype == "uint8":
        return picture
    wide = picture.astype(np.int64) * 40 + (0 if dtype.startswith("u") else -3000)
    return wide.astype(dtype)


def stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The stated stretch, written another way: 2nd to 98th percentile of all bands together, linearly."""
    low, high = np.percentile(values.astype(np.float64), [2, 98])
    return np.rint(np.interp(values.astype(np.float64), [low, high], [0, 255])).astype(np.uint8)


def seen_in(values: NDArray[Any]) -> NDArray[np.uint8]:
    shown = values if values.dtype == np.uint8 else stretched(values)
    return np.repeat(shown, 3, axis=0) if len(shown) == 1 else shown


def cases() -> list[Case]:
    """All of them; the names are unique."""
    return [*_tiffs(), *_rare_tiffs(), *_jpegs(), *_pngs(), *_jp2s(), *_webps(), *_nitfs()]


def gdal(pixels: NDArray[Any], *, colours: tuple[ColorInterp, ...] = (), **profile: Any) -> bytes:
    bands, height, width = pixels.shape
    facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    with MemoryFile() as file:
        with file.open(**{**facts, **profile}) as made:
            made.write(pixels)
            if colours:
                made.colorinterp = colours
        return bytes(file.read())


def pillow(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def image(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(TRUTH.transpose(1, 2, 0))).convert(mode)


def _tiff(layout: str, compression: str, pixels: NDArray[Any], **profile: Any) -> bytes:
    options = {"compress": compression, **LAYOUTS[layout], **profile}
    body = gdal(pixels, **(options if layout != "COG" else {}))
    return body if layout != "COG" else cog(body, compression)


def cog(body: bytes, compression: str) -> bytes:
    with MemoryFile(body) as file, file.open() as source, MemoryFile() as made:
        copy(source, made.name, driver="COG", compress=compression.upper(), blocksize=128)
        return bytes(made.read())


def _case(layout: str, compression: str, dtype: str, bands: str) -> Case:
    shown = as_type(TRUTH if bands != "grey" else TRUTH[1:2], dtype)
    stored, profile = shown, {}
    if bands == "RGB + alpha":
        opaque = np.full((1, HEIGHT, WIDTH), 255 if dtype == "uint8" else 9000, dtype)
        stored, profile = np.concatenate([shown, opaque]), {"photometric": "RGB", "alpha": "yes"}
    elif bands == "RGB + infrared":
        stored, profile = np.concatenate([shown, shown[:1] // 2]), {"photometric": "RGB", "alpha": "no"}
    within = {"jpeg": 4.0, "webp": 6.0}.get(compression, 0.0)
    return Case(
        format="GeoTIFF",
        layout=layout,
        compression=compression,
        dtype=dtype,
        bands=bands,
        make=lambda: _tiff(layout, compression, stored, **profile),
        seen=seen_in(shown),
        within=within,
    )


def _tiffs() -> Iterator[Case]:
    for layout, compression in product(LAYOUTS, LOSSLESS):
        if not (layout == "COG" and compression == "packbits"):  # GDAL's COG has none
            yield _case(layout, compression, "uint8", "RGB")
    for layout, compression in product(("blocks", "strips", "COG"), ("jpeg", "webp")):
        if (layout, compression) != ("strips", "jpeg"):  # GDAL writes strips of JPEG of a multiple of 16 rows
            yield _case(layout, compression, "uint8", "RGB")
    for dtype, (layout, compression) in product(GDAL_TYPES[1:], (("strips", "none"), ("COG", "deflate"))):
        yield _case(layout, compression, dtype, "RGB")
    for bands, dtype in product(("grey", "RGB + alpha", "RGB + infrared"), ("uint8", "uint16", "float32")):
        yield _case("blocks", "zstd", dtype, bands)


def _rare_tiffs() -> Iterator[Case]:
    one_bit = (TRUTH[1:2] > 127).astype(np.uint8)
    for compression in ("none", "deflate", "ccittfax4", "ccittrle", "ccittfax3"):
        yield Case(
            "GeoTIFF",
            "strips",
            compression,
            "1 bit",
            "grey",
            lambda c=compression: gdal(one_bit, nbits=1, compress=c),
            seen_in(one_bit * 255),
        )
    for bits in (2, 4):
        few = (TRUTH[1:2] >> (8 - bits)).astype(np.uint8)
        full = np.rint(few * (255 / (2**bits - 1))).astype(np.uint8)
        yield Case(
            "GeoTIFF", "strips", "none", f"{bits} bit", "grey", lambda f=few, b=bits: gdal(f, nbits=b), seen_in(full)
        )
    for bits in (10, 12):
        deep = TRUTH.astype(np.uint16) << (bits - 8)
        yield Case(
            "GeoTIFF",
            "blocks",
            "deflate",
            f"{bits} bit",
            "RGB",
            lambda d=deep, b=bits: _tiff("blocks", "deflate", d, nbits=b),
            stretched(deep),
        )
    half = as_type(TRUTH, "float32")
    yield Case(
        "GeoTIFF",
        "blocks",
        "deflate",
        "float16",
        "RGB",
        lambda: _tiff("blocks", "deflate", half, nbits=16),
        stretched(half.astype(np.float16)),
    )
    signed = (TRUTH.astype(np.int16) - 128).astype(np.int8)
    yield Case("GeoTIFF", "blocks", "lzw", "int8", "RGB", lambda: _tiff("blocks", "lzw", signed), stretched(signed))
    for predictor, dtype in ((2, "uint16"), (3, "float32")):
        values = as_type(TRUTH, dtype)
        yield Case(
            "GeoTIFF",
            "blocks",
            f"deflate, predictor {predictor}",
            dtype,
            "RGB",
            lambda v=values, p=predictor: _tiff("blocks", "deflate", v, predictor=p),
            stretched(values),
        )
    table = image().quantize(200)
    yield Case(
        "GeoTIFF",
        "strips",
        "lzw",
        "uint8",
        "palette",
        lambda: pillow(table, "TIFF", compression="tiff_lzw"),
        np.asarray(table.convert("RGB")).transpose(2, 0, 1),
    )
    inks = image("CMYK")
    yield Case(
        "GeoTIFF",
        "strips",
        "deflate",
        "uint8",
        "CMYK",
        lambda: gdal(np.asarray(inks).transpose(2, 0, 1), photometric="CMYK", compress="deflate"),
        TRUTH,
        1.0,
    )
    yield Case(
        "GeoTIFF",
        "blocks",
        "jpeg, YCbCr",
        "uint8",
        "RGB",
        lambda: _tiff("blocks", "jpeg", TRUTH, photometric="YCBCR"),
        TRUTH,
        5.0,
    )


def _jpegs() -> Iterator[Case]:
    for layout, options in {"baseline": {}, "progressive": {"progressive": True}}.items():
        for bands, mode, seen in (("RGB", "RGB", TRUTH), ("grey", "L", _grey_of("L")), ("CMYK", "CMYK", TRUTH)):
            yield Case(
                "JPEG",
                layout,
                "DCT",
                "uint8",
                bands,
                lambda m=mode, o=options: pillow(image(m), "JPEG", quality=92, **o),
                seen,
                6.0,
            )


def _grey_of(mode: str) -> NDArray[np.uint8]:
    return np.asarray(image(mode).convert("RGB")).transpose(2, 0, 1)


def _pngs() -> Iterator[Case]:
    modes = {"RGB": "RGB", "grey": "L", "RGB + alpha": "RGBA", "palette": "P", "1 bit": "1", "grey + alpha": "LA"}
    for bands, mode in modes.items():
        yield Case(
            "PNG",
            "rows",
            "deflate",
            "uint8" if mode != "1" else "1 bit",
            bands if mode != "1" else "grey",
            lambda m=mode: pillow(image(m), "PNG"),
            _grey_of(mode),
        )
    deep = as_type(TRUTH[1:2], "uint16")
    yield Case("PNG", "rows", "deflate", "uint16", "grey", lambda: gdal(deep, driver="PNG"), seen_in(deep))
    colours = as_type(TRUTH, "uint16")
    yield Case("PNG", "rows", "deflate", "uint16", "RGB", lambda: gdal(colours, driver="PNG"), seen_in(colours))


def _jp2s() -> Iterator[Case]:
    for layout, options in {"one piece": {}, "parts": {"tile_size": (64, 64)}}.items():
        for bands, mode in (("RGB", "RGB"), ("grey", "L"), ("RGB + alpha", "RGBA")):
            yield Case(
                "JPEG 2000",
                layout,
                "reversible",
                "uint8",
                bands,
                lambda m=mode, o=options: pillow(image(m), "JPEG2000", **o),
                _grey_of(mode),
            )
    yield Case(
        "JPEG 2000",
        "parts",
        "irreversible",
        "uint8",
        "RGB",
        lambda: pillow(image(), "JPEG2000", irreversible=True, quality_layers=[8]),
        TRUTH,
        5.0,
    )
    for dtype, bands in product(("uint16", "int16"), ("grey", "RGB")):
        values = as_type(TRUTH if bands == "RGB" else TRUTH[1:2], dtype)
        yield Case(
            "JPEG 2000",
            "parts",
            "reversible",
            dtype,
            bands,
            lambda v=values: gdal(v, driver="JP2OpenJPEG", reversible="YES", quality=100, blockxsize=64, blockysize=64),
            seen_in(values),
        )
    yield Case(
        "JPEG 2000",
        "bare codestream",
        "reversible",
        "uint8",
        "RGB",
        lambda: gdal(TRUTH, driver="JP2OpenJPEG", codec="J2K", reversible="YES", quality=100),
        TRUTH,
    )


def _webps() -> Iterator[Case]:
    for bands, mode in (("RGB", "RGB"), ("RGB + alpha", "RGBA")):
        yield Case(
            "WebP",
            "one piece",
            "lossless",
            "uint8",
            bands,
            lambda m=mode: pillow(image(m), "WEBP", lossless=True),
            TRUTH,
        )
        yield Case(
            "WebP",
            "one piece",
            "lossy",
            "uint8",
            bands,
            lambda m=mode: pillow(image(m), "WEBP", quality=95),
            TRUTH,
            6.0,
        )


def _nitfs() -> Iterator[Case]:
    for layout, options in {"rows": {}, "blocks": {"blockxsize": 64, "blockysize": 64}}.items():
        for dtype, bands in product(("uint8", "uint16", "int16", "float32"), ("grey", "RGB")):
            values = as_type(TRUTH if bands == "RGB" else TRUTH[1:2], dtype)
            yield Case(
                "NITF",
                layout,
                "none",
                dtype,
                bands,
                lambda v=values, o=options: gdal(v, driver="NITF", **o),
                seen_in(values),
            )
    for compression, rate, within in (("C8", b"N040", 0.0), ("C3", b"00.0", 5.0)):
        name = {"C8": "JPEG 2000", "C3": "JPEG"}[compression]
        yield Case(
            "NITF",
            "one piece",
            name,
            "uint8",
            "RGB",
            lambda c=compression, r=rate: nitf_around(_inner(c), compression=c, rate=r),
            TRUTH,
            within,
        )


def _inner(compression: str) -> bytes:
    return pillow(image(), "JPEG2000", no_jp2=True) if compression == "C8" else pillow(image(), "JPEG", quality=92)


def nitf_around(data: bytes, *, compression: str, rate: bytes) -> bytes:
    """Put compressed data into a NITF, whose headers GDAL wrote for the same image uncompressed."""
    plain = gdal(TRUTH, driver="NITF")
    header_length, subheader_length = int(plain[354:360]), int(plain[363:369])
    header, subheader = bytearray(plain[:header_length]), plain[header_length : header_length + subheader_length]
    at = 372 + 1  # no coordinates, no comments
    subheader = subheader[:at] + compression.encode() + rate + subheader[at + 2 :]
    header[342:354] = b"%012d" % (header_length + len(subheader) + len(data))
    header[363:379] = b"%06d%010d" % (len(subheader), len(data))
    return bytes(header) + subheader + data
