import numpy as np
import pytest
import shapely
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Polygon

from batch_job.place.outlines import SAMPLES, Outlines
from batch_job.place.polygons import clean, to_footprints, to_polygons
from tests.unit.place.rasters import assert_sound

INSIDE = (np.array([10.5]), np.array([50.5]))


def outlines_of(corners: list[tuple[float, float]]) -> Outlines:
    """A ring with straight edges."""
    points = np.array(corners, dtype=float)
    along = (np.arange(SAMPLES) / SAMPLES)[:, None]
    samples = (points[:, None] + (np.roll(points, -1, axis=0) - points)[:, None] * along).reshape(-1, 2)
    return Outlines(np.array([0]), samples[None, :, 0], samples[None, :, 1], np.array([0]))


def footprint_of(corners: list[tuple[float, float]]):
    return to_footprints(to_polygons(outlines_of(corners), INSIDE))[0]


def test_either_winding_becomes_counter_clockwise() -> None:
    square = [(10, 50), (11, 50), (11, 51), (10, 51)]
    for ring in (square, square[::-1]):
        found = footprint_of(ring)
        assert_sound(found)
        assert set(found.polygons[0][0]) == set(square)


@pytest.mark.parametrize(
    "ring",
    [
        [(10, 50), (10, 50), (10, 50), (10, 50)],
        [(10, 50), (11, 51), (12, 52), (11, 51)],
        [(10, 50), (10 + 4e-10, 50), (10 + 4e-10, 50 + 4e-10), (10, 50 + 4e-10)],
        [(10, 50), (11, 50), (11, 50 + 4e-9), (10, 50 + 4e-9)],
        [(180, 50), (180, 51), (180, 52), (180, 51)],
    ],
    ids=["point", "line", "below-the-grid", "thinner-than-1-mm", "along-180"],
)
def test_what_has_no_area_has_no_footprint(ring: list[tuple[float, float]]) -> None:
    assert footprint_of(ring) is None


def test_a_bow_tie_becomes_its_two_triangles() -> None:
    found = footprint_of([(10, 50), (11, 51), (11, 50), (10, 51)])
    assert_sound(found)
    assert len(found.polygons) == 2


def test_a_repeated_corner_is_dropped() -> None:
    found = footprint_of([(10, 50), (11, 50), (11, 50), (10, 51)])
    assert_sound(found)
    assert len(found.polygons[0][0]) == 4


def test_a_ring_that_touches_180_is_not_cut() -> None:
    for west, east in ((179, 180), (180, 181), (-181, -180), (179.0000000001, 180.0000000001)):
        found = footprint_of([(west, 50), (east, 50), (east, 51), (west, 51)])
        assert_sound(found)
        assert len(found.polygons) == 1


def test_a_sliver_beyond_180_is_dropped() -> None:
    found = footprint_of([(179, 50), (180 + 3e-9, 50), (180 + 3e-9, 51), (179, 51)])
    assert_sound(found)
    assert len(found.polygons) == 1


def test_a_ring_around_a_pole_that_starts_at_180_is_closed_over_it() -> None:
    lons = np.arange(-180.0, 180, 10)[None]
    outlines = Outlines(np.array([0]), lons, np.full_like(lons, 80), np.array([1]))
    (found,) = to_footprints(to_polygons(outlines, (np.array([0.0]), np.array([90.0]))))
    assert_sound(found)
    assert shapely.geometry.shape(found.to_geojson()).bounds == (-180, 80, 180, 90)


def test_only_polygons_survive_cleaning() -> None:
    mixed = GeometryCollection(
        [
            LineString([(0, 0), (1, 1)]),
            MultiPolygon([Polygon([(0, 0), (1, 0), (1, 1)]), Polygon([(5, 5), (6, 5), (6, 6)])]),
        ]
    )
    (found,) = to_footprints([clean(mixed)])
    assert_sound(found)
    assert len(found.polygons) == 2
    assert clean(LineString([(0, 0), (1, 1)])) is None


def test_footprints_keep_order_gaps_and_holes() -> None:
    ringed = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    several = MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)])
    found = to_footprints([None, ringed, several, None])
    assert [each and [len(polygon) for polygon in each.polygons] for each in found] == [None, [2], [1, 1], None]
    assert shapely.equals(shapely.geometry.shape(found[1].to_geojson()), ringed)
    assert to_footprints([None]) == [None]
    assert to_footprints([]) == []
