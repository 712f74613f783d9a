import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from pyproj import Geod

from batch_job.place.footprints import place_features
from batch_job.place.outlines import trace
from batch_job.place.project import find_ground
from batch_job.place.sizes import areas_m2, ground_sample_m
from batch_job.values.raster import RasterFacts
from tests.unit.place.rasters import NoGround, affine, boat, placed_rasters

GEOD = Geod(ellps="WGS84")
WORLD_M2 = 510_065_621_724_088.4
"""WGS 84's surface."""


@settings(max_examples=60, deadline=None)
@given(placed_rasters())
def test_areas_are_those_of_geodesic_polygons(facts: RasterFacts) -> None:
    assume(facts.georeference.crs not in ("EPSG:3413", "EPSG:3031"))
    ground = find_ground(facts, NoGround())
    ring = np.array([[0, facts.height], [facts.width, facts.height], [facts.width, 0], [0, 0]])
    middle = ground.to_lonlat(cols=np.array([facts.width / 2]), rows=np.array([facts.height / 2]))
    outlines = next(iter(trace(ring[None], ground)))
    dense = ring[:, None] + (np.roll(ring, -1, axis=0) - ring)[:, None] * (np.arange(500) / 500)[:, None]
    lons, lats = ground.to_lonlat(cols=dense[..., 0].ravel(), rows=dense[..., 1].ravel())
    assume(np.abs(lats).max() < 89)  # geodesics over a pole are no edges of a map of longitudes and latitudes
    expected, _ = GEOD.geometry_area_perimeter(shapely.Polygon(np.column_stack([lons, lats])))
    assert areas_m2(outlines, middle)[0] == pytest.approx(abs(expected), rel=1e-3)


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:4326", Affine(0.36, 0, -180, 0, -0.18, 90), WORLD_M2),
        ("EPSG:4326", Affine(0.36, 0, 0, 0, -0.18, 90), WORLD_M2),
        ("EPSG:4326", Affine(0.18, 0, 90, 0, -0.18, 90), WORLD_M2 / 2),
        ("EPSG:6931", Affine(18_000, 0, -9_000_000, 0, -18_000, 9_000_000), 18_000_000.0**2),
        ("EPSG:6932", Affine(1_000, 0, -300_000, 0, -1_000, 400_000), 1_000_000.0**2),
        ("EPSG:6932", Affine(1_000, 0, -300_000, 0, 1_000, -600_000), 1_000_000.0**2),
        ("EPSG:6931", Affine(1, 0, 100, 0, -1, 1100), 1_000.0**2),
    ],
    ids=[
        "world",
        "world-from-0",
        "half-a-world",
        "more-than-a-hemisphere",
        "south-pole-inside",
        "mirrored",
        "100-m-from-a-pole",
    ],
)
def test_areas_hold_for_the_world_and_at_its_ends(crs: str, transform: Affine, expected: float) -> None:
    facts = affine(crs, transform, width=1000, height=1000)
    (feature,) = place_features([boat(0, 0, 1000, 1000)], facts, NoGround())
    assert feature.area_m2 == pytest.approx(expected, rel=1e-4)


def test_areas_of_long_slanting_strips_hold() -> None:
    # 20 degrees of longitude by 40 of latitude, a degree wide, in one straight piece
    facts = affine("EPSG:4326", Affine(0.01, 0.02, 0, 0, -0.04, 70), width=100, height=1000)
    (feature,) = place_features([boat(0, 0, 100, 1000)], facts, NoGround())
    # every parallel crosses it on a degree, so it is 1/360 of the zone from 30 to 70
    more, _ = GEOD.polygon_area_perimeter(np.arange(0, 360, 0.01), [30] * 36_000)
    rest, _ = GEOD.polygon_area_perimeter(np.arange(0, 360, 0.01), [70] * 36_000)
    expected = (more - rest) / 360
    assert feature.area_m2 == pytest.approx(expected, rel=1e-6)


def test_the_longer_and_the_shorter_side_are_measured_on_the_ground() -> None:
    # at latitude 60 a degree of longitude is half as long as one of latitude
    facts = affine("EPSG:4326", Affine(0.001, 0, 10, 0, -0.001, 60))
    wide, high = place_features([boat(0, 0, 150, 100), boat(0, 0, 300, 100)], facts, NoGround())
    _, _, north = GEOD.inv(10, 60, 10, 59.9)
    _, _, top = GEOD.inv(10, 60, 10.3, 60)
    _, _, bottom = GEOD.inv(10, 59.9, 10.3, 59.9)
    _, _, narrow = GEOD.inv(10, 59.95, 10.15, 59.95)
    assert wide.length_m == pytest.approx(north, rel=1e-6)
    assert wide.width_m == pytest.approx(narrow, rel=1e-4)
    assert high.length_m == pytest.approx((top + bottom) / 2, rel=1e-4)
    assert high.width_m == pytest.approx(north, rel=1e-6)


def test_a_long_side_is_not_taken_the_short_way_round() -> None:
    facts = affine("EPSG:4326", Affine(0.35, 0, -175, 0, -0.01, 5), width=1000, height=1000)
    (feature,) = place_features([boat(0, 0, 1000, 1000)], facts, NoGround())
    assert feature.length_m == pytest.approx(350 * 111_320, rel=0.01)


def test_turning_an_image_changes_no_length() -> None:
    for angle in range(0, 360, 30):
        facts = affine("EPSG:32633", Affine.translation(500_000, 5_000_000) @ Affine.rotation(angle) @ Affine.scale(1))
        (feature,) = place_features([boat(10, 10, 60, 30)], facts, NoGround())
        assert feature.length_m == pytest.approx(50 / 0.9996, rel=1e-5)
        assert feature.width_m == pytest.approx(20 / 0.9996, rel=1e-5)
        assert feature.area_m2 == pytest.approx(1000 / 0.9996**2, rel=1e-5)


def test_ground_sample_is_the_mean_of_width_and_height_at_the_centre() -> None:
    facts = affine("EPSG:3857", Affine(10, 0, 0, 0, -20, 8_399_737.889_818_36 + 8_000))
    # the centre lies at latitude 60 on the dot, where Web Mercator stretches about twofold
    found = ground_sample_m(find_ground(facts, NoGround()), width=1000, height=800)
    _, _, east = GEOD.inv(0, 60, 10 / 111_319.490_793, 60)
    lat_step = 20 / 111_319.490_793 * np.cos(np.radians(60))
    _, _, north = GEOD.inv(0, 60 - lat_step / 2, 0, 60 + lat_step / 2)
    assert found == pytest.approx((east + north) / 2, rel=1e-5)


def test_no_ground_sample_without_a_centre() -> None:
    facts = affine("+proj=ortho +lat_0=50", Affine(10_000, 0, -1_000, 0, -10_000, 0), width=2000, height=2000)
    assert ground_sample_m(find_ground(facts, NoGround()), width=2000, height=2000) is None
