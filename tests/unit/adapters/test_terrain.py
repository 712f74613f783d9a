"""RPCs on a DEM: a camera whose pixels are known by formula, over ground that is known by formula."""

import hashlib
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from batch_job.adapters import raster_limits
from batch_job.adapters import terrain as terrain_module
from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.ranges import LocalFiles, ObjectsInMemory, Portion
from batch_job.adapters.terrain import Terrain
from batch_job.errors import SettingsError, UnavailableError
from batch_job.place.footprints import place_features, place_image
from batch_job.values.image import ImageRef
from batch_job.values.place import Georeference, Georeferencing
from batch_job.values.raster import RasterFacts
from tests.unit.adapters.test_gdal_transform import COLS, ROWS, rpcs
from tests.unit.place.rasters import affine, boat, raster

Place = Callable[[Any, Any], Any]

LON, LAT, HEIGHT = 10.0, 45.0, 350.0
"""What the camera of ``rpcs()`` is centred on."""
INSIDE = COLS * 0.98 + 10, ROWS * 0.98 + 8
"""Pixels whose rays meet the ground well within the DEM."""


def seen_at(lon, lat, height, *, center: float = LON):
    """The camera, as its coefficients say: columns and rows of places on Earth."""
    east, north, up = (lon - center) / 0.2, (lat - LAT) / 0.1, (height - HEIGHT) / 500
    return 500 + 500 * (east + 0.1 * north + 0.2 * up) + 0.5, 400 + 400 * (0.05 * east - north + 0.3 * up) + 0.5


def slope(lon, lat):
    """A plane that rises by a kilometre over the image: for it the camera has an exact inverse."""
    return 600 + 2000 * (lon - LON) - 1500 * (lat - LAT)


def on_slope(cols, rows):
    """Where the ray of a pixel meets the slope: three linear equations."""
    camera = [[1, 0.1, 0.2], [0.05, -1, 0.3], [2000 * 0.2, -1500 * 0.1, -500]]
    right = np.stack([(cols - 0.5 - 500) / 500, (rows - 0.5 - 400) / 400, np.full(cols.shape, HEIGHT - 600)])
    east, north, _ = np.linalg.solve(camera, right)
    return LON + 0.2 * east, LAT + 0.1 * north


def hills(lon, lat):
    return 400 + 300 * np.sin((lon - LON) * 40) * np.cos((lat - LAT) * 60)


def dem(
    height: Place,
    *,
    crs: str | None = "EPSG:4326",
    center: float = LON,
    step: float = 0.001,
    transform: Affine | None = None,
    side: int = 900,
    dtype: str = "float32",
    encode: Callable[[np.ndarray], np.ndarray] = lambda heights: heights,
    **profile: Any,
) -> bytes:
    """A GeoTIFF of heights; in degrees unless a transform and a CRS are given."""
    transform = transform or Affine(step, 0, center - side * step / 2, 0, -step, LAT + side * step / 2)
    cols, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    xs, ys = transform @ (cols, rows)
    heights = encode(height(xs, ys)).astype(dtype)
    options = {"tiled": True, "blockxsize": 256, "blockysize": 256, "nodata": -9999.0} | profile
    scales, unit = options.pop("scales", None), options.pop("unit", None)
    with MemoryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with file.open(
            driver="GTiff", width=side, height=side, count=1, dtype=dtype, crs=crs, transform=transform, **options
        ) as written:
            written.write(heights, 1)
            if scales:
                written.scales, written.offsets = [scales[0]], [scales[1]]
            if unit:
                written.units = [unit]
        return file.read()


@dataclass
class Counted:
    """A store that counts what is read."""

    body: bytes
    read: list[int] = field(default_factory=list)

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        self.read.append(min(length, len(self.body) - start))
        return ObjectsInMemory({image: self.body}).read_range(image, etag=etag, start=start, length=length)


def over(body: bytes) -> GdalGroundTransform:
    return GdalGroundTransform(Terrain.of("s3://maps/dem.tif", Counted(body)))


def place(transform: GdalGroundTransform, said: Georeference | None = None, pixels=INSIDE):
    return transform.to_lonlat(said or rpcs(), cols=pixels[0], rows=pixels[1])


def off_px(placed, height: Place, pixels=INSIDE, *, center: float = LON) -> np.ndarray:
    lons, lats = placed
    cols, rows = seen_at(lons, lats, height(lons, lats), center=center)
    return np.hypot(cols - pixels[0], rows - pixels[1])


def test_on_a_slope_pixels_lie_where_their_rays_meet_it():
    placed, truth = place(over(dem(slope))), on_slope(*INSIDE)
    assert off_px(truth, slope).max() < 1e-6
    np.testing.assert_allclose(placed, truth, rtol=0, atol=1e-6)
    assert off_px(placed, slope).max() < 0.01
    flat = off_px(place(GdalGroundTransform()), slope)
    assert flat.max() > 100
    assert np.median(flat) > 30


def test_over_hills_pixels_lie_within_a_tenth_where_one_height_is_tens_of_pixels_off():
    assert off_px(place(over(dem(hills))), hills).max() < 0.1
    assert np.median(off_px(place(GdalGroundTransform()), hills)) > 20


def test_pixels_lie_where_gdal_has_them_that_reads_the_whole_dem(tmp_path: Path):
    path = tmp_path / "dem.tif"
    path.write_bytes(dem(hills))
    options = {"RPC_DEM": str(path), "RPC_PIXEL_ERROR_THRESHOLD": 0.001, "RPC_MAX_ITERATIONS": 200}
    with rasterio.Env(), RPCTransformer(RPC.from_gdal(dict(rpcs().rpcs)), **options) as gdal:
        expected = gdal.xy(INSIDE[1], INSIDE[0], zs=np.zeros(INSIDE[0].shape), offset="ul")
    np.testing.assert_allclose(place(over(dem(hills))), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3857", "EPSG:3035"])
def test_a_dem_may_be_in_any_crs(crs: str):
    to_dem = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = to_dem.transform(LON, LAT)

    def height(xs, ys):
        return hills(*to_dem.transform(xs, ys, direction="INVERSE"))

    body = dem(height, crs=crs, transform=Affine(100, 0, x - 48_000, 0, -100, y + 48_000), side=960)
    assert off_px(place(over(body)), hills).max() < 0.2


@pytest.mark.parametrize(("camera", "dem_center"), [(180.0, 180.0), (-180.0, 180.0), (-45.0, 315.0), (315.0, -45.0)])
def test_a_dem_may_count_its_longitudes_from_elsewhere(camera: float, dem_center: float):
    body = dem(lambda lon, lat: hills(lon - dem_center + LON, lat), center=dem_center)
    placed = place(over(body), rpcs(LONG_OFF=str(camera)))
    assert off_px(placed, lambda lon, lat: hills(lon - camera + LON, lat), center=camera).max() < 0.1


def test_whole_numbers_with_a_scale_are_heights():
    body = dem(hills, dtype="int16", encode=lambda heights: np.round((heights - 100) / 0.1), scales=(0.1, 100.0))
    assert off_px(place(over(body)), hills).max() < 0.1


def test_where_the_dem_has_no_height_the_ground_is_as_high_as_without_one():
    body = dem(lambda lon, _lat: np.where(lon > LON, -9999.0, 600.0))
    placed, flat = place(over(body)), place(GdalGroundTransform())
    east = flat[0] > LON + 0.05
    np.testing.assert_allclose(np.array(placed)[:, east], np.array(flat)[:, east], rtol=0, atol=1e-9)
    west = flat[0] < LON - 0.1
    assert off_px(placed, lambda lon, _lat: np.full(lon.shape, 600.0))[west].max() < 0.01
    heights = over(body).heights(rpcs(), cols=COLS, rows=ROWS)
    assert heights.error_m is None
    assert heights.note.startswith("the DEM has no heights under ")


def test_a_ground_that_is_higher_is_higher_on_a_dem_too():
    body = dem(slope)
    higher = over(body).to_lonlat(rpcs(), cols=INSIDE[0], rows=INSIDE[1], above_m=100)
    assert off_px(higher, lambda lon, lat: slope(lon, lat) + 100).max() < 0.01


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (partial(dem, hills, center=40), "the DEM does not reach it"),
        (partial(dem, lambda lon, _lat: np.full(lon.shape, -9999.0)), "the DEM has no heights under it"),
        (partial(dem, lambda lon, _lat: np.full(lon.shape, np.nan), nodata=None), "the DEM has no heights under it"),
    ],
    ids=["elsewhere", "void", "nan"],
)
def test_a_dem_that_does_not_help_is_said_and_one_height_taken(body: Callable[[], bytes], note: str):
    transform = over(body())
    np.testing.assert_array_equal(place(transform), place(GdalGroundTransform()))
    facts = raster(rpcs(ERR_BIAS="2"))
    placed, flat = place_image(facts, transform), place_image(facts, GdalGroundTransform())
    assert (placed.note, flat.note) == (note, None)
    assert placed.error_m == flat.error_m


def test_a_dem_that_is_too_fine_is_not_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terrain_module, "MAX_SAMPLES", 10_000)
    transform = over(dem(hills))
    assert "which is too many" in transform.heights(rpcs(), cols=COLS, rows=ROWS).note
    np.testing.assert_array_equal(place(transform), place(GdalGroundTransform()))


def test_a_dem_that_is_finer_than_can_be_kept_is_read_coarser(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terrain_module, "MAX_SAMPLES", 100_000)
    assert off_px(place(over(dem(slope))), slope).max() < 0.1


@pytest.mark.parametrize("changed", [{"HEIGHT_SCALE": "1e9"}, {"LONG_SCALE": "1e9"}, {"LAT_OFF": "1e300"}])
def test_absurd_coefficients_ask_no_dem_for_half_the_world(changed: dict[str, str]):
    store = Counted(dem(hills))
    transform = GdalGroundTransform(Terrain.of("s3://maps/dem.tif", store))
    place(transform, rpcs(**changed))
    assert sum(store.read) < 2 * len(store.body)
    transform.heights(rpcs(**changed), cols=COLS, rows=ROWS)


def test_the_error_that_is_told_is_smaller_on_a_dem_and_true():
    facts = raster(rpcs())
    on_dem, flat = place_image(facts, over(dem(slope))), place_image(facts, GdalGroundTransform())
    assert on_dem.error_m < flat.error_m / 5
    # a DEM above the sea, where the sea stands 30 m over the ellipsoid
    sunk = over(dem(lambda lon, lat: slope(lon, lat) - 30))
    (truth,), (off,) = (place_features([boat(490, 390, 510, 410)], facts, one) for one in (over(dem(slope)), sunk))
    geod = CRS.from_epsg(4326).get_geod()
    _, _, metres = geod.inv(truth.center.lon, truth.center.lat, off.center.lon, off.center.lat)
    assert 0.5 * metres < place_image(facts, sunk).error_m < 2 * metres
    assert flat.error_m > metres


def test_heights_above_the_ellipsoid_are_trusted_more():
    sea, ellipsoid = (
        over(dem(hills, crs=crs)).heights(rpcs(), cols=COLS, rows=ROWS) for crs in ("EPSG:4326", "EPSG:4979")
    )
    assert (ellipsoid.error_m, ellipsoid.note, sea.note) == (5.0, None, None)
    assert sea.error_m == pytest.approx(30.4, abs=0.1)
    geoid = over(dem(hills, crs="EPSG:4326+3855")).heights(rpcs(), cols=COLS, rows=ROWS)
    assert geoid == sea


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: b"", "no byte at 0"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), "is PNG, not a GeoTIFF"),
        (lambda: b"<VRTDataset>", "VRT is not read"),
        (lambda: b"hello", "no image that we read"),
        (lambda: dem(hills, side=64)[:200], "Failed to read directory"),
        (partial(dem, hills, side=64, crs=None), "does not say in which CRS"),
        (partial(dem, hills, side=64, crs="IAU_2015:30100"), "does not lead to longitude and latitude"),
        (
            partial(dem, hills, side=64, crs='LOCAL_CS["a field",UNIT["metre",1]]'),
            "does not lead to longitude and latitude",
        ),
        (partial(dem, hills, side=64, transform=Affine.identity()), "no north-up transform"),
        (partial(dem, hills, side=64, transform=Affine(1e-3, 1e-4, 9, 1e-4, -1e-3, 46)), "no north-up transform"),
        (partial(dem, hills, side=64, transform=Affine(1e-3, 0, 9, 0, 1e-3, 44)), "no north-up transform"),
        (partial(dem, hills, side=64, transform=Affine(-1e-3, 0, 11, 0, -1e-3, 46)), "no north-up transform"),
        (partial(dem, hills, side=64, dtype="complex64", nodata=None), "complex64, not heights"),
        (partial(dem, hills, side=64, unit="ft"), "heights in ft, not in metres"),
        (partial(dem, hills, side=64, crs="EPSG:4269+6360"), "heights in US survey foot, not in metres"),
        (None, "is not there"),
    ],
    ids=[
        *("empty", "png", "vrt", "words", "cut-off", "no-crs", "moon", "a-field", "no-transform", "turned"),
        *("south-up", "from-east", "complex", "feet", "feet-by-its-crs", "missing"),
    ],
)
def test_what_is_no_dem_is_a_matter_of_settings(body: Callable[[], bytes] | None, words: str):
    objects = {} if body is None else {ImageRef("maps", "dem.tif"): body()}
    terrain = Terrain.of("s3://maps/dem.tif", ObjectsInMemory(objects))
    for ask in (terrain.check, lambda: place(GdalGroundTransform(terrain))):
        with pytest.raises(SettingsError, match=r"^dem: ") as error:
            ask()
        assert words in str(error.value)
        assert "dem.tif" in str(error.value)


def test_blocks_that_are_too_large_to_decode_are_refused_before_one_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raster_limits, "MAX_BLOCK_BYTES", 256 * 256 * 4 - 1)
    with pytest.raises(SettingsError, match=r"^dem: s3://maps/dem.tif: a block of 256 x 256 px .* smaller blocks"):
        Terrain.of("s3://maps/dem.tif", ObjectsInMemory({ImageRef("maps", "dem.tif"): dem(hills)})).check()


def test_a_broken_block_under_the_image_is_a_matter_of_settings():
    body = dem(hills, compress="deflate")
    broken = body[:4000] + b"\xff" * (len(body) - 8000) + body[-4000:]
    with pytest.raises(SettingsError, match=r"dem: s3://maps/dem.tif: "):
        place(over(broken))


def test_a_store_that_does_not_answer_is_asked_again_later():
    class Down:
        def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
            raise UnavailableError("503")

    with pytest.raises(UnavailableError):
        place(GdalGroundTransform(Terrain.of("s3://maps/dem.tif", Down())))


def test_an_image_is_placed_as_before_when_the_store_failed_for_another_meanwhile():
    class Failing(Counted):
        is_down = False

        def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
            if self.is_down:
                raise UnavailableError("503")
            return Counted.read_range(self, image, etag=etag, start=start, length=length)

    store = Failing(dem(hills))
    transform = GdalGroundTransform(Terrain.of("s3://maps/dem.tif", store))
    before = place(transform)
    store.is_down = True
    with pytest.raises(UnavailableError):
        place(transform, rpcs(LONG_OFF="10.1"))
    store.is_down = False
    np.testing.assert_array_equal(place(transform), before)


def test_images_that_are_placed_otherwise_do_not_look_at_the_dem():
    nowhere = GdalGroundTransform(Terrain.of("s3://maps/dem.tif", ObjectsInMemory({})))
    facts: RasterFacts = affine("EPSG:32632", Affine(1, 0, 500_000, 0, -1, 5_000_000))
    assert place_image(facts, nowhere).note is None
    assert place_image(raster(Georeference(by=Georeferencing.NONE)), nowhere).footprint is None


def test_the_blocks_under_an_image_are_read_once():
    body = dem(hills, side=3000)
    store = Counted(body)
    transform = GdalGroundTransform(Terrain.of("s3://maps/dem.tif", store))
    facts = raster(rpcs())
    place_image(facts, transform)
    once = sum(store.read)
    assert once < len(body) / 5
    place_features([boat(1, 1, 9, 9), boat(900, 700, 1000, 800)], facts, transform)
    place_image(facts, transform)
    assert sum(store.read) == once
    place_image(raster(rpcs(LONG_OFF="10.1")), transform)
    assert sum(store.read) > once


def test_threads_may_share_a_dem():
    transform, saids = over(dem(hills, side=1200)), [rpcs(LONG_OFF=str(10 + n / 50)) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda said: place(transform, said)[0], saids))
    for said, lons in zip(saids, answers, strict=True):
        np.testing.assert_allclose(lons, place(over(dem(hills, side=1200)), said)[0], rtol=0, atol=1e-9)


def test_a_dem_may_be_a_file_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "dem.tif"
    path.write_bytes(dem(hills))
    digest = hashlib.sha256(path.read_bytes()).digest()
    monkeypatch.chdir(tmp_path)
    for name in (str(path), "dem.tif"):
        transform = GdalGroundTransform(Terrain.of(name, LocalFiles()))
        assert off_px(place(transform), hills).max() < 0.1
    assert hashlib.sha256(path.read_bytes()).digest() == digest
    shutil.rmtree(tmp_path)
    with pytest.raises(SettingsError, match="No such file"):
        place(GdalGroundTransform(Terrain.of(str(path), LocalFiles())))


def test_without_the_setting_there_is_no_dem():
    assert Terrain.of("", LocalFiles()) is None


def test_what_one_image_needs_coarser_is_not_left_to_the_next(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terrain_module, "MAX_SAMPLES", 40_000)
    wide, near = rpcs(), rpcs(LONG_SCALE="0.04", LAT_SCALE="0.02")
    after_another, alone = over(dem(hills)), over(dem(hills))
    place(after_another, wide)
    np.testing.assert_array_equal(place(after_another, near), place(alone, near))
