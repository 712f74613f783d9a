"""Images of which pixels are hidden: by alpha, nodata, NaN, a colour table, a mask inside, or one in a file beside."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile

from tests.unit.formats.cases import HEIGHT, LAYOUTS, TRUTH, WIDTH, as_type, cog, gdal, pillow

NODATA = 7


def _valid() -> NDArray[np.bool_]:
    """(rows, columns): a corner, a column and some single pixels are none."""
    valid = np.random.default_rng(2).random((HEIGHT, WIDTH)) > 0.05
    valid[:40, :50] = False
    valid[:, 77] = False
    valid[60:, 90:] = True
    return valid


VALID = _valid()
OPAQUE = np.where(VALID, 255, 0).astype(np.uint8)
FOR_ALL = {f"INTERNAL_MASK_FLAGS_{band}": "2" for band in (1, 2, 3)}
FOR_EACH = {f"INTERNAL_MASK_FLAGS_{band}": "0" for band in (1, 2, 3)}


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file, a mask beside it, and what a person sees in them where ``VALID`` says so."""

    by: str
    kind: str
    make: Callable[[], bytes]
    seen: NDArray[np.uint8]
    """(3, rows, columns); 0 where there is nothing."""
    mask: Callable[[], bytes] | None = None
    within: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.by}: {self.kind}"


def hidden() -> list[Hidden]:
    """All of them; the names are unique."""
    return [*_by_alpha(), *_by_numbers(), *_by_table(), *_by_mask_inside(), *_by_mask_beside()]


def stretched_where_valid(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The stated stretch, of the percentiles of what is there."""
    exact = values.astype(np.float64)
    low, high = np.percentile(exact[:, VALID], [2, 98])
    shown = np.rint(np.interp(np.nan_to_num(exact), [low, high], [0, 255])).astype(np.uint8) * VALID
    return np.repeat(shown, 3, axis=0) if len(shown) == 1 else shown


def _by_alpha() -> Iterator[Hidden]:
    for dtype in ("uint8", "uint16"):
        colours = as_type(TRUTH, dtype)
        stored = np.concatenate([colours, (OPAQUE.astype(dtype) * (1 if dtype == "uint8" else 257))[None]])
        seen = TRUTH * VALID if dtype == "uint8" else stretched_where_valid(colours)
        yield Hidden("alpha", f"GeoTIFF {dtype}", lambda s=stored: gdal(s, photometric="RGB", alpha="yes"), seen)
    stored = np.concatenate([TRUTH, OPAQUE[None]])
    for compression in ("none", "lzw", "deflate", "zstd", "webp"):
        options = {**LAYOUTS["blocks"], "compress": compression, "webp_lossless": "true"}
        yield Hidden(
            "alpha",
            f"GeoTIFF blocks of {compression}",
            lambda o=options: gdal(stored, photometric="RGB", alpha="yes", **o),
            TRUTH * VALID,
        )
    picture = Image.fromarray(np.concatenate([TRUTH, OPAQUE[None]]).transpose(1, 2, 0).copy())
    for form, options in (("PNG", {}), ("WebP", {"lossless": True}), ("JPEG 2000", {})):
        name = form.replace("JPEG 2000", "JPEG2000")
        yield Hidden("alpha", form, lambda n=name, o=options: pillow(picture, n, **o), TRUTH * VALID)
    grey = Image.fromarray(np.stack([TRUTH[1], OPAQUE], axis=-1), "LA")
    yield Hidden("alpha", "PNG grey", lambda: pillow(grey, "PNG"), np.repeat(TRUTH[1:2] * VALID, 3, axis=0))


def _by_numbers() -> Iterator[Hidden]:
    rgb = np.where(TRUTH == NODATA, NODATA + 1, TRUTH)
    for dtype in ("uint8", "uint16", "int16", "float32"):
        values = as_type(rgb, dtype)
        holed = np.where(VALID, values, NODATA).astype(dtype)
        seen = rgb * VALID if dtype == "uint8" else stretched_where_valid(values)
        yield Hidden("nodata", f"GeoTIFF {dtype}", lambda h=holed: gdal(h, nodata=NODATA), seen)
    for dtype in ("float32", "float64"):
        holed = np.where(VALID, as_type(TRUTH, dtype), np.nan).astype(dtype)
        seen = stretched_where_valid(holed)
        yield Hidden("NaN", f"GeoTIFF {dtype}", lambda h=holed: gdal(h), seen)


def _by_table() -> Iterator[Hidden]:
    table = Image.fromarray(TRUTH.transpose(1, 2, 0).copy()).quantize(200)
    indices = np.asarray(table).copy()
    indices[~VALID] = 255
    holed = Image.fromarray(indices, "P")
    holed.putpalette((table.getpalette() + [9] * 768)[:768])
    seen = np.asarray(table.convert("RGB")).transpose(2, 0, 1) * VALID
    yield Hidden("a transparent colour of a table", "PNG", lambda: pillow(holed, "PNG", transparency=255), seen)


def _by_mask_inside() -> Iterator[Hidden]:
    for layout in ("blocks", "strips", "one strip", "BigTIFF"):
        yield Hidden("a mask inside", f"GeoTIFF {layout}", lambda x=layout: _masked(**LAYOUTS[x]), TRUTH * VALID)
    yield Hidden("a mask inside", "COG", lambda: cog(_masked(), "deflate"), TRUTH * VALID)
    jpeg = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "jpeg"}
    yield Hidden("a mask inside", "GeoTIFF blocks of JPEG", lambda: _masked(**jpeg), TRUTH * VALID, within=4.0)


def _masked(**profile: Any) -> bytes:
    facts = {"driver": "GTiff", "count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "uint8"}
    with MemoryFile() as file, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with file.open(**{**facts, **profile}) as made:
            made.write(TRUTH)
            made.write_mask(OPAQUE)
        return bytes(file.read())


def _by_mask_beside() -> Iterator[Hidden]:
    for layout, profile in LAYOUTS.items():
        if layout != "COG":
            yield Hidden(
                "a mask beside, `.msk`",
                f"in {layout}",
                lambda: gdal(TRUTH),
                TRUTH * VALID,
                lambda p=profile: beside(**p),
            )
    yield Hidden("a mask beside, `.msk`", "in 1 bit", lambda: gdal(TRUTH), TRUTH * VALID, lambda: beside(nbits=1))
    yield Hidden(
        "a mask beside, `.msk`",
        "for each band",
        lambda: gdal(TRUTH),
        TRUTH * VALID,
        lambda: beside(bands=3, said=FOR_EACH),
    )
    picture = Image.fromarray(TRUTH.transpose(1, 2, 0).copy())
    images: dict[str, tuple[Callable[[], bytes], float]] = {
        "COG": (lambda: cog(gdal(TRUTH), "deflate"), 0.0),
        "PNG": (lambda: pillow(picture, "PNG"), 0.0),
        "WebP": (lambda: pillow(picture, "WEBP", lossless=True), 0.0),
        "JPEG 2000": (lambda: pillow(picture, "JPEG2000"), 0.0),
        "JPEG": (lambda: pillow(picture, "JPEG", quality=92), 4.0),
        "NITF": (lambda: gdal(TRUTH, driver="NITF"), 0.0),
    }
    for form, (make, within) in images.items():
        yield Hidden("a mask beside, `.msk`", f"of {form}", make, TRUTH * VALID, beside, within)
    deep = as_type(TRUTH, "uint16")
    yield Hidden(
        "a mask beside, `.msk`",
        "of GeoTIFF uint16",
        lambda: gdal(np.where(VALID, deep, 65_535).astype(np.uint16)),
        stretched_where_valid(deep),
        beside,
    )


def beside(*, bands: int = 1, said: dict[str, str] = FOR_ALL, **profile: Any) -> bytes:
    """The mask in a file of its own, as GDAL writes it."""
    shown = np.repeat(OPAQUE[None], bands, axis=0) // (255 if "nbits" in profile else 1)
    facts = {"driver": "GTiff", "count": bands, "height": HEIGHT, "width": WIDTH, "dtype": "uint8"}
    with MemoryFile() as file:
        with file.open(**{**facts, "compress": "deflate", **profile}) as made:
            made.write(shown)
            made.update_tags(**said)
        return bytes(file.read())
