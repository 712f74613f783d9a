from dataclasses import replace

import numpy as np
import pytest
import rasterio.transform
import rasterio.warp
from affine import Affine
from hypothesis import given, settings
from pyproj import CRS, Transformer

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.place.crs import find_earth_crs
from batch_job.place.footprints import ImagePlace, place_image
from batch_job.place.project import find_ground
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint, LonLat
from batch_job.values.raster import RasterFacts
from tests.unit.place.rasters import NoGround, affine, placed_rasters, raster

WEB_MERCATOR_M = 40_075_016.685_578_488
UTM_18N = Affine(30, 0, 500_000, 0, -30, 4_000_000)
POINTS = tuple(GroundControlPoint(col=c, row=r, x=10 + c / 1e4, y=50 - r / 1e4) for c in (0, 1000) for r in (0, 800))


class Recorded:
    """A ground transform that knows no place, or one place only, and keeps what it was asked."""

    def __init__(self, lon: float = np.nan) -> None:
        self.lon, self.asked = lon, []

    def to_lonlat(self, georeference: Georeference, *, cols: np.ndarray, rows: np.ndarray):
        self.asked.append(georeference.by)
        return np.full(cols.shape, self.lon), np.full(cols.shape, self.lon)


@settings(max_examples=60, deadline=None)
@given(placed_rasters())
def test_lonlat_leads_back_to_the_pixel(facts: RasterFacts) -> None:
    cols, rows = np.meshgrid(np.linspace(0, facts.width, 5), np.linspace(0, facts.height, 5))
    lons, lats = find_ground(facts, NoGround()).to_lonlat(cols=cols, rows=rows)
    back = Transformer.from_crs("EPSG:4326", facts.georeference.crs, always_xy=True)
    xs, ys = back.transform(lons, lats)
    if facts.georeference.crs == "EPSG:3857":
        # the map's right edge is its left edge
        xs += WEB_MERCATOR_M * np.round((facts.georeference.transform[2] - xs) / WEB_MERCATOR_M)
    inverse = ~Affine(*facts.georeference.transform)
    np.testing.assert_allclose(inverse.a * xs + inverse.b * ys + inverse.c, cols, rtol=0, atol=0.01)
    np.testing.assert_allclose(inverse.d * xs + inverse.e * ys + inverse.f, rows, rtol=0, atol=0.01)


def test_pixels_are_placed_as_rasterio_places_them() -> None:
    transform = Affine.translation(500_000, 4_000_000) @ Affine.rotation(25) @ Affine.scale(30, -20)
    cols, rows = np.array([0.0, 10.5, 1000]), np.array([0.0, 3.25, 800])
    lons, lats = find_ground(affine("EPSG:32618", transform), NoGround()).to_lonlat(cols=cols, rows=rows)
    xs, ys = rasterio.transform.xy(transform, rows, cols, offset="ul")
    expected = rasterio.warp.transform("EPSG:32618", "EPSG:4326", xs, ys)
    np.testing.assert_allclose([lons, lats], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "crs",
    [
        None,
        "",
        "nonsense",
        "EPSG:99999",
        "IAU_2015:30100",
        "IAU_2015:49900",
        CRS("ESRI:104903").to_wkt(),
        "+proj=longlat +a=6051800 +b=6051800",
        'LOCAL_CS["a field",UNIT["metre",1]]',
        "EPSG:4978",
        "EPSG:5773",
    ],
    ids=[
        "none",
        "empty",
        "nonsense",
        "no-code",
        "moon",
        "mars",
        "moon-wkt",
        "venus",
        "local",
        "geocentric",
        "vertical",
    ],
)
def test_what_is_no_map_of_earth_is_no_crs(crs: str | None) -> None:
    assert find_earth_crs(crs) is None
    assert find_ground(affine(crs, UTM_18N), NoGround()) is None


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:32618", "EPSG:32618"),
        (CRS("EPSG:2193").to_wkt(), "EPSG:2193"),
        (CRS("ESRI:54009").to_wkt(), "World_Mollweide"),
        ("EPSG:32618+5773", "EPSG:32618"),
        ("EPSG:4979", "EPSG:4326"),
        ("+proj=longlat +R=6370997", "unknown"),
    ],
    ids=["code", "wkt-with-code", "wkt", "compound", "three-dimensional", "sphere"],
)
def test_a_crs_of_earth_is_named_without_its_heights(crs: str, name: str) -> None:
    assert find_earth_crs(crs).name == name


@pytest.mark.parametrize(
    "transform",
    [
        Affine.identity(),
        Affine(30, 30, 500_000, 30, 30, 4_000_000),
        Affine(float("nan"), 0, 500_000, 0, -30, 4_000_000),
        Affine(30, 0, float("inf"), 0, -30, 4_000_000),
        Affine(30, 0, 1e12, 0, -30, 1e12),
        Affine(1e308, 0, 500_000, 0, -30, 4_000_000),
    ],
    ids=["identity", "singular", "nan", "infinite", "off-the-map", "beyond-doubles"],
)
def test_a_transform_that_leads_nowhere_is_none(transform: Affine) -> None:
    assert find_ground(affine("EPSG:32618", transform), NoGround()) is None


@pytest.mark.parametrize("row_step", [-30, -0.001])
def test_metres_taken_for_degrees_are_none(row_step: float) -> None:
    assert find_ground(affine("EPSG:4326", Affine(30, 0, 500_000, 0, row_step, 40)), NoGround()) is None


def test_half_a_pixel_beyond_a_pole_is_cut_off() -> None:
    ground = find_ground(affine("EPSG:4326", Affine(0.5, 0, -180.25, 0, -0.5, 90.25)), NoGround())
    lons, lats = ground.to_lonlat(cols=np.array([0.0, 10.0]), rows=np.array([0.0, 0.0]))
    assert lons.tolist() == [-180.25, -175.25]
    assert lats.tolist() == [90.0, 90.0]


def test_what_an_image_says_it_is_placed_by_is_tried_first() -> None:
    said = Georeference(
        by=Georeferencing.GCPS,
        crs="EPSG:32618",
        transform=tuple(UTM_18N)[:6],
        gcps=POINTS,
        gcps_crs="EPSG:4326",
        rpcs=(("LAT_OFF", "1"),),
    )
    transform = Recorded(lon=12.0)
    assert find_ground(raster(said), transform).by is Georeferencing.GCPS_PROJECTIVE
    assert set(transform.asked) == {Georeferencing.GCPS_PROJECTIVE}


def test_what_does_not_work_is_followed_by_the_next() -> None:
    said = Georeference(by=Georeferencing.AFFINE, gcps=POINTS, gcps_crs="EPSG:4326", rpcs=(("LAT_OFF", "1"),))
    transform = Recorded()
    assert find_ground(raster(said), transform) is None
    assert transform.asked == [Georeferencing.GCPS_PROJECTIVE, Georeferencing.GCPS, Georeferencing.RPCS]


def test_rpcs_need_no_crs() -> None:
    said = Georeference(by=Georeferencing.RPCS, rpcs=(("LAT_OFF", "1"),))
    assert find_ground(raster(said), Recorded(lon=1.0)).crs == "EPSG:4326"


def test_gcps_of_the_moon_are_none() -> None:
    said = Georeference(by=Georeferencing.GCPS, crs="EPSG:4326", gcps=POINTS, gcps_crs="IAU_2015:30100")
    transform = Recorded(lon=1.0)
    assert find_ground(raster(said), transform) is None
    assert transform.asked == []


FIELD = 'LOCAL_CS["a field",UNIT["metre",1]]'
UNUSABLE = Georeference(by=Georeferencing.AFFINE, crs=FIELD, transform=tuple(UTM_18N)[:6])


def test_a_local_affine_is_followed_by_points_in_a_crs_of_their_own() -> None:
    ground = find_ground(raster(replace(UNUSABLE, gcps=POINTS, gcps_crs="EPSG:4326")), GdalGroundTransform())
    assert (ground.by, ground.crs) == (Georeferencing.GCPS_PROJECTIVE, "EPSG:4326")
    lons, lats = ground.to_lonlat(cols=np.array([500.0]), rows=np.array([400.0]))
    np.testing.assert_allclose((lons[0], lats[0]), (10.05, 49.96), atol=1e-9)


def test_local_points_do_not_spoil_a_good_affine() -> None:
    said = replace(UNUSABLE, crs="EPSG:32618", gcps=POINTS, gcps_crs=FIELD)
    assert find_ground(raster(said), NoGround()).by is Georeferencing.AFFINE


def test_a_local_affine_is_followed_by_rpcs() -> None:
    ground = find_ground(raster(replace(UNUSABLE, rpcs=(("LAT_OFF", "1"),))), Recorded(lon=12.0))
    assert (ground.by, ground.crs) == (Georeferencing.RPCS, "EPSG:4326")


def test_a_local_affine_is_followed_by_the_cameras_position() -> None:
    facts = raster(replace(UNUSABLE, position=LonLat(lon=7.5, lat=46.9)))
    place = place_image(facts, NoGround())
    assert place == ImagePlace(
        Georeferencing.EXIF, center=LonLat(lon=7.5, lat=46.9), note=f"not a CRS of Earth: {FIELD}"
    )
