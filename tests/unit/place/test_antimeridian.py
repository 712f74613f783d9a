import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from batch_job.place.antimeridian import is_counter_clockwise, settle, split, turn_degrees, wrap_lons


@given(st.floats(-720, 720))
def test_a_step_is_taken_the_short_way(step: float) -> None:
    turned = float(turn_degrees(np.array(step)))
    assert -180 <= turned <= 180
    assert (step - turned) / 360 == pytest.approx(round((step - turned) / 360))


def test_longitudes_in_range_stay_exactly_as_they_are() -> None:
    given_lons = np.array([-180.0, 180.0, 0.1 + 0.2, 181.0, -190.0, 540.0])
    assert wrap_lons(given_lons).tolist() == [-180.0, 180.0, 0.1 + 0.2, -179.0, 170.0, -180.0]


@pytest.mark.parametrize(
    ("ring", "moved", "fits"),
    [
        ([170, 180], [170, 180], True),
        ([180, 190], [-180, -170], True),
        ([-190, -180], [170, 180], True),
        ([-180, 180], [-180, 180], True),
        ([0, 360], [-180, 180], True),
        ([-180.25, 180.25], [-180, 180], True),
        ([179, 181], [179, 181], False),
        ([-181, -179], [179, 181], False),
    ],
)
def test_rings_settle_within_180_where_they_can(ring: list[float], moved: list[float], fits: bool) -> None:  # noqa: FBT001
    lons, inside = settle(np.array([ring], dtype=float))
    assert lons.tolist() == [moved]
    assert inside.tolist() == [fits]


def test_a_ring_across_180_falls_into_two() -> None:
    cut = split(np.array([179.0, 181, 181, 179]), np.array([-1.0, -1, 1, 1]))
    assert cut.geom_type == "MultiPolygon"
    assert sorted(part.bounds for part in cut.geoms) == [(-180, -1, -179, 1), (179, -1, 180, 1)]


def test_a_ring_around_a_pole_is_closed_over_it() -> None:
    lons = np.arange(-170.0, 190, 20)
    north = split(lons, np.full(lons.shape, 80.0))
    assert shapely.intersects_xy(north, [0, 180, -180, 90], [90, 85, 81, 89]).all()
    assert not shapely.intersects_xy(north, 0, 79)
    south = split(lons[::-1], np.full(lons.shape, -80.0))
    assert shapely.intersects_xy(south, [0, 180], [-90, -85]).all()
    assert not shapely.intersects_xy(south, 0, 0)


@pytest.mark.parametrize("lat", [85.0, 20.0, -15.0])
def test_the_way_round_a_pole_tells_the_inside(lat: float) -> None:
    lons, lats = np.arange(0.0, 360, 20), np.full(18, lat)
    assert is_counter_clockwise(lons, lats, turns=1, inside=(0.0, 90.0))
    assert not is_counter_clockwise(lons[::-1], lats, turns=-1, inside=(0.0, 90.0))
    assert not is_counter_clockwise(lons, lats, turns=1, inside=(0.0, -90.0))
