"""Photographs the right way up: Pillow is the oracle for pixels, the file's own place for the rest."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from rasterio import Affine

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.imagery.grid import count, windows
from batch_job.imagery.orientation import Turn, turned_facts
from batch_job.place.project import find_ground
from batch_job.values.image import ImageRef
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipGrid, Window
from tests.unit.formats.cases import HEIGHT, TRUTH, WIDTH, gdal, image, pillow
from tests.unit.formats.test_formats import opened, put_together

ORIENTATIONS = range(1, 9)
IMAGE = ImageRef("bucket", "key")
FORMATS = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def as_people_see_it(body: bytes) -> np.ndarray:
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    return np.asarray(turned.convert("RGB")).transpose(2, 0, 1)


# ---- pixels


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("form", FORMATS)
def test_the_chips_put_together_are_the_picture_the_right_way_up(form: str, orientation: int):
    body = pillow(image(), form, exif=exif(orientation), **FORMATS[form])
    with opened(body) as picture:
        whole, valid = put_together(picture, chip_px=64, overlap_px=13)
        overview = picture.overview(max_px=WIDTH)
    seen = as_people_see_it(body)
    assert valid.all()
    assert whole.shape == seen.shape == overview.shape
    # halved colours of a JPEG are interpolated by each decoder in its own way, and an overview is GDAL's
    off = 1 if form == "JPEG" else 1e-9
    assert np.abs(whole.astype(int) - seen).mean() < off
    assert np.abs(whole.astype(int) - overview).mean() < off


@pytest.mark.parametrize("orientation", [0, 9, 700])
def test_a_number_that_exif_does_not_know_turns_nothing(orientation: int):
    with opened(pillow(image(), "PNG", exif=exif(orientation))) as picture:
        assert picture.facts.width == WIDTH


@pytest.mark.parametrize(("form", "cut"), [("PNG", b"eXIf"), ("WEBP", b"EXIF")])
@pytest.mark.parametrize("keep", [0, 4, 9, 12])
def test_exif_that_is_cut_off_or_broken_turns_nothing(form: str, cut: bytes, keep: int):
    body = pillow(image(), form, exif=exif(6), **FORMATS[form])
    at = body.index(cut) + (4 if form == "PNG" else 8) + keep
    with RasterOpener(ObjectsInMemory({IMAGE: body[:at] + b"\xff" * 8 + body[at + 8 :]}))(IMAGE, etag=None) as source:
        assert source.facts.orientation == 1


@pytest.mark.parametrize(
    ("placed", "orientation"), [({}, 3), ({"crs": "EPSG:32633", "transform": Affine(2, 0, 5e5, 0, -2, 4e6)}, 1)]
)
def test_a_map_lies_as_its_georeference_says_whatever_its_tag(placed: dict, orientation: int):
    body = gdal(TRUTH, **placed)
    start = int.from_bytes(body[4:8], "little")
    entries = int.from_bytes(body[start : start + 2], "little")
    tags = [int.from_bytes(body[at : at + 2], "little") for at in range(start + 2, start + 2 + 12 * entries, 12)]
    at = start + 2 + 12 * tags.index(284)  # planar configuration, its usual value: nobody misses it
    tagged = (
        body[:at] + (274).to_bytes(2, "little") + body[at + 2 : at + 8] + (3).to_bytes(4, "little") + body[at + 12 :]
    )
    with RasterOpener(ObjectsInMemory({IMAGE: tagged}))(IMAGE, etag=None) as source:
        assert source.facts.orientation == orientation


def test_bigtiff_and_big_endian_files_say_it_too():
    from batch_job.adapters.raster_orientation import read_orientation

    facts = RasterFacts("GTiff", 1, 1, ("uint8",), ("gray",), (None,))
    big = b"MM\0+\0\x08\0\0" + (16).to_bytes(8, "big") + (1).to_bytes(8, "big")
    entry = (
        (274).to_bytes(2, "big") + (3).to_bytes(2, "big") + (1).to_bytes(8, "big") + (8).to_bytes(2, "big") + bytes(6)
    )
    body = big + entry
    assert read_orientation(facts, {}, lambda start, length: body[start : start + length]) == 8


# ---- grid


@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    chip_px=st.integers(10, 200),
    overlap=st.floats(0, 0.9),
    orientation=st.sampled_from(ORIENTATIONS),
)
def test_windows_come_in_the_order_of_the_files_rows_and_are_the_same(width, height, chip_px, overlap, orientation):
    grid = ChipGrid(image_width=width, image_height=height, chip_px=chip_px, overlap_px=int(chip_px * overlap))
    turned = list(windows(grid, orientation=orientation))
    assert sorted(turned) == sorted(windows(grid))
    assert len(turned) == count(grid)
    in_file = [Turn.by_exif(orientation).in_file(window, width=width, height=height) for window in turned]
    places = [(window.row_off, window.col_off) for window in in_file]
    assert places == sorted(places)


@given(orientation=st.sampled_from(ORIENTATIONS), data=st.data())
def test_a_window_shows_the_same_pixels_as_in_the_file(orientation: int, data: st.DataObject):
    turn = Turn.by_exif(orientation)
    pixels = np.arange(7 * 5).reshape(7, 5)
    seen = turn.seen(pixels)
    height, width = seen.shape
    col_off, row_off = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    window = Window(
        col_off=col_off,
        row_off=row_off,
        width=data.draw(st.integers(1, width - col_off)),
        height=data.draw(st.integers(1, height - row_off)),
    )
    there = turn.in_file(window, width=width, height=height)
    cut = pixels[there.row_off : there.row_off + there.height, there.col_off : there.col_off + there.width]
    np.testing.assert_array_equal(
        turn.seen(cut), seen[row_off : row_off + window.height, col_off : col_off + window.width]
    )


# ---- place


def gcps() -> tuple[GroundControlPoint, ...]:
    return tuple(
        GroundControlPoint(col, row, x=13 + col / 9e4 - row / 5e5, y=52 - row / 1e5 + col / 8e5)
        for col in (0, 60, WIDTH)
        for row in (0, 40, HEIGHT)
    )


RPCS = {
    "HEIGHT_OFF": "50", "HEIGHT_SCALE": "500", "LAT_OFF": "52", "LAT_SCALE": "0.01", "LONG_OFF": "13",
    "LONG_SCALE": "0.02", "LINE_OFF": "51", "LINE_SCALE": "60", "SAMP_OFF": "77", "SAMP_SCALE": "80",
    "LINE_NUM_COEFF": " ".join(map(str, [0.01, 0.1, -1.0, *[0] * 17])),
    "SAMP_NUM_COEFF": " ".join(map(str, [0.02, 1.0, 0.2, *[0] * 17])),
    "LINE_DEN_COEFF": " ".join(map(str, [1.0, *[0] * 19])),
    "SAMP_DEN_COEFF": " ".join(map(str, [1.0, *[0] * 19])),
}  # fmt: skip

PLACES = {
    "affine": Georeference(Georeferencing.AFFINE, crs="EPSG:32633", transform=(1.5, 0.4, 5e5, 0.3, -2, 5e6)),
    "gcps": Georeference(Georeferencing.GCPS, gcps=gcps(), gcps_crs="EPSG:4326"),
    "rpcs": Georeference(Georeferencing.RPCS, rpcs=tuple(sorted(RPCS.items()))),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("by", PLACES)
def test_a_turned_pixel_is_at_the_same_place_on_the_ground(by: str, orientation: int):
    facts = RasterFacts("JPEG", WIDTH, HEIGHT, ("uint8",), ("gray",), (None,), georeference=PLACES[by])
    seen = turned_facts(replace(facts, orientation=orientation))
    turn = Turn.by_exif(orientation)
    cols, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    seen_cols, seen_rows = turn.seen(cols), turn.seen(rows)
    assert (seen.height, seen.width) == seen_cols.shape
    transform = GdalGroundTransform()
    here, there = find_ground(facts, transform), find_ground(seen, transform)
    middles = [(0, 0), (seen.height // 3, seen.width // 2), (seen.height - 1, seen.width - 1)]
    at = tuple(np.array(middles).T)
    lons, lats = there.to_lonlat(cols=at[1] + 0.5, rows=at[0] + 0.5)
    expected = here.to_lonlat(cols=seen_cols[at] + 0.5, rows=seen_rows[at] + 0.5)
    np.testing.assert_allclose((lons, lats), expected, atol=2e-9)
