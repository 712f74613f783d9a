"""Images of finer pixels than wanted are read smaller: fewer chips, each box still where it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from batch_job.adapters import raster_scaled
from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.raster_scaled import rows_of
from batch_job.imagery.grid import count, windows
from batch_job.imagery.overview import Overview
from batch_job.imagery.picture import Picture, grid_of, open_picture, shrink_of
from batch_job.place.cutting import grid_on_ground
from batch_job.settings import PipelineSettings, Stretch
from batch_job.spend.estimate import estimate_calls
from batch_job.values.image import ImageRef
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipGrid
from tests.unit.formats.cases import gdal, image, pillow
from tests.unit.imagery.test_orientation import exif

IMAGE = ImageRef("bucket", "key")
FACTS = RasterFacts("GTiff", 9000, 7000, ("uint8",), ("gray",), (None,))

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def wanting(target_gsd_m: float, *, chip_px: int = 1000, overlap_px: int = 200) -> PipelineSettings:
    return PipelineSettings.load(target_gsd_m=target_gsd_m, chip_px=chip_px, overlap_px=overlap_px)


# ---- how many times smaller


@pytest.mark.parametrize(
    ("gsd_m", "target", "shrink"),
    [
        (0.03, 0.3, 10),
        (0.0301, 0.3, 10),
        (0.3, 0.3, 1),
        (0.30001, 0.3, 1),
        (0.15001, 0.3, 2),
        (0.16, 0.3, 1),
        (0.16, 0.31, 2),
        (0.5, 0.3, 1),
        (10.0, 0.3, 1),
        (None, 0.3, 1),
        (0.03, 0.0, 1),
    ],
)
def test_pixels_come_as_near_to_the_target_as_a_whole_number_brings_them(gsd_m, target, shrink):
    settings = wanting(target)
    big = RasterFacts("GTiff", 90_000, 70_000, ("uint8",), ("gray",), (None,))
    grid = grid_of(big, settings, gsd_m=gsd_m)
    assert (grid.chip_px, grid.overlap_px) == (1000 * shrink, 200 * shrink)
    assert shrink_of(grid, settings) == shrink


def test_an_image_is_never_shrunk_below_one_chip():
    grid = grid_of(FACTS, wanting(1000.0), gsd_m=0.001)
    assert shrink_of(grid, wanting(1000.0)) == 9
    assert count(grid) == 1


def test_a_hundredth_of_the_chips_is_cut_at_ten_times_the_size():
    drone = RasterFacts("GTiff", 100_000, 100_000, ("uint8",), ("gray",), (None,))
    as_it_is, wanted = grid_of(drone, wanting(0.3)), grid_of(drone, wanting(0.3), gsd_m=0.03)
    assert count(as_it_is) > 90 * count(wanted)


def test_the_size_of_a_pixel_is_that_on_the_ground():
    body = gdal(np.zeros((1, 600, 900), np.uint8), crs="EPSG:3857", transform=Affine(0.5, 0, 1e6, 0, -0.5, 8.4e6))
    settings = wanting(0.6, chip_px=100, overlap_px=20)
    with RasterOpener(ObjectsInMemory({IMAGE: body}))(IMAGE, etag=None) as source:
        # 60 degrees north: half a metre of Web Mercator is a quarter
        assert grid_on_ground(source.facts, settings, GdalGroundTransform()).chip_px == 200
        assert (
            grid_on_ground(source.facts, wanting(0, chip_px=100, overlap_px=20), GdalGroundTransform()).chip_px == 100
        )


# ---- pixels


def ramp(height: int = 330, width: int = 470) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows % 200, cols % 220, (rows + cols) % 240]).astype(np.uint8)


@contextmanager
def opened(body: bytes, *, shrink: int) -> Iterator[Picture]:
    with RasterOpener(ObjectsInMemory({IMAGE: body}))(IMAGE, etag=None) as source:
        picture = open_picture(source, stretch=Stretch.JOINT)
        yield Picture(picture.source, picture.choice, picture.limits, shrink=shrink)


def mean_of(pixels: np.ndarray, shrink: int) -> np.ndarray:
    bands, height, width = pixels.shape
    blocks = pixels.reshape(bands, height // shrink, shrink, width // shrink, shrink)
    return blocks.mean(axis=(2, 4))


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}, {"interleave": "band"}])
@pytest.mark.parametrize(("shrink", "overlap_px"), [(2, 8), (3, 0), (5, 7)])
def test_each_chip_is_the_mean_of_its_own_pixels(layout: dict, shrink: int, overlap_px: int):
    pixels = ramp()
    grid = ChipGrid(image_width=470, image_height=330, chip_px=40 * shrink, overlap_px=overlap_px * shrink)
    with opened(gdal(pixels, **layout), shrink=shrink) as picture:
        read = list(picture.read(windows(grid)))
    assert [window for window, _, _ in read] == list(windows(grid))
    for window, rgb, valid in read:
        cut = pixels[:, window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width]
        assert rgb.shape == (3, window.height // shrink, window.width // shrink)
        assert valid.shape == rgb.shape[1:]
        assert valid.all()
        assert np.abs(rgb - mean_of(cut, shrink)).max() <= 0.51


def test_a_smaller_copy_in_the_file_is_used():
    pixels = np.repeat(np.repeat(ramp(256, 512), 8, axis=1), 8, axis=2)
    with MemoryFile(gdal(pixels)) as file, file.open() as source, MemoryFile() as made:
        copy(source, made.name, driver="COG", compress="deflate", blocksize=128, overview_resampling="average")
        body = bytes(made.read())
    grid = ChipGrid(image_width=4096, image_height=2048, chip_px=512, overlap_px=64)
    objects = ObjectsInMemory({IMAGE: body})
    with RasterOpener(objects)(IMAGE, etag=None) as source:
        picture = open_picture(source, stretch=Stretch.JOINT)
        small = Picture(picture.source, picture.choice, picture.limits, shrink=8)
        chips = {window: rgb for window, rgb, _ in small.read(windows(grid))}
        assert source.file.requests < 4
    for window, rgb in chips.items():
        expected = pixels[:, window.row_off :: 8, window.col_off :: 8][:, :64, :64]
        assert np.abs(rgb.astype(int) - expected).max() <= 1


def test_what_is_not_valid_is_not_mixed_in():
    pixels = ramp().astype(np.int16) + 1
    pixels[:, :, :101] = -999
    with opened(gdal(pixels, nodata=-999), shrink=2) as picture:
        grid = ChipGrid(image_width=470, image_height=330, chip_px=470, overlap_px=0)
        [(_, rgb, valid), *_] = picture.read(windows(grid))
    assert not valid[:, :50].any()
    assert valid[:, 50:].all()
    assert not rgb[:, :, :50].any()


def test_a_colour_table_keeps_its_colours():
    table = image().quantize(16)
    with opened(pillow(table, "PNG"), shrink=3) as picture:
        [(_, rgb, _)] = picture.read(windows(ChipGrid(image_width=150, image_height=110, chip_px=150, overlap_px=0)))
    known = {tuple(colour) for colour in np.asarray(table.convert("RGB")).reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in rgb.reshape(3, -1).T.tolist()} <= known


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_shrunk_the_right_way_up(orientation: int):
    body = pillow(image(), "PNG", exif=exif(orientation))
    with opened(body, shrink=1) as whole, opened(body, shrink=3) as small:
        facts = whole.facts
        grid = ChipGrid(image_width=facts.width, image_height=facts.height, chip_px=30, overlap_px=9)
        order = list(windows(grid, orientation=facts.orientation))
        full = {window: rgb for window, rgb, _ in whole.read(order)}
        for window, rgb, _ in small.read(order):
            assert np.abs(rgb - mean_of(full[window], 3)).max() <= 0.51


@pytest.mark.parametrize("part_bytes", [1, 700, 5000])
@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}])
def test_it_is_the_same_in_however_many_parts_it_is_read(layout, part_bytes: int, monkeypatch: pytest.MonkeyPatch):
    grid = ChipGrid(image_width=470, image_height=330, chip_px=120, overlap_px=30)
    with opened(gdal(ramp(), **layout), shrink=3) as picture:
        at_once = [rgb for _, rgb, _ in picture.read(windows(grid))]
        monkeypatch.setattr(raster_scaled, "PART_BYTES", part_bytes)
        in_parts = [rgb for _, rgb, _ in picture.read(windows(grid))]
    np.testing.assert_array_equal(in_parts, at_once)


def test_an_image_smaller_than_a_chip_is_one_chip_of_all_its_pixels():
    grid = ChipGrid(image_width=470, image_height=330, chip_px=1000, overlap_px=0)
    with opened(gdal(ramp()), shrink=7) as picture:
        [(window, rgb, _)] = picture.read(windows(grid))
    assert (window.width, window.height, rgb.shape) == (470, 330, (3, 47, 67))


def test_the_overview_is_the_same_from_chips_that_were_read_smaller():
    grid = ChipGrid(image_width=450, image_height=330, chip_px=120, overlap_px=30, overview_px=90)
    overviews = []
    for shrink in (1, 3):
        with opened(gdal(np.repeat(np.repeat(ramp(66, 90), 5, axis=1), 5, axis=2)), shrink=shrink) as picture:
            overview = Overview(grid)
            for chip in picture.read(windows(grid)):
                overview.add(*chip)
            overviews.append(overview.rgb.astype(int))
    as_it_is, smaller = overviews
    assert as_it_is.shape == (3, 66, 90)
    assert np.abs(smaller - as_it_is).mean() < 2


def test_an_estimate_counts_the_chips_of_an_image_as_it_is_read():
    body = gdal(np.zeros((1, 600, 900), np.uint8), crs="EPSG:32633", transform=Affine(0.5, 0, 5e5, 0, -0.5, 5.8e6))
    opener, ground = RasterOpener(ObjectsInMemory({IMAGE: body})), GdalGroundTransform()
    calls = [
        estimate_calls(
            [(IMAGE, None)], opener, PipelineSettings.load(chip_px=100, overlap_px=0, **wanted), ground
        ).calls
        for wanted in ({"overview_pass": False}, {"overview_pass": False, "target_gsd_m": 1.5}, {"target_gsd_m": 1.5})
    ]
    assert calls == [54, 6, 7]


@given(data=st.data())
@settings(max_examples=50)
def test_windows_are_grouped_in_order_and_only_where_whole_pixels_lie_between(data: st.DataObject):
    shrink = data.draw(st.integers(2, 9))
    chip_px, overlap_px = 10 * shrink, data.draw(st.integers(0, 9)) * shrink
    grid = ChipGrid(
        image_width=data.draw(st.integers(1, 600)),
        image_height=data.draw(st.integers(1, 200)),
        chip_px=chip_px,
        overlap_px=overlap_px,
    )
    groups = list(rows_of(windows(grid), shrink=shrink, pixel_bytes=data.draw(st.sampled_from([3, 30_000]))))
    assert [window for group in groups for window in group] == list(windows(grid))
    for group in groups:
        assert len({(window.row_off, window.height) for window in group}) == 1
        assert len({window.col_off % shrink for window in group}) == 1
