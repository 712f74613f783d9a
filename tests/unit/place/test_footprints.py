import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio.warp import transform_bounds

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.place.antimeridian import wrap_lons
from batch_job.place.footprints import BLOCK, ImagePlace, place_features, place_image
from batch_job.place.outlines import MAX_PARTS
from batch_job.place.project import find_ground
from batch_job.values.place import Georeference, Georeferencing, LonLat
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Window
from tests import golden_files
from tests.unit.place.rasters import (
    IMAGERY,
    POLES,
    NoGround,
    affine,
    assert_sound,
    boat,
    from_file,
    harbour,
    placed_rasters,
    raster,
    shape,
)

UTM = affine("EPSG:32633", Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000))
DATELINE = affine("EPSG:4326", Affine(0.001, 0, 179.5, 0, -0.001, 10))


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (IMAGERY / name).exists(), reason=f"{name} is not here")


def tolerance_px(facts: RasterFacts) -> float:
    """A tenth of a pixel's longer side on its shorter one; near a pole what ``MAX_PARTS`` leaves."""
    tolerance = 0.3
    if facts.georeference.crs in POLES:
        tolerance += 2 * max(facts.width, facts.height) / MAX_PARTS
    return tolerance


@settings(max_examples=150, deadline=None)
@given(placed_rasters(), st.randoms(use_true_random=False))
def test_footprints_hold_what_the_image_holds_and_no_more(facts: RasterFacts, random) -> None:
    margin, n = tolerance_px(facts), 20
    assume(2 * margin < min(facts.width, facts.height))
    footprint = place_image(facts, NoGround()).footprint
    assert_sound(footprint)
    ground, held = find_ground(facts, NoGround()), shape(footprint)

    def is_held(cols: np.ndarray, rows: np.ndarray) -> np.ndarray:
        lons, lats = ground.to_lonlat(cols=cols, rows=rows)
        return shapely.intersects_xy(held, wrap_lons(lons), lats)

    cols = np.array([random.uniform(margin, facts.width - margin) for _ in range(n)])
    rows = np.array([random.uniform(margin, facts.height - margin) for _ in range(n)])
    edge = np.full(n, margin)
    assert is_held(cols, rows).all()
    for left_or_top in (edge, -edge):
        expected = left_or_top is edge
        assert (is_held(left_or_top, rows) == expected).all()
        assert (is_held(facts.width - left_or_top, rows) == expected).all()
        assert (is_held(cols, left_or_top) == expected).all()
        assert (is_held(cols, facts.height - left_or_top) == expected).all()


@settings(max_examples=40, deadline=None)
@given(placed_rasters(), st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=8))
def test_boxes_keep_their_order_and_hold_their_centres(facts: RasterFacts, shares) -> None:
    found = []
    for left, top, wide, high in shares:
        col, row = left * facts.width, top * facts.height
        found.append(boat(col, row, col + 1 + wide * facts.width / 4, row + 1 + high * facts.height / 4))
    features = place_features(found, facts, NoGround())
    assert [feature.detection for feature in features] == found
    for feature in features:
        assert_sound(feature.footprint)
        assert feature.area_m2 > 0
        assert feature.length_m > 0
        if facts.georeference.crs not in POLES:
            assert shape(feature.footprint).buffer(1e-7).contains(shapely.Point(feature.center.lon, feature.center.lat))


def test_blocks_are_joined_in_order() -> None:
    found = [boat(i % 900, 10, i % 900 + 5, 20) for i in range(BLOCK + 3)]
    features = place_features(found, UTM, NoGround())
    assert [feature.detection for feature in features] == found
    assert features[BLOCK] == place_features([found[BLOCK]], UTM, NoGround())[0]
    assert place_features([], UTM, NoGround()) == []


@pytest.mark.parametrize(("min_col", "parts"), [(400, 1), (480, 1), (490, 2), (500, 1), (505, 1)])
def test_a_box_across_180_gets_a_part_on_each_side(min_col: int, parts: int) -> None:
    (feature,) = place_features([boat(min_col, 100, min_col + 20, 120)], DATELINE, NoGround())
    assert_sound(feature.footprint)
    assert len(feature.footprint.polygons) == parts
    assert shape(feature.footprint).area == pytest.approx(0.02**2, rel=1e-6)


def test_the_centre_of_a_box_across_180_is_inside_it() -> None:
    (feature,) = place_features([boat(485, 100, 505, 120)], DATELINE, NoGround())
    assert feature.center == LonLat(lon=179.995, lat=9.89)
    (feature,) = place_features([boat(495, 100, 515, 120)], DATELINE, NoGround())
    assert feature.center == LonLat(lon=-179.995, lat=9.89)


def test_a_box_below_the_precision_keeps_its_centre() -> None:
    facts = affine("EPSG:32633", Affine(1e-5, 0, 500_000, 0, -1e-5, 5_000_000))
    (feature,) = place_features([boat(0, 0, 2, 2)], facts, NoGround())
    assert feature.footprint is None
    assert feature.center is not None
    assert feature.length_m == pytest.approx(2e-5, rel=0.1)


def test_boxes_off_the_earth_have_no_place() -> None:
    facts = affine("+proj=ortho +lat_0=50", Affine(10_000, 0, -6_500_000, 0, -10_000, 6_500_000), width=1300)
    on, edge, off = place_features(
        [boat(640, 640, 660, 660), boat(5, 640, 15, 660), boat(0, 0, 9, 9)], facts, NoGround()
    )
    assert_sound(on.footprint)
    assert (edge.footprint, edge.area_m2, edge.length_m) == (None, None, None)
    assert (off.footprint, off.center, off.area_m2, off.length_m) == (None, None, None, None)


def test_a_region_is_the_union_of_its_chips() -> None:
    first, second = (
        Window(col_off=0, row_off=0, width=100, height=100),
        Window(col_off=80, row_off=0, width=100, height=50),
    )
    (feature,) = place_features([harbour(first, second)], UTM, NoGround())
    assert_sound(feature.footprint)
    (polygon,) = feature.footprint.polygons
    assert len(polygon[0]) == 7
    assert feature.area_m2 == pytest.approx((100 * 100 + 80 * 50) * 0.25 / 0.9996**2, rel=1e-5)
    assert feature.length_m == pytest.approx(180 * 0.5 / 0.9996, rel=1e-5)


def test_a_region_may_have_parts_and_holes() -> None:
    ring = [
        Window(col_off=col, row_off=row, width=10, height=10)
        for col in (0, 10, 20)
        for row in (0, 10, 20)
        if (col, row) != (10, 10)
    ]
    far = Window(col_off=100, row_off=0, width=10, height=10)
    holed, parted = place_features([harbour(*ring), harbour(ring[0], far)], UTM, NoGround())
    for feature in (holed, parted):
        assert_sound(feature.footprint)
        assert shape(feature.footprint).intersects(shapely.Point(feature.center.lon, feature.center.lat))
    assert [len(polygon) for polygon in holed.footprint.polygons] == [2]
    assert holed.area_m2 == pytest.approx(800 * 0.25, rel=1e-3)
    assert [len(polygon) for polygon in parted.footprint.polygons] == [1, 1]
    assert parted.area_m2 == pytest.approx(200 * 0.25, rel=1e-3)


def test_a_region_across_180_with_a_hole_on_it_is_sound() -> None:
    ring = [
        Window(col_off=col, row_off=row, width=10, height=10)
        for col in (485, 495, 505)
        for row in (0, 10, 20)
        if (col, row) != (495, 10)
    ]
    (feature,) = place_features([harbour(*ring)], DATELINE, NoGround())
    assert_sound(feature.footprint)
    assert len(feature.footprint.polygons) == 2
    assert shape(feature.footprint).area == pytest.approx(800 * 1e-6, rel=1e-6)


def test_a_region_partly_off_the_earth_has_no_footprint() -> None:
    facts = affine("EPSG:4326", Affine(0.1, 0, 10, 0, -0.1, -80))
    on, off = Window(col_off=0, row_off=0, width=10, height=10), Window(col_off=0, row_off=700, width=10, height=10)
    (feature,) = place_features([harbour(on, off)], facts, NoGround())
    assert feature.footprint is None
    assert feature.center is not None
    assert feature.area_m2 is None


def test_a_camera_position_places_the_image_but_nothing_in_it() -> None:
    position = LonLat(lon=7.5, lat=46.9)
    facts = raster(Georeference(by=Georeferencing.EXIF, position=position))
    note = "only the camera's position is known"
    assert place_image(facts, NoGround()) == ImagePlace(Georeferencing.EXIF, center=position, note=note)
    (feature,) = place_features([boat(0, 0, 10, 10)], facts, NoGround())
    assert (feature.footprint, feature.center, feature.area_m2, feature.length_m) == (None, None, None, None)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Georeference(), "nothing says where it is"),
        (Georeference(crs="EPSG:32618"), "a CRS without a transform"),
        (Georeference(transform=(0.5, 0, 10, 0, -0.5, 50)), "a transform without a CRS"),
        (affine("IAU_2015:30100", Affine(0.1, 0, 0, 0, -0.1, 0)).georeference, "not a CRS of Earth: IAU_2015:30100"),
        (affine("EPSG:32618", Affine(1, 0, 1e12, 0, -1, 1e12)).georeference, "leads to no place on Earth"),
        (affine("EPSG:4326", Affine(1, 0, float("inf"), 0, -1, 0)).georeference, "leads to no place on Earth"),
    ],
)
def test_an_image_without_a_place_says_why(said: Georeference, why: str) -> None:
    assert place_image(raster(said), NoGround()) == ImagePlace(Georeferencing.NONE, note=why)
    (feature,) = place_features([boat(0, 0, 10, 10)], raster(said), NoGround())
    assert feature.footprint is None


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(0.36, 0, -180, 0, -0.225, 90)),
        ("EPSG:4326", Affine(0.36, 0, 0, 0, -0.225, 90)),
        ("EPSG:4326", Affine(0.3605, 0, -180.25, 0, -0.226, 90.3)),
        (
            "EPSG:3857",
            Affine(40_075.016685578488, 0, -20_037_508.342789244, 0, -50_093.770856973, 20_037_508.342789244),
        ),
    ],
    ids=["from-180", "from-0", "overshooting", "web-mercator"],
)
def test_a_map_of_the_world_is_one_rectangle(crs: str, transform: Affine) -> None:
    footprint = place_image(affine(crs, transform), NoGround()).footprint
    assert_sound(footprint)
    west, south, east, north = shape(footprint).bounds
    assert (west, east) == (-180, 180)
    assert -south == pytest.approx(north)
    assert len(footprint.polygons[0][0]) == 5


@pytest.mark.parametrize(("west", "width"), [(90, 180), (100, 200), (10, 350), (-350, 300)])
def test_a_large_part_of_the_world_across_180_is_two_rectangles(west: int, width: int) -> None:
    footprint = place_image(affine("EPSG:4326", Affine(width / 1000, 0, west, 0, -0.1, 60)), NoGround()).footprint
    assert_sound(footprint)
    assert len(footprint.polygons) == 2
    assert shape(footprint).area == pytest.approx(width * 80)


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90)])
@pytest.mark.parametrize("mirrored", [-1, 1])
def test_a_pole_inside_an_image_is_inside_its_footprint(crs: str, pole: int, mirrored: int) -> None:
    facts = affine(crs, Affine(100, 0, -30_000, 0, 100 * mirrored, -35_000 * mirrored))
    footprint = place_image(facts, NoGround()).footprint
    assert_sound(footprint)
    held = shape(footprint)
    assert shapely.intersects_xy(held, [0, 180, -90, 90], [pole, pole, pole * 0.999, pole * 0.999]).all()
    assert not shapely.intersects_xy(held, [0, 180], [0, -pole]).any()


def test_a_hemisphere_and_more_around_a_pole_is_sound() -> None:
    facts = affine("EPSG:6931", Affine(18_000, 0, -9_000_000, 0, -22_500, 9_000_000))
    footprint = place_image(facts, NoGround()).footprint
    assert_sound(footprint)
    assert shapely.intersects_xy(shape(footprint), [0, 90, 180, -90], [90, 10, 45, 60]).all()
    assert not shapely.intersects_xy(shape(footprint), 0, -60)


@pytest.mark.parametrize(
    "name", ["RGB.byte.tif", "alpha.tif", "201404_13SED190110_201404_0x1500m_CL_1_alpha.tif", "cog_int16.tif"]
)
def test_real_images_lie_where_gdal_says(name: str) -> None:
    path = IMAGERY / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    with rasterio.open(path) as source:
        expected = transform_bounds(source.crs, "EPSG:4326", *source.bounds, densify_pts=101)
        resolution = max(expected[2] - expected[0], expected[3] - expected[1]) / min(source.shape)
    place = place_image(from_file(path), NoGround())
    assert_sound(place.footprint)
    assert shape(place.footprint).bounds == pytest.approx(expected, abs=0.2 * resolution)
    assert place.georeferencing is Georeferencing.AFFINE
    assert place.gsd_m == pytest.approx({"RGB": 300, "alp": 3.08, "201": 0.15, "cog": 100}[name[:3]], rel=0.01)


@needs("cog_dateline.tif")
def test_the_real_image_across_180_has_a_part_on_each_side() -> None:
    place = place_image(from_file(IMAGERY / "cog_dateline.tif"), NoGround())
    assert_sound(place.footprint)
    with rasterio.open(IMAGERY / "cog_dateline.tif") as source:
        west, south, east, north = transform_bounds(source.crs, "EPSG:4326", *source.bounds, densify_pts=101)
    assert west > east
    right, left = sorted((part.bounds for part in shape(place.footprint).geoms), reverse=True)
    assert right == pytest.approx((west, min(right[1], right[1]), 180, right[3]), abs=1e-3)
    assert left[2] == pytest.approx(east, abs=1e-3)
    assert min(right[1], left[1]) == pytest.approx(south, abs=1e-3)
    assert max(right[3], left[3]) == pytest.approx(north, abs=1e-3)


@needs("cog_gcps.tif")
def test_the_real_image_with_gcps_holds_them_all() -> None:
    facts = from_file(IMAGERY / "cog_gcps.tif")
    place = place_image(facts, GdalGroundTransform())
    assert_sound(place.footprint)
    assert place.georeferencing is Georeferencing.GCPS
    # the polynomial is not exact: up to a pixel, of some 200 m, is allowed
    held = shape(place.footprint).buffer(0.002)
    assert shapely.intersects_xy(
        held, [p.x for p in facts.georeference.gcps], [p.y for p in facts.georeference.gcps]
    ).all()
    assert shapely.convex_hull(shapely.MultiPoint([(p.x, p.y) for p in facts.georeference.gcps])).area == pytest.approx(
        shape(place.footprint).area, rel=0.01
    )


@pytest.mark.parametrize("case", golden_files.cases("place"), ids=lambda case: case.name)
def test_places_are_as_recorded(case) -> None:
    given_case = golden_files.load(case)
    facts = RasterFacts.from_json(given_case["raster"])
    found = [boat(*box) for box in given_case["boxes"]]
    found += [harbour(*(Window(*window) for window in windows)) for windows in given_case["regions"]]
    place = place_image(facts, GdalGroundTransform())
    golden_files.check(
        case,
        {
            "image": {
                "georeferencing": str(place.georeferencing),
                "footprint": rounded(place.footprint and place.footprint.to_geojson()),
                "center": rounded([place.center.lon, place.center.lat]),
                "gsd_m": round(place.gsd_m, 3),
                "crs": place.crs,
            },
            "features": [
                {
                    "footprint": rounded(feature.footprint.to_geojson()),
                    "center": rounded([feature.center.lon, feature.center.lat]),
                    "area_m2": round(feature.area_m2, 2),
                    "length_m": round(feature.length_m, 3),
                    "width_m": round(feature.width_m, 3),
                }
                for feature in place_features(found, facts, GdalGroundTransform())
            ],
        },
    )


def rounded(value):
    """To 7 decimals, 1 cm, where releases of PROJ and GDAL agree."""
    if isinstance(value, float):
        return round(value, 7)
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value
