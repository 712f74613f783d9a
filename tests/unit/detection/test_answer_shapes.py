"""Shapes in answers: rings and turned boxes."""

import math
import random
from typing import Any

import orjson
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st
from shapely import affinity

from batch_job.detection.answers import parse
from batch_job.detection.answers.shapes import MAX_POINTS, PLAIN_POINTS
from batch_job.errors import AnswerError
from batch_job.values.answers import RawAnswer
from batch_job.values.spaces import ChipDetection, ChipFrame, PixelBox, Window

FRAME = ChipFrame(Window(col_off=0, row_off=0, width=200, height=100), 200, 100, 200, 100)
PADDED = ChipFrame(Window(col_off=0, row_off=0, width=40, height=30), 80, 80, 40, 30)
DIAMOND = [[50, 20], [80, 50], [50, 80], [20, 50], [50, 20]]
ORIGIN = {"type": "Point", "coordinates": [0, 0]}
GOOD = {"properties": {"label": "car", "confidence": 9}, "geometry": None}


def read(*features: dict[str, Any], frame: ChipFrame = FRAME) -> list[ChipDetection]:
    return parse(RawAnswer(frame, engine="http", body=orjson.dumps(list(features))))


def plain(*rings: Any, **properties: Any) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": list(rings)}
    return {"geometry": geometry, "properties": {"label": "ship", "confidence": 80, **properties}}


def turned(*numbers: Any) -> dict[str, Any]:
    return {"properties": {"label": "ship", "confidence": 80, "rotated_box": list(numbers)}}


def osml(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    return {"geometry": geometry, "properties": {"featureClasses": [{"iri": "ship", "score": 0.5}], **properties}}


def polygon(found: ChipDetection) -> shapely.Polygon:
    assert found.shape is not None
    assert found.shape.box == found.box
    return shapely.Polygon(found.shape.points)


@pytest.mark.parametrize(
    "feature",
    [
        plain(DIAMOND),
        plain(DIAMOND, [[45, 45], [55, 45], [50, 55], [45, 45]]),
        plain([[*point, 7.5] for point in DIAMOND[:-1]]),
        turned(50, 50, math.sqrt(1800), math.sqrt(1800), 45),
        osml(imageGeometry={"type": "Polygon", "coordinates": [DIAMOND]}, imageBBox=[0, 0, 100, 100]),
        osml(
            geom_imcoords=DIAMOND, bounds_imcoords=[20, 20, 80, 80], geometry={"type": "Point", "coordinates": [0, 0]}
        ),
    ],
)
def test_every_form_gives_the_same_diamond(feature: dict[str, Any]) -> None:
    [found] = read(feature)
    assert polygon(found).symmetric_difference(shapely.Polygon(DIAMOND)).area < 1e-6


def test_osmls_earlier_names_give_a_box_too() -> None:
    [found] = read(osml(geometry=ORIGIN, bounds_imcoords=[10, 20, 30, 40]))
    assert (found.box, found.shape) == (PixelBox(10, 20, 30, 40), None)


@given(st.floats(20, 180), st.floats(20, 80), st.floats(1, 60), st.floats(1, 60), st.floats(-400, 400, allow_nan=False))
def test_a_turned_box_turns_clockwise_as_the_picture_is_seen(
    col: float, row: float, width: float, height: float, angle: float
) -> None:
    upright = shapely.box(col - width / 2, row - height / 2, col + width / 2, row + height / 2)
    # shapely turns from x to y, which is clockwise where y is down
    expected = affinity.rotate(upright, angle, origin=(col, row)).intersection(shapely.box(0, 0, 200, 100))
    [found] = read(turned(col, row, width, height, angle))
    box = found.box
    assert box is not None
    got = polygon(found) if found.shape else shapely.box(box.min_col, box.min_row, box.max_col, box.max_row)
    assert got.symmetric_difference(expected).area < 0.01 * expected.area


def test_what_fills_its_box_is_a_box() -> None:
    [found] = read(plain([[10, 20], [30, 20], [30, 40], [10, 40], [10, 20]]))
    assert (found.box, found.shape) == (PixelBox(10, 20, 30, 40), None)
    assert [one.shape for one in read(turned(50, 50, 20, 10, 90))] == [None]


def test_a_shape_ends_where_the_content_ends() -> None:
    [found] = read(turned(40, 15, 20, 20, 45), frame=PADDED)
    assert polygon(found).bounds[2] == 40
    assert polygon(found).area == pytest.approx(200)


def test_of_a_ring_that_leaves_the_content_in_pieces_the_largest_is_kept() -> None:
    comb = [[100, 90], [150, 90], [150, 120], [120, 120], [120, 110], [110, 110], [110, 120], [100, 120]]
    fork = [[10, 120], [60, 120], [60, 70], [40, 70], [40, 110], [30, 110], [30, 90], [10, 90]]
    assert [one.box for one in read(plain(comb), plain(fork))] == [
        PixelBox(100, 90, 150, 100),
        PixelBox(40, 70, 60, 100),
    ]


def test_of_a_ring_that_crosses_itself_the_largest_part_is_taken() -> None:
    [found] = read(plain([[10, 10], [90, 70], [90, 10], [10, 30]]))
    assert polygon(found).is_valid
    assert polygon(found).bounds[2] == 90


@pytest.mark.parametrize(
    "nothing",
    [
        plain([[10, 10], [20, 20], [10, 10]]),
        plain([[10, 10]]),
        plain([[10, 10], [20, 20], [30, 30], [10, 10]]),
        plain([[10, 10], [10, 20], [10, 30]]),
        plain([[10, 10], [10.00001, 10], [10, 50]]),
        turned(50, 50, 0, 20, 30),
        turned(300, 50, 20, 20, 45),
        plain([[201, 1], [250, 50], [201, 99]]),
        # its box reaches the chip's corner, and it does not
        plain([[190, -100], [290, 0], [290, -100]]),
    ],
)
def test_what_shows_nothing_is_left_out_and_its_neighbours_stay(nothing: dict[str, Any]) -> None:
    assert len(read(GOOD, nothing, plain(DIAMOND))) == 2


@pytest.mark.parametrize(
    ("feature", "place"),
    [
        (plain([]), r"features\[1\]\.geometry\.coordinates\[0\]: expected up to 10,000 positions, found 0"),
        (plain([[1, 1]] * (MAX_POINTS + 1)), r"coordinates\[0\]: expected up to 10,000 positions, found 10,001"),
        (plain([[1, 1], [5, None], [5, 5]]), r"coordinates\[0\]\[1\]: expected a number, found None"),
        (plain([[1, 1], [5], [5, 5]]), r"coordinates\[0\]\[1\]: expected a position"),
        (plain([1, 1, 5, 5]), r"coordinates\[0\]\[0\]: expected an array, found 1"),
        (plain([[1, 1], [5000, 5], [5, 50]]), r"coordinates\[0\]: .* far outside a chip of 200 x 100 px"),
        (turned(50, 50, 20, 20), r"features\[1\]\.properties\.rotated_box: expected \[middle col"),
        (turned(50, 50, -20, 20, 0), r"rotated_box: a box of negative width or height"),
        (turned(50, 50, 20, "x", 0), r"rotated_box\[3\]: expected a number"),
        (turned(50, 50, 1e300, 1e300, 1e300), r"rotated_box: .* far outside"),
        (osml(geom_imcoords=7), r"properties\.geom_imcoords: expected an array"),
        (osml(bounds_imcoords=[1, 2]), r"properties\.bounds_imcoords: expected \[minx, miny, maxx, maxy\]"),
    ],
)
def test_a_broken_shape_is_named_with_its_place(feature: dict[str, Any], place: str) -> None:
    with pytest.raises(AnswerError, match=place):
        read(GOOD, feature)


def test_rings_of_masks_are_made_simpler_and_stay_within_half_a_pixel() -> None:
    steps = [[20 + n // 2, 20 + (n + 1) // 2] for n in range(100)]
    [found] = read(plain([*steps, [90, 15]]))
    assert found.shape is not None
    assert len(steps) + 1 > PLAIN_POINTS > len(found.shape.points)
    assert polygon(found).hausdorff_distance(shapely.Polygon([*steps, [90, 15]])) < 0.75


def near(length: int) -> st.SearchStrategy[float]:
    return st.integers(-60, length + 60) | st.floats(-60, length + 60)


@example([(0, 1), (0, -1e-205), (1, 1)], random.Random(0))
@given(st.lists(st.tuples(near(200), near(100)), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_whatever_ring_comes_what_is_read_is_valid_and_in_the_chip(points: list[Any], rng: random.Random) -> None:
    for found in read(plain(points), plain([*points, points[0]]), plain(rng.sample(points, len(points)))):
        box = found.box
        assert box is not None
        assert 0 <= box.min_col < box.max_col <= 200
        assert 0 <= box.min_row < box.max_row <= 100
        if found.shape is not None:
            assert polygon(found).is_valid
            assert found.shape.area == pytest.approx(polygon(found).area)
