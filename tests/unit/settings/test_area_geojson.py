"""What a file of an area of interest may say, and what each mistake in it is answered with."""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from batch_job.errors import SettingsError
from batch_job.settings.area import MAX_AREA_BYTES, area_digest, check_area_size, read_area_file, split_area_uri
from batch_job.settings.area_geojson import parse_area

NAME = "plans/area.geojson"
RING = [[9.0, 53.0], [10.0, 53.0], [10.0, 54.0], [9.0, 54.0], [9.0, 53.0]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}
MULTI = {"type": "MultiPolygon", "coordinates": [[RING]]}


def feature(geometry: Any = POLYGON, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def parse(said: Any):
    return parse_area(json.dumps(said).encode(), name=NAME)


@pytest.mark.parametrize(
    "said",
    [
        POLYGON,
        MULTI,
        {"type": "GeometryCollection", "geometries": [POLYGON]},
        {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [MULTI]}]},
        feature(),
        {"type": "Feature", "properties": None, "geometry": MULTI},
        collection(feature()),
        {**POLYGON, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
        {"type": "Polygon", "coordinates": [[[*position, 12.5] for position in RING]]},
        {"type": "Polygon", "coordinates": [RING[::-1]]},
    ],
)
def test_every_way_of_writing_polygons_is_understood(said):
    [one] = parse(said)
    assert (one.prefix, len(one.polygons)) == ("", 1)
    assert one.polygons[0].equals(shapely.box(9, 53, 10, 54))


def test_prefixes_stand_in_the_features_properties():
    found = parse(collection(feature(prefix="a/"), feature(), feature(prefix=""), feature(name="x", prefix=None)))
    assert [one.prefix for one in found] == ["a/", "", "", ""]


def moved(position: list[float], *, ring: list[list[float]] = RING) -> dict[str, Any]:
    """A polygon with another second position."""
    return {"type": "Polygon", "coordinates": [[ring[0], position, *ring[2:]]]}


def spiral(*, turns: int) -> dict[str, Any]:
    """A strip that goes east for some turns, and back beside itself."""
    lons = [(120 * n + 180) % 360 - 180 for n in range(3 * turns + 1)]
    ring = [[lon, 0] for lon in lons] + [[lon, 1] for lon in reversed(lons)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def test_a_strip_may_go_round_the_earth_and_over_its_own_beginning():
    [one] = parse(spiral(turns=2))
    assert one.polygons[0].equals(shapely.box(0, 0, 720, 1))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([1], "is no area: its type is None"),
        ({"type": "Topology", "objects": {}}, "its type is 'Topology', not FeatureCollection"),
        ({"type": "Point", "coordinates": [9, 53]}, "its type is 'Point'"),
        (collection(), "holds no polygon"),
        ({"type": "MultiPolygon", "coordinates": []}, "holds no polygon"),
        ({"type": "FeatureCollection", "features": {}}, "`features` is no list"),
        (collection(POLYGON), "feature 1 is no Feature"),
        (collection(feature(), feature(None, name="Pier")), "feature 2 (Pier) has no geometry: draw"),
        (collection({**feature(), "id": 7, "geometry": {"type": "LineString"}}), "feature 1 (7) is a LineString"),
        (
            collection(feature(), feature({"type": "MultiPolygon", "coordinates": []}, prefix="a/")),
            "feature 2 holds no polygon: draw one",
        ),
        (feature({"type": "GeometryCollection", "geometries": []}), "the feature holds no polygon"),
        (spiral(turns=3), "goes round the Earth more than twice"),
        (feature({"type": "Polygon", "coordinates": []}), "the feature has no ring"),
        (feature({"type": "Polygon"}), "the feature is no list"),
        (feature(prefix=["a/"]), "its property prefix is ['a/']"),
        (moved([500000, 5900000]), "(500000.0, 5900000.0) is no longitude and latitude in degrees; write it"),
        (moved([53.0, 95.0]), "(53.0, 95.0) is no longitude and latitude"),
        (moved([9.5]), "ring 1 is no list of positions"),
        (moved(["9.5", "53"]), "ring 1 is no list of positions"),
        (moved([True, False]), "ring 1 is no list of positions"),
        ({"type": "Polygon", "coordinates": [RING[:4]]}, "is not closed: its last position must be its first"),
        ({"type": "Polygon", "coordinates": [[RING[0], RING[1], RING[0]]]}, "has 3 positions: a ring has 4 at least"),
        ({"type": "Polygon", "coordinates": [RING, [RING[0]]]}, "ring 2 has 1 positions"),
        (moved([10.0, 54.5], ring=[*RING[:3], [9.0, 54.2], RING[4]]), "Self-intersection"),
        ({"type": "Polygon", "coordinates": [[RING[0], RING[1], RING[0], RING[0]]]}, "is no polygon in order"),
        ({"type": "Polygon", "coordinates": [[[0, 80], [120, 80], [-120, 80], [0, 80]]]}, "goes round a pole: draw"),
        (
            {**POLYGON, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}},
            "its crs is {",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_place(said, words):
    with pytest.raises(SettingsError) as caught:
        parse(said)
    assert str(caught.value).startswith(f"area_of_interest {NAME}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[NaN]", b"II*\x00"])
def test_what_is_no_json_is_told_apart(body):
    with pytest.raises(SettingsError, match="is not JSON"):
        parse_area(body, name=NAME)


PIECES = st.recursive(
    st.none() | st.booleans() | st.integers(-400, 400) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["type", "coordinates"]), inner),
    max_leaves=8,
)


@given(where=st.sampled_from([(), ("features",), ("features", 0), ("features", 0, "geometry")]), piece=PIECES)
def test_nothing_that_a_file_can_say_is_a_defect_of_ours(where, piece):
    said: Any = copy.deepcopy(collection(feature()))
    if where:
        at = said
        for step in where[:-1]:
            at = at[step]
        at[where[-1]] = piece
    else:
        said = piece
    with suppress(SettingsError):
        assert all(polygon.is_valid for one in parse(said) for polygon in one.polygons)


@pytest.mark.parametrize(
    ("lons", "expected"),
    [
        ((177, -178), (177, 182)),
        ((177, 182), (177, 182)),
        ((-183, -178), (-183, -178)),
        ((-180, 180), (-180, 180)),
        ((-180, 0), (-180, 0)),
        ((0, 360), (0, 360)),
        ((-100, 70), (-100, 70)),
    ],
)
def test_an_edge_longer_than_half_a_turn_is_the_short_one_unless_it_is_a_whole_turn(lons, expected):
    west, east = lons
    ring = [[west, -19], [east, -19], [east, -17], [west, -17], [west, -19]]
    [one] = parse({"type": "Polygon", "coordinates": [ring]})
    assert one.polygons[0].bounds == (expected[0], -19, expected[1], -17)


def test_a_ring_that_walks_to_180_and_on_from_minus_180_is_across_the_antimeridian():
    south, north = [[lon, -19] for lon in (179, 180, -180, -179)], [[lon, -17] for lon in (-179, -180, 180, 179)]
    [one] = parse({"type": "Polygon", "coordinates": [[*south, *north, south[0]]]})
    assert (one.polygons[0].bounds, one.polygons[0].area) == ((179, -19, 181, -17), 4)


def test_a_hole_goes_with_its_ring_across_the_antimeridian():
    shell = [[178, -19], [-178, -19], [-178, -17], [178, -17], [178, -19]]
    hole = [[-179, -18.5], [-179.5, -18.5], [-179.5, -17.5], [-179, -18.5]]
    [one] = parse({"type": "Polygon", "coordinates": [shell, hole]})
    assert one.polygons[0].area == pytest.approx(8 - 0.25)


def test_a_file_that_is_missing_or_too_large_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"area_of_interest .*gone.json: cannot be read: No such file"):
        read_area_file(str(tmp_path / "gone.json"))
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_area_file(str(tmp_path))
    with pytest.raises(SettingsError, match=r"16,777,217 bytes, where 16,777,216 are the most; .*ogr2ogr -simplify"):
        check_area_size("big.json", MAX_AREA_BYTES + 1)
    check_area_size("large.json", MAX_AREA_BYTES)
    sparse = tmp_path / "sparse.json"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(SettingsError, match="1,099,511,627,776 bytes"):
        read_area_file(str(sparse))


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket/a/", "s3:///a", "s3://b*/x", "s3://bu/a*"])
def test_a_uri_that_names_no_single_object_is_refused(uri):
    with pytest.raises(SettingsError, match="names no object"):
        split_area_uri(uri)


def test_a_name_by_content_is_the_contents_alone():
    assert area_digest(b"a") == area_digest(b"a") != area_digest(b"b")
    assert len(area_digest(b"")) == 32
