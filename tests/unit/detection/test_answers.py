import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.detection.answers import parse
from batch_job.errors import AnswerError
from batch_job.values.answers import RawAnswer
from batch_job.values.spaces import ChipDetection, ChipFrame, PixelBox, Window
from tests.golden_files import cases, check, load

FRAME = ChipFrame(Window(col_off=0, row_off=0, width=200, height=100), 200, 100, 200, 100)
PADDED = ChipFrame(Window(col_off=0, row_off=0, width=40, height=30), 80, 80, 40, 30)


def read(engine: str, body: Any, frame: ChipFrame = FRAME, min_confidence: float = 0.0) -> list[ChipDetection]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return parse(RawAnswer(frame, engine=engine, body=raw), min_confidence=min_confidence)


def instance(*box: float, confidence: float = 90.0) -> dict[str, Any]:
    left, top, width, height = box
    return {
        "BoundingBox": {"Left": left, "Top": top, "Width": width, "Height": height},
        "Confidence": confidence,
    }


def label(
    name: str, *instances: dict[str, Any], parents: tuple[str, ...] = (), confidence: float = 95.0
) -> dict[str, Any]:
    return {
        "Name": name,
        "Confidence": confidence,
        "Instances": list(instances),
        "Parents": [{"Name": parent} for parent in parents],
    }


def rekognition(*labels: dict[str, Any]) -> dict[str, Any]:
    return {"Labels": list(labels), "LabelModelVersion": "3.0"}


def plain(geometry: Any, name: Any = "car", confidence: Any = 80) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": {"label": name, "confidence": confidence}}


def osml(**properties: Any) -> dict[str, Any]:
    classes = [{"iri": "airplane", "score": 0.5}]
    return {"type": "Feature", "geometry": None, "properties": {"featureClasses": classes, **properties}}


def line(*edges: Any) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": [list(edges[:2]), list(edges[2:])]}


@pytest.mark.parametrize("case", cases("answers"), ids=lambda case: case.name)
def test_answers_are_read_as_recorded(case: Path) -> None:
    given_here = load(case)
    col_off, row_off, width, height, *sizes = given_here["frame"]
    frame = ChipFrame(Window(col_off=col_off, row_off=row_off, width=width, height=height), *sizes)
    found = read(given_here["engine"], given_here["answer"], frame, given_here["min_confidence"])
    check(case, [_told(detection) for detection in found])


def _told(found: ChipDetection) -> dict[str, Any]:
    box, shape = found.box, found.shape
    points = {} if shape is None else {"shape": [[round(col, 6), round(row, 6)] for col, row in shape.points]}
    return {
        **points,
        "label": found.label.name,
        "terms": found.label.terms,
        "categories": found.label.categories,
        "confidence": found.confidence,
        "box": None if box is None else [round(e, 6) for e in (box.min_col, box.min_row, box.max_col, box.max_row)],
    }


def test_an_engine_without_a_parser_is_named() -> None:
    with pytest.raises(AnswerError, match=r"'crystal ball'.*rekognition, http"):
        read("crystal ball", {})


@pytest.mark.parametrize("engine", ["rekognition", "http"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[NaN]", b"\xff", b"[" * 5000, b"7", b"{}", b'"x"', b"null"])
def test_what_is_no_answer_is_refused(engine: str, body: bytes) -> None:
    with pytest.raises(AnswerError, match="answer about Window"):
        read(engine, body)


def test_an_ancestor_without_boxes_is_not_counted_again() -> None:
    found = read(
        "rekognition",
        rekognition(label("Vehicle"), label("Car", instance(0.1, 0.1, 0.2, 0.2), parents=("Vehicle",))),
    )
    assert [(d.label.name, d.label.terms) for d in found] == [("Car", ("Car", "Vehicle"))]


def test_an_ancestors_own_box_is_kept_and_its_copy_of_a_descendants_is_not() -> None:
    car, truck = instance(0.1, 0.1, 0.2, 0.2), instance(0.6, 0.6, 0.2, 0.2)
    found = read("rekognition", rekognition(label("Vehicle", car, truck), label("Car", car, parents=("Vehicle",))))
    assert [d.label.name for d in found] == ["Vehicle", "Car"]
    assert found[0].box == PixelBox(120.0, 60.0, 160.0, 80.0)


def test_an_ancestor_stays_when_its_descendants_are_below_the_confidence_asked_for() -> None:
    car = label("Car", instance(0.1, 0.1, 0.2, 0.2, confidence=40), parents=("Vehicle",))
    found = read("rekognition", rekognition(label("Vehicle"), car), min_confidence=55)
    assert [(d.label.name, d.box) for d in found] == [("Vehicle", None)]


def test_a_label_without_boxes_is_somewhere_in_the_chip_with_its_own_confidence() -> None:
    [found] = read("rekognition", rekognition(label("Harbor", confidence=61.25)))
    assert (found.box, found.confidence) == (None, 61.25)


def test_a_box_has_its_own_confidence() -> None:
    [found] = read("rekognition", rekognition(label("Car", instance(0, 0, 1, 1, confidence=71.5), confidence=99)))
    assert found.confidence == 71.5


def test_fractions_are_of_the_picture_with_its_padding() -> None:
    [found] = read("rekognition", rekognition(label("Car", instance(0.25, 0.125, 0.125, 0.125))), PADDED)
    assert found.box == PixelBox(20.0, 10.0, 30.0, 20.0)


def test_boxes_end_where_the_content_ends() -> None:
    [found] = read("rekognition", rekognition(label("Car", instance(-0.01, 0.25, 1.02, 0.5))), PADDED)
    assert found.box == PixelBox(0.0, 20.0, 40.0, 30.0)


def test_boxes_of_no_width_or_height_are_left_out_and_the_others_stay() -> None:
    car = instance(0.25, 0.25, 0.5, 0.5)
    odd = [instance(0.5, 0.5, 0, 0.2), instance(0.5, 0.5, 0.2, 0), instance(1, 0.2, 0, 0.1)]
    assert [d.box for d in read("rekognition", rekognition(label("Car", *odd, car)))] == [PixelBox(50, 25, 150, 75)]
    points = [plain({"type": "Point", "coordinates": [5, 5]}), plain(line(5, 5, 5, 9)), osml(imageBBox=[5, 5, 9, 5])]
    assert [d.box for one in points for d in read("http", [one, *points])] == []
    assert [d.box for d in read("http", [points[0], plain(line(1, 2, 3, 4))])] == [PixelBox(1, 2, 3, 4)]


def test_boxes_in_the_padding_are_left_out() -> None:
    assert read("rekognition", rekognition(label("Car", instance(0.6, 0.6, 0.2, 0.2))), PADDED) == []
    assert read("http", [plain(line(50, 50, 60, 60))], PADDED) == []


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ({}, r"Labels: expected an array, found None"),
        ({"Labels": [7]}, r"Labels\[0\]: expected an object"),
        (rekognition(label("")), r"Labels\[0\]\.Name"),
        (rekognition(label("x" * 300)), r"Labels\[0\]\.Name"),
        (rekognition(label("Car", confidence=101)), r"Labels\[0\]\.Confidence: expected 0 to 100, found 101"),
        ({"Labels": [{"Name": "Car", "Confidence": None}]}, r"Labels\[0\]\.Confidence"),
        (rekognition(label("Car", instance(0.5, 0, -0.1, 1))), r"Labels\[0\]\.Instances\[0\].*without an inside"),
        (rekognition(label("Car", instance(5, 5, 1, 1))), r"Instances\[0\]\.BoundingBox.*far outside"),
        (rekognition(label("Car", {"Confidence": 9})), r"BoundingBox: expected an object"),
        (rekognition(label("A"), {"Name": "B", "Confidence": 9, "Parents": [{}]}), r"Labels\[1\]\.Parents\[0\]\.Name"),
    ],
)
def test_a_broken_answer_of_rekognition_names_the_place(answer: Any, place: str) -> None:
    with pytest.raises(AnswerError, match=place):
        read("rekognition", answer)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": [[[10, 20], [30, 20], [30, 40], [10, 40], [10, 20]]]},
        {"type": "MultiPoint", "coordinates": [[10, 40, 7], [30, 20, 7]]},
        {"type": "MultiPolygon", "coordinates": [[[[10, 20], [30, 20], [20, 30]]], [[[20, 30], [20, 40], [25, 30]]]]},
        {
            "type": "GeometryCollection",
            "geometries": [{"type": "Point", "coordinates": [10, 20]}, line(15, 30, 30, 40)],
        },
    ],
    ids=lambda geometry: geometry["type"],
)
def test_any_geometry_gives_its_bounds(geometry: Any) -> None:
    expected = PixelBox(10.0, 20.0, 30.0, 40.0)
    assert [d.box for d in read("http", [plain(geometry)])] == [expected]
    assert [d.box for d in read("http", [osml(imageGeometry=geometry)])] == [expected]


def test_the_osml_box_goes_before_its_geometry() -> None:
    point = {"type": "Point", "coordinates": [15, 15]}
    [found] = read("http", [osml(imageBBox=[10, 10, 20, 20], imageGeometry=point)])
    assert found.box == PixelBox(10.0, 10.0, 20.0, 20.0)


def test_the_likeliest_osml_class_names_the_object_and_its_score_is_times_100() -> None:
    classes = [{"iri": "ship", "score": 0.25}, {"iri": "http://example.org/#Boat", "score": 0.75}]
    [found] = read("http", [osml(imageBBox=[1, 1, 9, 9], featureClasses=classes)])
    assert (found.label.name, found.confidence) == ("http://example.org/#Boat", 75.0)


def test_plain_features_may_come_as_an_array_or_as_a_collection() -> None:
    features = [plain(line(1, 2, 3, 4)), plain(None, confidence=12.5)]
    collection = {"type": "FeatureCollection", "features": features}
    assert read("http", features) == read("http", collection)
    assert [d.box for d in read("http", features)] == [PixelBox(1.0, 2.0, 3.0, 4.0), None]


def test_detections_below_the_confidence_asked_for_are_left_out() -> None:
    features = [plain(None, confidence=54.9), plain(None, confidence=55)]
    assert [d.confidence for d in read("http", features, min_confidence=55)] == [55.0]


@pytest.mark.parametrize(
    ("feature", "place"),
    [
        (7, r"features\[1\]: expected an object, found 7"),
        ({"type": "Feature", "geometry": None}, r"features\[1\]\.properties: expected an object"),
        (
            {"properties": {"bounds_imcoords": [1, 1, 2, 2], "feature_types": {}}},
            r"but \['bounds_imcoords', 'feature_types'",
        ),
        ({"properties": {"label": "car", "confidence": 5}}, r"geometry: missing"),
        (plain(line(1, 1, 5, 5), name=None), r"features\[1\]\.properties\.label"),
        (plain(line(1, 1, 5, 5), confidence=True), r"features\[1\]\.properties\.confidence"),
        (plain(line(1, 1, 5, 5), confidence="80"), r"features\[1\]\.properties\.confidence"),
        (plain(line(1, 1, 5, 5), confidence=-1), r"expected 0 to 100"),
        (plain({"type": "Point", "coordinates": [5]}), r"expected a position"),
        (plain({"type": "Polygon", "coordinates": []}), r"no positions"),
        (plain({"type": "Polygon"}), r"coordinates: expected an array"),
        (plain({"type": "Polygon", "coordinates": [[["a", 5]]]}), r"expected a number, found 'a'"),
        (plain(line(1, 1, 5000, 5)), r"features\[1\]\.geometry: .* far outside a chip of 200 x 100 px"),
        (plain(line(-150, -150, 5, 5)), r"far outside"),
        (osml(), r"neither imageBBox nor imageGeometry, but \['featureClasses'\]"),
        (osml(imageBBox=[1, 2, 3]), r"imageBBox: expected \[minx, miny, maxx, maxy\]"),
        (osml(imageBBox=[5, 5, 1, 1]), r"without an inside"),
        (osml(imageBBox=[1, 1, 5, 5], featureClasses=[]), r"featureClasses: empty"),
        (osml(imageBBox=[1, 1, 5, 5], featureClasses=[{"iri": "x", "score": 50}]), r"score: expected 0 to 1, found 50"),
        ({**osml(imageBBox=[1, 1, 5, 5]), "geometry": line(1, 1, 5, 5)}, r"geometry: expected null"),
    ],
)
def test_a_broken_feature_is_named_with_its_place(feature: Any, place: str) -> None:
    with pytest.raises(AnswerError, match=place):
        read("http", [plain(None), feature])


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(AnswerError):
        read("http", b'[{"geometry": null, "properties": {"label": "x", "confidence": 1e999}}]')


KEYS = [
    "Labels", "Name", "Confidence", "Instances", "BoundingBox", "Parents", "features", "properties", "geometry", "type",
    "coordinates", "label", "confidence", "featureClasses", "iri", "score", "imageBBox", "geometries",
]  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@given(st.sampled_from(["rekognition", "http"]), json_values)
def test_whatever_comes_is_read_or_refused_by_name(engine: str, answer: Any) -> None:
    wrapped = {"Labels": answer} if engine == "rekognition" else {"type": "FeatureCollection", "features": answer}
    try:
        found = read(engine, wrapped)
    except AnswerError:
        return
    for detection in found:
        assert 0 <= detection.confidence <= 100
        box = detection.box
        if box is not None:
            assert 0 <= box.min_col < box.max_col <= 200
            assert 0 <= box.min_row < box.max_row <= 100
            assert math.isfinite(box.width)
