import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.errors import GeometryError, InputError
from batch_job.search.queries import BY_CONFIDENCE, BY_ID, images_under, page, to_query
from batch_job.values.place import LonLat
from batch_job.values.query import LabelQuery, LonLatBox, Near
from tests import golden_files


def read_query(given):
    within, near = given.pop("within", None), given.pop("near", None)
    return LabelQuery(
        within=within and LonLatBox(**within),
        near=near and Near(position=LonLat(lon=near["lon"], lat=near["lat"]), radius_m=near["radius_m"]),
        **given,
    )


@pytest.mark.parametrize("case", golden_files.cases("queries"), ids=lambda case: case.name)
def test_a_question_becomes_the_query_on_record(case):
    golden_files.check(case, to_query(read_query(golden_files.load(case))))


def test_a_page_starts_where_the_last_one_ended():
    first = page({"match_all": {}}, order=BY_CONFIDENCE, size=10, after=None)
    assert "search_after" not in first
    assert page({"match_all": {}}, order=BY_CONFIDENCE, size=10, after=(91.5, "ab")) == {
        **first,
        "search_after": [91.5, "ab"],
    }


@pytest.mark.parametrize("order", [BY_CONFIDENCE, BY_ID])
def test_every_order_ends_with_the_id_and_never_uses_what_old_servers_lack(order):
    assert order[-1] == {"id": "asc"}
    assert "_shard_doc" not in str(order)


def test_an_empty_prefix_means_the_whole_bucket():
    assert images_under("b", "") == {"bool": {"filter": [{"term": {"bucket": "b"}}]}}


longitudes = st.floats(min_value=-180, max_value=180)


@given(west=longitudes, east=longitudes, lon=longitudes)
def test_the_parts_of_a_box_hold_what_the_box_holds_and_cross_nothing(west, east, lon):
    if west == east:
        return
    parts = LonLatBox(west=west, south=-10.0, east=east, north=10.0).parts() if (west, east) != (180, -180) else ()
    inside = west < lon < east if west < east else lon > west or lon < east
    assert any(part.west <= lon <= part.east for part in parts) or not inside
    assert all(part.west < part.east for part in parts)
    if lon not in (west, east, 180, -180):
        assert any(part.west <= lon <= part.east for part in parts) == inside


@pytest.mark.parametrize(
    ("west", "south", "east", "north"),
    [
        (1, 2, 1, 3),
        (1, 3, 2, 3),
        (1, 3, 2, 2),
        (181, 0, 2, 2),
        (0, -91, 2, 2),
        (float("nan"), 0, 1, 1),
        (180, 0, -180, 1),
    ],
)
def test_a_box_that_cannot_be_is_refused(west, south, east, north):
    with pytest.raises(GeometryError):
        LonLatBox(west=west, south=south, east=east, north=north)


@pytest.mark.parametrize("radius_m", [0, -1, float("nan"), float("inf"), 3e7])
def test_a_distance_that_cannot_be_is_refused(radius_m):
    with pytest.raises(GeometryError, match="not a distance on Earth"):
        Near(position=LonLat(lon=0, lat=0), radius_m=radius_m)


@pytest.mark.parametrize(
    "moment", ["2026-05-31", "2026-05-31T09:30", "2026-05-31T09:30:00.5Z", "2026-05-31T09:30:00+02:00"]
)
def test_days_and_moments_are_taken(moment):
    assert LabelQuery(since=moment, until=moment).since == moment


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-13-01", "2026-02-30", "20260531", "2026-05-31 09:30", "", "now-1d"]
)
def test_what_is_no_moment_is_refused_with_an_example(moment):
    with pytest.raises(InputError, match="since must be like 2026-05-31 or"):
        LabelQuery(since=moment)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_under_one_is_refused(limit):
    with pytest.raises(InputError, match="limit"):
        LabelQuery(limit=limit)


@pytest.mark.parametrize("area", [{"type": "Point", "coordinates": [0, 0]}, {"type": "FeatureCollection"}, {}])
def test_an_area_that_is_no_polygon_is_refused(area):
    with pytest.raises(GeometryError, match="an area must be"):
        LabelQuery(area=area)
