"""Chips of an image that several workers cut, in turn or after a crash, are those of one that cuts all of it."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import rasterio

from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.imagery.grid import windows
from batch_job.imagery.picture import open_picture
from batch_job.settings import Stretch
from batch_job.values.image import LOCAL_FILES, ImageRef, SideFile
from batch_job.values.spaces import ChipGrid, Window

WIDTH, HEIGHT = 1900, 1500
GRID = ChipGrid(image_width=WIDTH, image_height=HEIGHT, chip_px=600, overlap_px=100)
ROWS = (0, 500, 900)
"""Where the chips' rows begin."""

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def pixels(dtype: str) -> np.ndarray:
    """Brighter from top to bottom: who measured a part of it alone would stretch it otherwise."""
    rng = np.random.default_rng(3)
    steep = np.linspace(500, 9000, HEIGHT)[:, None] + rng.integers(0, 900, (3, HEIGHT, WIDTH))
    return steep.astype(dtype)


def write(path: Path, dtype: str, *, shrinks: tuple[int, ...] = (), mask: bool = False, **profile: object) -> None:
    facts = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 3, "dtype": dtype}
    with rasterio.open(path, "w", **{**facts, **profile}) as made:
        made.write(pixels(dtype))
    if shrinks:
        with rasterio.open(path, "r+") as made:
            made.build_overviews(list(shrinks))
    if mask:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as made:
            made.write_mask(np.where(np.arange(WIDTH) < 700, 0, 255)[None].repeat(HEIGHT, 0).astype(np.uint8))


BLOCKS = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "zstd"}
FILES = {
    "16 bit, with smaller copies": {"dtype": "uint16", "shrinks": (2, 4, 8), **BLOCKS},
    "16 bit, without": {"dtype": "uint16", **BLOCKS},
    "16 bit, in strips": {"dtype": "uint16", "blockysize": 7},
    "16 bit, in one strip": {"dtype": "uint16", "blockysize": HEIGHT, "compress": "deflate"},
    "16 bit, a mask beside it": {"dtype": "uint16", "mask": True, **BLOCKS},
    "floating point": {"dtype": "float32", **BLOCKS},
}


def cut(path: str, rows: tuple[int, ...]) -> dict[Window, str]:
    """Open the image anew and cut some rows of chips."""
    mask = f"{path}.msk"
    with ExitStack() as opened:
        beside = SideFile(mask, "1") if Path(mask).exists() else None
        source = RasterOpener(ObjectsInMemory({}))(ImageRef(LOCAL_FILES, path), etag=None, mask=beside)
        picture = open_picture(opened.enter_context(source), stretch=Stretch.JOINT)
        chips = (window for window in windows(GRID) if window.row_off in rows)
        return {
            window: hashlib.sha256(rgb.tobytes() + valid.tobytes()).hexdigest()
            for window, rgb, valid in picture.read(chips)
        }


@pytest.fixture(scope="module")
def another_process():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize("name", FILES)
def test_rows_of_chips_cut_alone_in_another_process_are_those_of_a_whole_pass(
    name: str, another_process: ProcessPoolExecutor, tmp_path: Path
):
    path = tmp_path / "image.tif"
    write(path, **FILES[name])
    whole = cut(str(path), ROWS)
    assert sorted({window.row_off for window in whole}) == list(ROWS)
    alone = {row: another_process.submit(cut, str(path), (row,)).result() for row in ROWS}
    assert {window: chip for cut_alone in alone.values() for window, chip in cut_alone.items()} == whole
