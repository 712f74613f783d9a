"""Shapes on the ground."""

import math

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from batch_job.place.footprints import place_features
from batch_job.place.project import find_ground
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Feature, ImageDetection, Kind, PixelRing, Window
from tests.unit.place.rasters import BOAT, NoGround, affine, assert_sound, boat, placed_rasters, shape

GSD_M = 0.5
UTM = affine("EPSG:32633", Affine(GSD_M, 0, 500_000, 0, -GSD_M, 5_000_000))
DATELINE = affine("EPSG:4326", Affine(0.001, 0, 179.5, 0, -0.001, 10))
POLE = affine("EPSG:3413", Affine(1000, 0, -500_000, 0, -1000, 400_000))


def ship(points: list[tuple[float, float]]) -> ImageDetection:
    ring = PixelRing(tuple(points))
    window = Window(col_off=0, row_off=0, width=1024, height=1024)
    return ImageDetection(BOAT, 90.0, Kind.OBJECT, ring.box, (window,), shape=ring)


def turned(col: float, row: float, length: float, width: float, angle: float) -> ImageDetection:
    upright = shapely.box(col - length / 2, row - width / 2, col + length / 2, row + width / 2)
    return ship(list(affinity.rotate(upright, angle).exterior.coords[:-1]))


def placed(found: ImageDetection, facts: RasterFacts = UTM) -> Feature:
    [feature] = place_features([found], facts, NoGround())
    assert_sound(feature.footprint)
    return feature


@given(st.floats(20, 200), st.floats(5, 15), st.floats(0, 180))
def test_a_ship_has_its_own_length_width_and_area_whatever_way_it_points(length, width, angle) -> None:
    feature = placed(turned(500, 400, length, width, angle))
    # 3 degrees of longitude west of the zone's middle lines are short by 4 in 10,000
    assert feature.length_m == pytest.approx(length * GSD_M, rel=1e-3)
    assert feature.width_m == pytest.approx(width * GSD_M, rel=1e-3)
    assert feature.area_m2 == pytest.approx(length * width * GSD_M**2, rel=2e-3)


@settings(deadline=None, max_examples=60)
@given(placed_rasters(), st.integers(3, 12), st.floats(0, 2))
def test_footprints_have_the_corners_of_their_shapes(facts: RasterFacts, corners: int, turn: float) -> None:
    radius = min(facts.width, facts.height) / 3
    angles = [turn + 2 * math.pi * n / corners for n in range(corners)]
    points = [(facts.width / 2 + radius * math.cos(a), facts.height / 2 + radius * math.sin(a)) for a in angles]
    [feature] = place_features([ship(points)], facts, NoGround())
    assert_sound(feature.footprint)
    on_ground = shape(feature.footprint)
    cols, rows = np.array(points).T
    lons, lats = find_ground(facts, NoGround()).to_lonlat(cols=cols, rows=rows)
    there = shapely.points((lons + 180) % 360 - 180, lats)
    assert shapely.distance(on_ground, there).max() < 1e-8
    assert shapely.dwithin(on_ground, shapely.Point(feature.center.lon, feature.center.lat), 1e-8)


def test_a_shape_across_the_antimeridian_is_split_there() -> None:
    footprint = shape(placed(ship([(400, 100), (600, 300), (500, 400)]), DATELINE).footprint)
    assert len(shapely.get_parts(footprint)) == 2
    assert footprint.area == pytest.approx(0.02, rel=1e-6)


def test_a_shape_around_a_pole_holds_it() -> None:
    footprint = shape(placed(ship([(500, 100), (800, 700), (200, 700)]), POLE).footprint)
    assert footprint.contains(shapely.Point(30, 89.999))
    assert not footprint.contains(shapely.Point(30, 80))


def test_the_centre_of_a_bent_shape_lies_in_it() -> None:
    horseshoe = [(100, 100), (300, 100), (300, 120), (120, 120), (120, 280), (300, 280), (300, 300), (100, 300)]
    feature = placed(ship(horseshoe))
    assert shape(feature.footprint).contains(shapely.Point(feature.center.lon, feature.center.lat))


def test_shapes_and_boxes_keep_their_order() -> None:
    found = [boat(10, 10, 20, 20), turned(500, 400, 90, 10, 30), boat(30, 30, 50, 60), ship([(0, 0), (9, 0), (0, 9)])]
    features = place_features(found, UTM, NoGround())
    assert [feature.detection for feature in features] == found
    assert [len(shape(f.footprint).exterior.coords) - 1 for f in features] == [4, 4, 4, 3]
    assert features[1].area_m2 == pytest.approx(90 * 10 * GSD_M**2, rel=2e-3)


def test_without_a_place_a_shape_has_none() -> None:
    far = affine("EPSG:3857", Affine(1e9, 0, 1e9, 0, -1e9, 1e9))
    [feature] = place_features([ship([(400, 100), (600, 300), (500, 400)])], far, NoGround())
    assert (feature.footprint, feature.center, feature.area_m2, feature.length_m) == (None, None, None, None)
