"""Scenes as files, some rows at a time, so that memory does not grow with the scene."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window as RasterWindow

from local.scenes.colours import PALETTE_NODATA, colour_table, sample_of, sixteen_bits, texture
from local.scenes.headers import georeference
from local.scenes.placing import Placed
from local.scenes.shapes import draw
from local.scenes.spec import Bands, Compression, Layout, Scene

ROWS_AT_ONCE = 512
BLOCK_PX = 512
STRIP_ROWS = 16
GDAL_CACHE_BYTES = 64 * 1024**2
DEFLATE_LEVEL = 1
"""Scenes are made often and read once."""
OPAQUE = 255

_COLOURS = {
    Bands.GREY: (ColorInterp.gray,),
    Bands.PALETTE: (ColorInterp.palette,),
    Bands.RGB: (ColorInterp.red, ColorInterp.green, ColorInterp.blue),
    Bands.RGBN: (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined),
}


def write(scene: Scene, placed: Sequence[Placed], path: Path) -> None:
    """Write a scene's image; its folder must exist.

    GDAL copies into COG, JPEG and PNG only from another file, so these pass through an uncompressed draft.
    """
    with _quiet_gdal():
        if scene.layout in (Layout.TILED, Layout.STRIPS):
            _write_tiff(scene, placed, path, compression=scene.compression)
            return
        draft = path.with_name(path.name + ".draft.tif")
        try:
            _write_tiff(scene, placed, draft, compression=Compression.NONE)
            rasterio.shutil.copy(draft, path, **_copy_options(scene))
        finally:
            draft.unlink(missing_ok=True)


def rows_of(
    scene: Scene, placed: Sequence[Placed], ground: NDArray[np.uint8], *, row_off: int
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Draw up to ``ROWS_AT_ONCE`` rows.

    Returns:
        Samples (bands, rows, columns) in the scene's type, and (rows, columns) which of them are picture.
    """
    height = min(ROWS_AT_ONCE, scene.height - row_off)
    rows = np.arange(row_off, row_off + height) % ground.shape[1]
    across = -(-scene.width // ground.shape[2])
    samples = np.tile(ground[:, rows, :], (1, 1, across))[:, :, : scene.width]
    for one in placed:
        if one.box.min_row < row_off + height and one.box.max_row > row_off:
            _paint(scene, one, samples, row_off=row_off)
    valid = _picture(scene, row_off=row_off, height=height)
    if scene.layout is Layout.PNG and scene.bands is Bands.RGBN:
        samples[3] = OPAQUE
    wide = sixteen_bits(samples) if scene.bits == 16 else samples
    wide[:, ~valid] = _nodata(scene)
    return wide, valid


def _write_tiff(scene: Scene, placed: Sequence[Placed], path: Path, *, compression: Compression) -> None:
    ground = texture(scene.bands, seed=scene.seed)
    with rasterio.open(path, "w", **_tiff_profile(scene, compression)) as image:
        if scene.bands is Bands.PALETTE:
            image.write_colormap(1, colour_table())
        image.colorinterp = _COLOURS[scene.bands]
        for row_off in range(0, scene.height, ROWS_AT_ONCE):
            samples, valid = rows_of(scene, placed, ground, row_off=row_off)
            window = RasterWindow(0, row_off, scene.width, samples.shape[1])
            image.write(samples, window=window)
            if _has_mask(scene):
                image.write_mask(valid, window=window)


def _tiff_profile(scene: Scene, compression: Compression) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": scene.width,
        "height": scene.height,
        "count": len(_COLOURS[scene.bands]),
        "dtype": f"uint{scene.bits}",
        "bigtiff": "IF_SAFER",
        **georeference(scene),
        **_compression_options(scene, compression),
    }
    if scene.layout is Layout.STRIPS:
        profile["blockysize"] = STRIP_ROWS
    else:
        profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX}
    if scene.bands is Bands.RGBN:
        profile |= {"photometric": "RGB", "alpha": "YES" if scene.layout is Layout.PNG else "NO"}
    if scene.nodata_border_px and scene.layout.is_tiff and not _has_mask(scene):
        profile["nodata"] = _nodata(scene)
    return profile


def _compression_options(scene: Scene, compression: Compression) -> dict[str, Any]:
    if compression is Compression.NONE:
        return {}
    if compression is Compression.JPEG:
        photometric = {"photometric": "YCBCR"} if scene.bands is Bands.RGB else {}
        return {"compress": "JPEG", "jpeg_quality": scene.quality, **photometric}
    level = {"zlevel": DEFLATE_LEVEL} if compression is Compression.DEFLATE else {}
    return {"compress": compression.upper(), **level}


def _copy_options(scene: Scene) -> dict[str, Any]:
    if scene.layout is Layout.JPEG:
        return {"driver": "JPEG", "quality": scene.quality}
    if scene.layout is Layout.PNG:
        return {"driver": "PNG", "zlevel": DEFLATE_LEVEL}
    options: dict[str, Any] = {"driver": "COG", "blocksize": BLOCK_PX, "num_threads": "ALL_CPUS"}
    options["compress"] = scene.compression.upper()
    if scene.compression is Compression.JPEG:
        options["quality"] = scene.quality
    if scene.compression is Compression.DEFLATE:
        options["level"] = DEFLATE_LEVEL
    if scene.bands is Bands.PALETTE:
        options["overview_resampling"] = "NEAREST"
    return options


def _paint(scene: Scene, one: Placed, samples: NDArray[np.uint8], *, row_off: int) -> None:
    drawn = draw(one.shape)
    window = drawn.window
    first = max(window.row_off, row_off)
    last = min(window.row_off + window.height, row_off + samples.shape[1])
    mask = drawn.mask[first - window.row_off : last - window.row_off]
    target = samples[:, first - row_off : last - row_off, window.col_off : window.col_off + window.width]
    colour = sample_of(one.shape.label, shade=one.shape.shade, bands=scene.bands)
    target[:, mask] = np.array(colour, dtype=np.uint8)[:, np.newaxis]


def _picture(scene: Scene, *, row_off: int, height: int) -> NDArray[np.bool_]:
    border = scene.nodata_border_px
    rows = np.arange(row_off, row_off + height)
    cols = np.arange(scene.width)
    valid_rows = (rows >= border) & (rows < scene.height - border)
    valid_cols = (cols >= border) & (cols < scene.width - border)
    return np.asarray(valid_rows[:, np.newaxis] & valid_cols[np.newaxis, :])


def _nodata(scene: Scene) -> int:
    return PALETTE_NODATA if scene.bands is Bands.PALETTE else 0


def _has_mask(scene: Scene) -> bool:
    return scene.nodata_border_px > 0 and scene.layout.is_tiff and scene.compression is Compression.JPEG


@contextmanager
def _quiet_gdal() -> Iterator[None]:
    with (
        rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES, GDAL_TIFF_INTERNAL_MASK=True),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
