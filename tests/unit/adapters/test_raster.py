import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rasterio.control import GroundControlPoint as GdalPoint
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.rpc import RPC
from rasterio.windows import Window as GdalWindow

from batch_job.adapters import gdal_thread, ranges, raster_parts, raster_place
from batch_job.adapters.ranges import (
    BLOCK_BYTES,
    FIRST_BLOCKS_AHEAD,
    LocalFiles,
    ObjectsInMemory,
    Portion,
    RangedObject,
)
from batch_job.adapters.raster import RasterOpener
from batch_job.errors import (
    AccessError,
    BackfillError,
    ChangedError,
    TooLargeError,
    UnavailableError,
    UnreadableImageError,
    UnsupportedImageError,
)
from batch_job.imagery.bands import Colours, choose_bands
from batch_job.imagery.encode import is_blank
from batch_job.imagery.picture import open_picture
from batch_job.imagery.stretch import declared_limits, to_rgb
from batch_job.ports import RasterSource
from batch_job.settings import Stretch
from batch_job.values.image import LOCAL_FILES, ImageRef
from batch_job.values.place import Georeference, Georeferencing, LonLat
from batch_job.values.raster import Pixels
from batch_job.values.spaces import Window

REAL = Path(__file__).parents[4] / "shared" / "imagery"
REAL_FILES = sorted(path.name for path in REAL.glob("*.*") if path.suffix != ".md")
IMAGE = ImageRef("bucket", "folder/key.tif")
NORTH_UP = rasterio.Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 4_000_000.0)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def noise(bands: int = 3, height: int = 300, width: int = 400, dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(9).integers(1, 127, (bands, height, width)).astype(dtype)


def tiff(pixels: NDArray[Any], *, mask: NDArray[Any] | None = None, rpcs: RPC | None = None, **profile: Any) -> bytes:
    bands, height, width = pixels.shape
    facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    georeferenced = {"crs": "EPSG:32618", "transform": NORTH_UP}
    with MemoryFile() as file, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with file.open(**{**facts, **georeferenced, **profile}) as made:
            made.write(pixels)
            if mask is not None:
                made.write_mask(mask)
            if rpcs is not None:
                made.rpcs = rpcs
        return file.read()


def pillow(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def picture(mode: str = "RGB", *, size: tuple[int, int] = (400, 300)) -> Image.Image:
    made = Image.fromarray(np.ascontiguousarray(noise(height=size[1], width=size[0]).transpose(1, 2, 0)))
    return made.convert(mode)


@contextmanager
def opened(body: bytes, image: ImageRef = IMAGE) -> Iterator[RasterSource]:
    with RasterOpener(ObjectsInMemory({image: body}))(image, etag=None) as source:
        yield source


def all_bands(source: RasterSource) -> list[int]:
    return list(range(1, source.facts.bands + 1))


def whole(source: RasterSource) -> Pixels:
    full = Window(col_off=0, row_off=0, width=source.facts.width, height=source.facts.height)
    [(_, pixels)] = source.read_windows([full], bands=all_bands(source))
    return pixels


def read_all(body: bytes) -> Pixels:
    with opened(body) as source:
        return whole(source)


# ---- the oracle: rasterio itself


@pytest.mark.skipif(not REAL_FILES, reason="the folder of real images is not here")
@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_file_reads_as_rasterio_reads_it(name: str):
    image = ImageRef(LOCAL_FILES, str(REAL / name))
    with RasterOpener(ObjectsInMemory({}))(image, etag=None) as ours, rasterio.open(image.key) as theirs:
        facts, place = ours.facts, ours.facts.georeference
        assert (facts.width, facts.height, facts.dtypes) == (theirs.width, theirs.height, theirs.dtypes)
        assert facts.nodata == theirs.nodatavals
        pixels = whole(ours)
        np.testing.assert_array_equal(pixels.bands, theirs.read())
        np.testing.assert_array_equal(pixels.valid, theirs.dataset_mask() > 0)
        points, crs = theirs.gcps
        if theirs.crs:
            assert (place.by, place.transform) == (Georeferencing.AFFINE, tuple(theirs.transform)[:6])
            assert CRS.from_user_input(place.crs) == theirs.crs
        elif points:
            assert (place.by, len(place.gcps)) == (Georeferencing.GCPS, len(points))
            assert [(p.col, p.row, p.x, p.y, p.z) for p in place.gcps] == [
                (p.col, p.row, p.x, p.y, p.z) for p in points
            ]
            assert CRS.from_user_input(place.gcps_crs) == crs
        else:
            # kept without a CRS, which a file beside it may have
            transform = None if theirs.transform.is_identity else tuple(theirs.transform)[:6]
            assert place == Georeference(transform=transform)


LAYOUTS = {
    "strips": tiff(noise()),
    "blocks": tiff(noise(), tiled=True, blockxsize=64, blockysize=64, compress="deflate"),
    "bands apart": tiff(noise(dtype="uint16"), interleave="band", compress="lzw"),
    "float with nodata": tiff(noise(dtype="float32"), nodata=5.0),
    "png": pillow(picture(), "PNG"),
    "jpeg": pillow(picture(), "JPEG"),
    "jpeg 2000": pillow(picture(), "JPEG2000"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_windows_in_any_order_read_as_rasterio_reads_them(layout: str, data: st.DataObject):
    def window() -> Window:
        col_off, row_off = data.draw(st.integers(0, 399)), data.draw(st.sampled_from([0, 0, 17, 299]))
        width = data.draw(st.integers(1, 400 - col_off))
        return Window(col_off=col_off, row_off=row_off, width=width, height=min(80, 300 - row_off))

    wanted = [window() for _ in range(data.draw(st.integers(1, 6)))]
    bands = data.draw(st.sampled_from([[1, 2, 3], [3, 1], [2]]))
    with MemoryFile(LAYOUTS[layout]) as file, file.open() as theirs, opened(LAYOUTS[layout]) as ours:
        read = list(ours.read_windows(wanted, bands=bands))
        assert [w for w, _ in read] == wanted
        for w, pixels in read:
            there = GdalWindow(w.col_off, w.row_off, w.width, w.height)
            np.testing.assert_array_equal(pixels.bands, theirs.read(bands, window=there))
            expected = theirs.read_masks(bands, window=there).any(axis=0)
            np.testing.assert_array_equal(pixels.valid, expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_jpeg_2000_in_parts_reads_as_rasterio_reads_it(mode: str):
    shown = picture("L") if mode == "I;16" else picture(mode)
    body = pillow(Image.fromarray(np.asarray(shown).astype(np.uint16) * 9) if mode == "I;16" else shown, "JPEG2000",
                  tile_size=(128, 128))  # fmt: skip
    with MemoryFile(body) as file, file.open() as theirs:
        np.testing.assert_array_equal(read_all(body).bands, theirs.read())


def test_pixels_cannot_be_written_into_since_chips_share_them():
    with pytest.raises(ValueError, match="read-only"):
        read_all(LAYOUTS["strips"]).bands[0, 0, 0] = 1


@pytest.mark.parametrize(("max_px", "size"), [(100, (75, 100)), (400, (300, 400)), (9999, (300, 400)), (1, (1, 1))])
def test_an_overview_is_the_whole_image_within_the_size(max_px: int, size: tuple[int, int]):
    with opened(LAYOUTS["blocks"]) as source:
        overview = source.read_overview(bands=[3, 1], max_px=max_px)
    assert overview.bands.shape == (2, *size)
    assert overview.valid.shape == size


@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 700), max_px=st.integers(1, 300))
def test_no_side_of_an_overview_is_over_the_size(width: int, height: int, max_px: int):
    with opened(tiff(np.ones((1, height, width), np.uint8))) as source:
        overview = source.read_overview(bands=[1], max_px=max_px)
    assert max(overview.bands.shape[1:]) == min(max_px, max(width, height))


# ---- how much is read


@dataclass
class Counting:
    """Files of this machine, and how many bytes of them were asked for."""

    n_bytes: int = 0

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        portion = LocalFiles().read_range(image, etag=etag, start=start, length=length)
        self.n_bytes += len(portion.body)
        return portion


SIDE_PX = 6144
"""226 MB in three bands of 16 bits, more than GDAL's cache holds."""


@contextmanager
def large(folder: Path, **profile: Any) -> Iterator[tuple[RasterSource, Counting]]:
    """A file of zeros, open, and the count of bytes that reading it takes from now on."""
    path, reader = folder / "large.tif", Counting()
    facts = {"driver": "GTiff", "width": SIDE_PX, "height": SIDE_PX, "count": 3, "dtype": "uint16"}
    with rasterio.open(path, "w", **{**facts, **profile}):
        pass
    opener = RasterOpener(ObjectsInMemory({}), files=reader)
    with opener(ImageRef(LOCAL_FILES, str(path)), etag=None) as source:
        reader.n_bytes = 0
        yield source, reader
    path.unlink()


BLOCKS = {"tiled": True, "blockxsize": 512, "blockysize": 512}


@pytest.mark.parametrize(
    ("profile", "block_bytes"),
    [
        ({**BLOCKS, "interleave": "pixel"}, 512 * 512 * 6),
        ({**BLOCKS, "interleave": "band"}, 512 * 512 * 6),
        ({"interleave": "pixel", "blockysize": 16}, SIDE_PX * 16 * 6),
    ],
    ids=["blocks", "blocks of one band", "strips"],
)
def test_the_stretch_is_measured_on_few_blocks_of_a_large_image(profile, block_bytes: int, tmp_path: Path):
    with large(tmp_path, **profile) as (source, reader):
        open_picture(source, stretch=Stretch.JOINT)
    assert 0 < reader.n_bytes <= 1.2 * 64 * block_bytes < SIDE_PX**2 * 6 * 0.6


def test_even_thin_strips_bring_little_else(tmp_path: Path):
    with large(tmp_path, interleave="pixel", blockysize=1) as (source, reader):
        source.read_sample(bands=[1, 2, 3], max_px=1024)
    assert 0 < reader.n_bytes <= 64 * (SIDE_PX * 6 + 2 * BLOCK_BYTES)


def test_a_small_copy_in_the_file_is_all_that_the_stretch_needs(tmp_path: Path):
    body = tiff(noise(height=3000, width=4000, dtype="uint16"), tiled=True, blockxsize=256, blockysize=256)
    (tmp_path / "x.tif").write_bytes(body)
    with rasterio.open(tmp_path / "x.tif", "r+") as made:
        made.build_overviews([2, 4])
    reader = Counting()
    with RasterOpener(ObjectsInMemory({}), files=reader)(ImageRef(LOCAL_FILES, f"{tmp_path}/x.tif"), etag=None) as it:
        sample = it.read_sample(bands=[1, 2, 3], max_px=1024)
    assert sample.bands.shape == (3, 768, 1024)
    assert reader.n_bytes < len(body) / 8


@pytest.mark.parametrize("profile", [BLOCKS, {}], ids=["blocks", "strips"])
def test_an_overview_takes_every_byte_once_for_all_bands(profile, tmp_path: Path):
    with large(tmp_path, interleave="pixel", **profile) as (source, reader):
        assert source.read_overview(bands=[1, 2, 3], max_px=2000).bands.shape == (3, 2000, 2000)
    assert 0 < reader.n_bytes <= 1.05 * SIDE_PX**2 * 6


@pytest.mark.parametrize("profile", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}], ids=["strips", "blocks"])
@pytest.mark.parametrize("part_bytes", [1, 10_000, 10**6])
def test_an_overview_shows_everything_at_its_place(profile, part_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raster_parts, "PART_BYTES", part_bytes)
    rows, cols = np.mgrid[:600, :800].astype(np.uint16)
    with opened(tiff(np.stack([cols, rows]), **profile)) as source:
        overview = source.read_overview(bands=[1, 2], max_px=100).bands.astype(int)
    expected_rows, expected_cols = np.mgrid[:75, :100] * 8 + 4
    assert np.abs(overview[0] - expected_cols).max() <= 8
    assert np.abs(overview[1] - expected_rows).max() <= 8


def test_a_sample_has_the_percentiles_of_the_image():
    rows, cols = np.mgrid[:2500, :3000]
    body = tiff((rows + cols).astype(np.uint16)[None], tiled=True, blockxsize=128, blockysize=128)
    with opened(body) as source:
        sample = source.read_sample(bands=[1], max_px=500)
    assert sample.bands.shape == (1, *sample.valid.shape)
    assert 0.9 * 500**2 < sample.valid.size < 1.2 * 500**2
    found, expected = (np.percentile(values, [2, 50, 98]) for values in (sample.bands, rows + cols))
    np.testing.assert_allclose(found, expected, atol=100)


@pytest.mark.parametrize("mode", ["nodata", "mask"])
def test_an_image_of_almost_only_nodata_is_looked_at_more_closely(mode: str):
    pixels, mask = np.zeros((1, 2560, 2560), np.uint16), np.zeros((2560, 2560), np.uint8)
    pixels[0, 64:128, 64:128], mask[64:128, 64:128] = 1234, 255
    said = {"nodata": 0} if mode == "nodata" else {"mask": mask}
    body = tiff(pixels, tiled=True, blockxsize=64, blockysize=64, compress="deflate", **said)
    with opened(body) as source:
        sample = source.read_sample(bands=[1], max_px=1024)
    assert sample.bands[0][sample.valid].tolist() == [1234] * int(sample.valid.sum())
    assert sample.valid.any()


def test_an_empty_image_is_looked_at_and_left():
    with opened(tiff(np.zeros((1, 2560, 2560), np.uint16), nodata=0, compress="deflate")) as source:
        assert not source.read_sample(bands=[1], max_px=1024).valid.any()


# ---- what is picture and what is not


def test_alpha_says_what_is_picture():
    pixels = noise(4)
    pixels[3] = 255
    pixels[3, :, :100] = 0
    with opened(tiff(pixels, photometric="rgb", alpha="yes")) as source:
        assert source.facts.color_interp == ("red", "green", "blue", "alpha")
        [(_, read)] = source.read_windows([Window(col_off=50, row_off=0, width=100, height=10)], bands=[1, 2, 3])
    assert read.bands.shape[0] == 3
    assert read.valid.sum(axis=1).tolist() == [50] * 10


def test_nodata_in_every_band_is_no_picture_in_one_band_it_is():
    pixels = noise()
    pixels[:, 0, :] = 0
    pixels[0, 1, :] = 0
    valid = read_all(tiff(pixels, nodata=0)).valid
    assert not valid[0].any()
    assert valid[1:].all()


def test_what_is_no_number_is_no_picture_with_or_without_nodata():
    for nodata in (None, float("nan"), -9999.0):
        pixels = noise(1, dtype="float32")
        pixels[0, :3] = np.nan
        pixels[0, 3] = -9999.0
        valid = read_all(tiff(pixels, nodata=nodata)).valid
        assert not valid[:3].any()
        assert valid[3].any() == (nodata != -9999.0)
        assert valid[4:].all()


def test_a_mask_inside_the_file_says_what_is_picture():
    mask = np.full((300, 400), 255, np.uint8)
    mask[:, 200:] = 0
    valid = read_all(tiff(noise(), mask=mask)).valid
    assert valid[:, :200].all()
    assert not valid[:, 200:].any()


def test_an_overview_knows_the_mask_too():
    mask = np.zeros((300, 400), np.uint8)
    mask[:, 200:] = 1
    with opened(tiff(noise(), mask=mask * 255)) as source:
        assert source.read_overview(bands=[1], max_px=40).valid.mean() == pytest.approx(0.5, abs=0.05)


def palette_png(opacities: bytes) -> bytes:
    """Stripes of colours 0, 1, 2 and 3, opaque as said."""
    drawing = Image.fromarray(np.repeat(np.arange(4, dtype=np.uint8), 25)[None].repeat(100, axis=0), "P")
    drawing.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0])
    return pillow(drawing, "PNG", transparency=opacities)


def test_transparent_colours_of_a_table_are_no_picture():
    with opened(palette_png(bytes([0, 255, 0, 9]))) as source:
        assert choose_bands(source.facts).colours is Colours.PALETTE
        pixels = whole(source)
        overview = source.read_overview(bands=[1], max_px=4)
    assert pixels.valid[50, ::25].tolist() == [False, True, False, True]
    assert overview.valid[0].tolist() == [False, True, False, True]


def test_a_picture_in_transparent_colours_alone_is_blank():
    with opened(palette_png(bytes(4))) as source:
        picture = open_picture(source, stretch=Stretch.JOINT)
        [(_, rgb, valid)] = picture.read([Window(col_off=0, row_off=0, width=100, height=100)])
    assert is_blank(rgb, valid)


def test_a_table_of_opaque_colours_hides_nothing():
    assert read_all(pillow(picture("P"), "PNG")).valid.all()
    assert read_all(palette_png(bytes([255] * 4))).valid.all()


def test_all_nodata_is_read_and_blank():
    body = tiff(np.full((1, 100, 100), -32_768, np.int16), nodata=-32_768)
    pixels = read_all(body)
    assert not pixels.valid.any()
    assert is_blank(np.zeros((3, 100, 100), np.uint8), pixels.valid)


# ---- kinds of colour


def as_seen(body: bytes) -> NDArray[np.uint8]:
    with opened(body) as source:
        choice = choose_bands(source.facts)
        full = Window(col_off=0, row_off=0, width=source.facts.width, height=source.facts.height)
        [(_, pixels)] = source.read_windows([full], bands=choice.bands)
        return to_rgb(pixels, source.facts, choice, declared_limits(choice, source.facts))


@pytest.mark.parametrize(
    ("form", "options"),
    [("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("JPEG", {"quality": 95})],
    ids=["tiff", "lzw", "jpeg"],
)
def test_inks_look_as_pillow_shows_them(form: str, options: dict[str, Any]):
    printed = Image.new("RGB", (64, 64), (200, 40, 30)).convert("CMYK")
    expected = np.asarray(printed.convert("RGB"))[0, 0]
    seen = as_seen(pillow(printed, form, **options))[:, 30, 30]
    assert np.abs(seen.astype(int) - expected).max() <= 3


def test_deep_inks_are_converted_here():
    inks = np.zeros((4, 60, 60), np.uint16)
    inks[1:3] = 65_535
    assert as_seen(tiff(inks, photometric="cmyk"))[:, 5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_colour_table_is_looked_up(form: str):
    indexed = picture().quantize(16)
    np.testing.assert_array_equal(as_seen(pillow(indexed, form)), np.asarray(indexed.convert("RGB")).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "group4"})],
    ids=["png", "tiff", "fax"],
)
def test_one_bit_is_black_and_white(form: str, options: dict[str, Any]):
    drawing = picture("1")
    expected = np.asarray(drawing.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(as_seen(pillow(drawing, form, **options)), expected)


def test_twelve_bits_are_said():
    with opened(tiff(noise(dtype="uint16"), nbits=12)) as source:
        assert source.facts.bits == 12


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_numbers_are_refused(dtype: str):
    body = tiff(noise(1, dtype="complex64"), dtype=dtype)
    with opened(body) as source, pytest.raises(UnsupportedImageError, match="complex"):
        choose_bands(source.facts)


# ---- where and when


def georeference(body: bytes) -> Georeference:
    with opened(body) as source:
        return source.facts.georeference


def test_a_crs_with_a_code_is_its_code():
    place = georeference(tiff(noise()))
    assert (place.by, place.crs) == (Georeferencing.AFFINE, "EPSG:32618")
    assert place.transform == tuple(NORTH_UP)[:6]


@pytest.mark.parametrize(
    "crs",
    [
        "+proj=laea +lat_0=12 +lon_0=34 +datum=WGS84",
        "+proj=longlat +a=1737400 +b=1737400",
        "+proj=utm +zone=18 +ellps=intl +units=m",
    ],
)
def test_a_crs_without_a_code_is_its_wkt(crs: str):
    place = georeference(tiff(noise(), crs=crs))
    assert place.crs is not None
    assert not place.crs.startswith("EPSG:")
    assert CRS.from_wkt(place.crs).to_dict() == CRS.from_user_input(crs).to_dict()


def test_a_transform_alone_is_no_place_but_kept_for_what_lies_beside():
    assert georeference(tiff(noise(), crs=None)) == Georeference(transform=tuple(NORTH_UP)[:6])


def test_a_crs_alone_is_no_place_but_kept_for_what_lies_beside():
    assert georeference(tiff(noise(), transform=None)) == Georeference(crs="EPSG:32618")


def test_ground_control_points_are_a_place():
    points = [GdalPoint(row=0, col=0, x=10, y=50), GdalPoint(row=9, col=8, x=11, y=49, z=5)]
    place = georeference(tiff(noise(), transform=None, crs="EPSG:4326", gcps=points))
    assert (place.by, place.crs, place.gcps_crs) == (Georeferencing.GCPS, None, "EPSG:4326")
    assert [(p.col, p.row, p.x, p.y, p.z) for p in place.gcps] == [(0, 0, 10, 50, 0), (8, 9, 11, 49, 5)]


COEFFICIENTS = [1.0] + [0.0] * 19
RPCS = RPC(
    err_bias=1.0, err_rand=1.0, height_off=10, height_scale=100, lat_off=40, lat_scale=0.1,
    line_den_coeff=COEFFICIENTS, line_num_coeff=COEFFICIENTS, line_off=150, line_scale=150,
    long_off=-75, long_scale=0.1, samp_den_coeff=COEFFICIENTS, samp_num_coeff=COEFFICIENTS,
    samp_off=200, samp_scale=200,
)  # fmt: skip


def test_rational_polynomials_are_a_place():
    place = georeference(tiff(noise(), transform=None, crs=None, rpcs=RPCS))
    assert place.by is Georeferencing.RPCS
    assert float(dict(place.rpcs)["LAT_OFF"]) == 40
    assert list(place.rpcs) == sorted(place.rpcs)


def test_what_else_places_an_image_is_read_beside_the_best_way():
    place = georeference(tiff(noise(), crs='LOCAL_CS["a field",UNIT["metre",1]]', rpcs=RPCS))
    assert (place.by, place.transform) == (Georeferencing.AFFINE, tuple(NORTH_UP)[:6])
    assert float(dict(place.rpcs)["LAT_OFF"]) == 40


class SaysEverything:
    """What reading a header needs of a dataset; no format of ours can say all of it at once."""

    driver, crs, transform = "JPEG", CRS.from_epsg(32618), NORTH_UP
    gcps = ([GdalPoint(row=0, col=0, x=10, y=50)], CRS.from_epsg(4326))

    def tags(self, *, ns: str | None = None) -> dict[str, str]:
        if ns == "RPC":
            return {"LAT_OFF": "40"}
        return {
            "EXIF_GPSLongitude": "(7) (30) (0)",
            "EXIF_GPSLongitudeRef": "E",
            "EXIF_GPSLatitude": "(46) (0) (0)",
            "EXIF_GPSLatitudeRef": "N",
        }


def test_every_way_is_kept_and_the_most_exact_one_named():
    dataset = SaysEverything()
    place = raster_place.read_georeference(dataset, lambda _start, _length: b"")
    assert (place.by, place.crs, place.gcps_crs) == (Georeferencing.AFFINE, "EPSG:32618", "EPSG:4326")
    assert (place.rpcs, place.position) == ((("LAT_OFF", "40"),), LonLat(lon=7.5, lat=46.0))
    dataset.transform = rasterio.Affine.identity()
    less = raster_place.read_georeference(dataset, lambda _start, _length: b"")
    assert less == replace(place, by=Georeferencing.GCPS, transform=None)
    dataset.gcps = ([], None)
    least = raster_place.read_georeference(dataset, lambda _start, _length: b"")
    assert least == replace(less, by=Georeferencing.RPCS, gcps=(), gcps_crs=None)


def exif(
    *, latitude: tuple[float, ...] = (33.0, 51.0, 36.0), reference: str = "S", taken: str = "", zone: str = "+02:00"
) -> Image.Exif:
    facts = Image.Exif()
    facts.get_ifd(0x8825).update({1: reference, 2: latitude, 3: "W", 4: (151.0, 12.0, 30.0)})
    facts.get_ifd(0x8769).update({0x9003: taken, 0x9011: zone})
    return facts


def test_a_photographs_position_and_time_are_read():
    body = pillow(picture(), "JPEG", exif=exif(taken="2024:06:01 12:30:15"))
    with opened(body) as source:
        facts = source.facts
    assert facts.georeference.by is Georeferencing.EXIF
    position = facts.georeference.position
    assert position is not None
    assert (position.lon, position.lat) == (pytest.approx(-151.208333), pytest.approx(-33.86))
    assert facts.acquired == "2024-06-01T10:30:15Z"


@pytest.mark.parametrize("latitude", [(93.0, 0.0, 0.0), (1.0,)])
def test_an_impossible_position_is_no_place(latitude: tuple[float, ...]):
    assert georeference(pillow(picture(), "JPEG", exif=exif(latitude=latitude))) == Georeference()


@pytest.mark.parametrize(
    ("taken", "zone", "acquired"),
    [
        ("2018:07:16 06:06:23", "", "2018-07-16T06:06:23Z"),
        ("2018:07:16 06:06:23", "   :  ", "2018-07-16T06:06:23Z"),
        ("2018:07:16 00:06:23", "+05:30", "2018-07-15T18:36:23Z"),
        ("1900:01:01 00:00:00", "+14:00", "1899-12-31T10:00:00Z"),
        ("0000:00:00 00:00:00", "", None),
        ("0001:01:01 00:00:00", "+01:00", None),
        ("1899:12:31 23:59:59", "", None),
        ("9999:12:31 23:59:59", "-12:00", None),
        ("2101:01:01 00:00:00", "", None),
        ("yesterday", "", None),
    ],
)
def test_a_photographs_time_is_read_where_it_is_one(taken: str, zone: str, acquired: str | None):
    with opened(pillow(picture(), "JPEG", exif=exif(taken=taken, zone=zone))) as source:
        assert source.facts.acquired == acquired


def test_when_a_tiff_was_written_is_not_when_it_was_taken():
    with opened(pillow(picture(), "TIFF", tiffinfo={306: "2018:07:16 06:06:23"})) as source:
        assert source.facts.acquired is None


# ---- bad input


WHOLE = {
    "jpeg": pillow(picture(), "JPEG"),
    "progressive jpeg": pillow(picture(), "JPEG", progressive=True),
    "png": pillow(picture(), "PNG"),
    "interlaced palette png": pillow(picture("P"), "PNG"),
    "tiff": tiff(noise()),
    "deflate tiff": tiff(noise(), compress="deflate"),
    "jpeg tiff": tiff(noise(), tiled=True, blockxsize=128, blockysize=128, compress="jpeg", photometric="ycbcr"),
    "jpeg 2000": pillow(picture(), "JPEG2000"),
    "jpeg 2000 in parts": pillow(picture(), "JPEG2000", tile_size=(128, 128)),
}


@pytest.mark.parametrize("part", [0.999, 0.95, 0.5, 0.1])
@pytest.mark.parametrize("form", WHOLE)
def test_a_truncated_file_is_an_error_not_a_black_picture(form: str, part: float):
    assert read_all(WHOLE[form]).valid.all()
    with pytest.raises(UnreadableImageError, match=r"s3://bucket/folder/key\.tif: "):
        read_all(WHOLE[form][: int(len(WHOLE[form]) * part)])


@pytest.mark.parametrize("length", [1, 4, 8, 20, 60])
@pytest.mark.parametrize("form", WHOLE)
def test_a_file_of_a_few_bytes_is_unreadable(form: str, length: int):
    with pytest.raises((UnreadableImageError, UnsupportedImageError)):
        read_all(WHOLE[form][:length])


@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from(sorted(WHOLE)), damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1)), max_size=5)
)
def test_damage_anywhere_is_our_error_or_a_picture(form: str, damage: list[tuple[float, bytes]]):
    body = bytearray(WHOLE[form])
    for place, garbage in damage:
        at = int(place * (len(body) - 1))
        body[at : at + len(garbage)] = garbage
    try:
        with opened(bytes(body)) as source:
            source.read_overview(bands=[1], max_px=64)
            if source.facts.width * source.facts.height < 10**6:
                whole(source)
    except (UnreadableImageError, UnsupportedImageError, TooLargeError):
        pass


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b"", UnreadableImageError, "no byte at 0|is empty"),
        (b"<!doctype html><html><body>404</body></html>", UnreadableImageError, "begins with b'<!doctype html>"),
        (b"hello", UnreadableImageError, "no image that we read"),
        (b"GIF89a" + bytes(100), UnsupportedImageError, "GIF is not read"),
        (pillow(picture(), "BMP"), UnsupportedImageError, "BMP is not read"),
        (b"%PDF-1.7", UnsupportedImageError, "PDF is not read"),
    ],
)
def test_what_is_no_image_of_ours_is_named(body: bytes, error: type[BackfillError], says: str):
    with pytest.raises(error, match=says), opened(body):
        pass


@pytest.mark.parametrize("start", ["", "\ufeff", "\n  "])
@pytest.mark.parametrize("source", ["{folder}/secret.tif", "/vsicurl/http://127.0.0.1:9/x.tif"])
def test_a_vrt_is_refused_by_name_and_what_it_points_at_is_not_read(source: str, start: str, tmp_path: Path):
    (tmp_path / "secret.tif").write_bytes(tiff(noise(1)))
    text = f"""{start}<VRTDataset rasterXSize="400" rasterYSize="300"><VRTRasterBand dataType="Byte" band="1">
      <SimpleSource><SourceFilename>{source.format(folder=tmp_path)}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
      </VRTRasterBand></VRTDataset>"""
    for image in (IMAGE, ImageRef("bucket", "x.vrt")):
        with pytest.raises(UnsupportedImageError, match="VRT is not read"), opened(text.encode(), image):
            pass


@pytest.mark.parametrize("key", ["/vsicurl/http://127.0.0.1:9/x.tif", "/vsimem/x.tif", "GTIFF_DIR:1:/x.tif"])
def test_gdals_own_names_are_just_files_that_are_not_there(key: str):
    with (
        pytest.raises(UnreadableImageError, match="No such file"),
        RasterOpener(ObjectsInMemory({}))(ImageRef(LOCAL_FILES, key), etag=None),
    ):
        pass


@pytest.mark.parametrize("name", ["a b+c%20é#?!.tif", "no extension", "wrong.jpg", "x" * 200 + ".tif"])
def test_a_file_is_opened_by_what_is_in_it_whatever_its_name(name: str, tmp_path: Path):
    for body, driver in ((WHOLE["png"], "PNG"), (WHOLE["jpeg"], "JPEG"), (WHOLE["tiff"], "GTiff")):
        (tmp_path / name).write_bytes(body)
        with RasterOpener(ObjectsInMemory({}))(ImageRef(LOCAL_FILES, str(tmp_path / name)), etag=None) as source:
            assert source.facts.driver == driver


def test_side_files_are_not_read(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(WHOLE["png"])
    (tmp_path / "a.pgw").write_text("1\n0\n0\n-1\n0\n0\n")
    (tmp_path / "a.png.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    with RasterOpener(ObjectsInMemory({}))(ImageRef(LOCAL_FILES, str(tmp_path / "a.png")), etag=None) as source:
        assert source.facts.georeference == Georeference()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pgw", "a.png", "a.png.aux.xml"]


def test_bigtiff_is_tiff():
    body = tiff(noise(), BIGTIFF="YES")
    assert body[:4] == b"II+\0"
    np.testing.assert_array_equal(read_all(body).bands, noise())


@pytest.mark.parametrize("size", [(1, 1), (10, 15), (79, 81)])
def test_tiny_images_are_read(size: tuple[int, int]):
    for form in ("PNG", "JPEG", "TIFF"):
        assert read_all(pillow(picture(size=size), form)).valid.shape == (size[1], size[0])


# ---- bombs


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; its pixels would be one colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose header claims a size."""
    body = bytearray(pillow(picture(), "JPEG"))
    at = body.index(b"\xff\xc0")
    body[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(body)


@pytest.mark.parametrize("body", [png_of(30_000, 30_000), jpeg_of(30_000, 30_000)], ids=["png", "jpeg"])
def test_a_picture_of_900_million_pixels_in_one_piece_is_refused_by_its_header(body: bytes):
    with pytest.raises(TooLargeError, match=r"key\.tif: 30000 x 30000 px in one piece; of (PNG|JPEG)"), opened(body):
        pass


def test_a_large_jpeg_2000_is_refused_only_when_it_is_in_one_piece():
    def claiming(body: bytes) -> bytes:
        at = body.index(b"\xff\x4f\xff\x51")
        ihdr = body.index(b"ihdr")
        grown = bytearray(body)
        grown[at + 8 : at + 16] = struct.pack(">II", 30_000, 30_000)
        grown[ihdr + 4 : ihdr + 12] = struct.pack(">II", 30_000, 30_000)
        if body[at + 24 : at + 32] == struct.pack(">II", 400, 300):
            grown[at + 24 : at + 32] = struct.pack(">II", 30_000, 30_000)
        return bytes(grown)

    with pytest.raises(TooLargeError, match="in one piece"), opened(claiming(pillow(picture(), "JPEG2000"))):
        pass
    with opened(claiming(pillow(picture(), "JPEG2000", tile_size=(256, 256)))) as source:
        assert source.facts.width == 30_000


def test_a_one_colour_tiff_of_900_million_pixels_is_opened_and_read_in_parts():
    with MemoryFile() as file:
        profile = {
            "driver": "GTiff",
            "width": 30_000,
            "height": 30_000,
            "count": 3,
            "dtype": "uint8",
            "sparse_ok": True,
        }
        with file.open(**profile, tiled=True, compress="deflate"):
            pass
        body = file.read()
    assert len(body) < 2_000_000
    corner = Window(col_off=28_976, row_off=28_976, width=1024, height=1024)
    with opened(body) as source:
        [(_, pixels)] = source.read_windows([corner], bands=[1, 2, 3])
    assert is_blank(pixels.bands, pixels.valid)


def sparse(width: int, height: int) -> bytes:
    profile = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "compress": "deflate", "sparse_ok": True}
    with MemoryFile() as file:
        with file.open(driver="GTiff", width=width, height=height, count=1, dtype="uint8", **profile):
            pass
        return file.read()


@pytest.mark.parametrize(
    ("width", "height"), [(1_000_000, 1_000_000), (250_000, 250_001), (1_000_001, 1), (1, 1_000_001)]
)
def test_more_pixels_than_anybody_would_look_at_are_refused_by_the_header(width: int, height: int):
    with (
        pytest.raises(TooLargeError, match=f"{width} x {height} px; at most 62,500 million"),
        opened(sparse(width, height)),
    ):
        pass


@pytest.mark.parametrize(("width", "height"), [(250_000, 250_000), (1_000_000, 62_500)])
def test_the_largest_image_is_opened(width: int, height: int):
    with opened(sparse(width, height)) as source:
        assert (source.facts.width, source.facts.height) == (width, height)


def test_a_tiff_of_one_huge_block_is_refused_by_its_header():
    profile = {"tiled": True, "blockxsize": 16_384, "blockysize": 16_384, "compress": "deflate", "sparse_ok": True}
    with MemoryFile() as file:
        with file.open(driver="GTiff", width=20_000, height=20_000, count=3, dtype="uint8", **profile):
            pass
        body = file.read()
    with pytest.raises(TooLargeError, match="a block of 16384 x 16384 px needs 805306368 bytes"), opened(body):
        pass


def test_an_absurd_number_of_bands_is_refused():
    with pytest.raises(TooLargeError, match="2000 bands"), opened(tiff(np.zeros((2000, 2, 2), np.uint8))):
        pass


# ---- the store below


class Failing:
    """A store that fails from a given request on."""

    def __init__(self, body: bytes, error: Exception, *, after: int) -> None:
        self.store = ObjectsInMemory({IMAGE: body})
        self.error, self.left = error, after

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.store.read_range(image, etag=etag, start=start, length=length)


LARGE = {
    "tiff": tiff(noise(height=1500, width=2000), compress="deflate"),
    "jpeg": pillow(picture(size=(2500, 2000)), "JPEG", quality=95),
    "png": pillow(picture(size=(1500, 1000)), "PNG"),
}


@pytest.mark.parametrize("error", [ChangedError("412"), AccessError("403"), UnavailableError("503")], ids=repr)
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("form", LARGE)
def test_what_fails_below_gdal_is_raised_as_it_is(
    form: str, after: int, error: BackfillError, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ranges, "SMALL_BYTES", 0)
    assert len(LARGE[form]) > 3 * FIRST_BLOCKS_AHEAD * BLOCK_BYTES
    opener = RasterOpener(Failing(LARGE[form], error, after=after))
    with pytest.raises(type(error)) as raised, opener(IMAGE, etag=None) as source:
        whole(source)
    assert raised.value is error


def test_a_failure_that_gdal_takes_for_the_end_of_the_file_is_raised_too():
    error = UnavailableError("503")
    file = RangedObject(Failing(b"x", error, after=0), IMAGE, etag=None)
    with pytest.raises(UnavailableError) as raised, gdal_thread.as_ours(IMAGE, file):
        assert file.open().read(10) == b""
    assert raised.value is error


def test_a_replaced_object_is_noticed_in_the_middle():
    store = ObjectsInMemory({IMAGE: LARGE["tiff"]})
    top, end = (Window(col_off=0, row_off=row, width=10, height=10) for row in (0, 700))
    with RasterOpener(store)(IMAGE, etag=None) as source, pytest.raises(ChangedError):
        for window, _ in source.read_windows([top, end], bands=[1]):
            assert window == top
            store.bodies[IMAGE] = LARGE["tiff"] + b"x"


def test_the_version_asked_for_is_the_version_read():
    with pytest.raises(ChangedError), RasterOpener(ObjectsInMemory({IMAGE: WHOLE["tiff"]}))(IMAGE, etag="other"):
        pass


def test_an_image_is_read_in_few_requests():
    with opened(LARGE["tiff"]) as source:
        whole(source)
        assert source.file.requests <= 6


def test_images_are_open_in_many_threads_at_once():
    bodies = {ImageRef("b", name): body for name, body in WHOLE.items()}
    expected = {image: read_all(body).bands.sum() for image, body in bodies.items()}
    opener, wrong = RasterOpener(ObjectsInMemory(bodies)), []

    def work() -> None:
        for image in list(bodies) * 3:
            with opener(image, etag=None) as source:
                if whole(source).bands.sum() != expected[image]:
                    wrong.append(image)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_image_without_a_place_warns_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_all(WHOLE["png"])


def test_two_images_are_open_in_one_thread():
    with opened(WHOLE["png"]) as one, opened(WHOLE["jpeg"]) as other:
        assert whole(one).bands.shape == whole(other).bands.shape
        assert (one.facts.driver, other.facts.driver) == ("PNG", "JPEG")
