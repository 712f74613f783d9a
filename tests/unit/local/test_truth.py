"""How what was found is held against what was planted."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from batch_job.values.spaces import PixelBox
from local.rekognition.labels import PALETTE_HUES
from local.truth import LabelledBox, TrueObject, boxes_of, compare, to_geojson

unhurried = settings(deadline=None)
"""Machines are shared: how long an example takes says nothing."""

labels = st.sampled_from(["Car", "Tree"])
corners = st.integers(0, 60)
sides = st.integers(4, 30)


@st.composite
def labelled_boxes(draw: st.DrawFn) -> LabelledBox:
    col, row = draw(corners), draw(corners)
    return LabelledBox(draw(labels), PixelBox(col, row, col + draw(sides), row + draw(sides)))


some_boxes = st.lists(labelled_boxes(), max_size=12)


def iou(one: LabelledBox, other: LabelledBox) -> float:
    a, b = one.box, other.box
    width = min(a.max_col, b.max_col) - max(a.min_col, b.min_col)
    height = min(a.max_row, b.max_row) - max(a.min_row, b.min_row)
    shared = max(width, 0) * max(height, 0)
    return shared / (a.width * a.height + b.width * b.height - shared)


@unhurried
@given(some_boxes)
def test_the_truth_compared_with_itself_is_all_matched(truth: list[LabelledBox]) -> None:
    comparison = compare(reversed(truth), truth)
    assert len(comparison.matched) == len(truth)
    assert (comparison.missed, comparison.extra) == ((), ())
    assert all(match.iou == pytest.approx(1) for match in comparison.matched)


@unhurried
@given(some_boxes, some_boxes)
def test_each_box_is_matched_once_or_named(found: list[LabelledBox], truth: list[LabelledBox]) -> None:
    comparison = compare(found, truth)
    seen = [match.found for match in comparison.matched] + list(comparison.extra)
    known = [match.truth for match in comparison.matched] + list(comparison.missed)
    assert sorted(map(repr, seen)) == sorted(map(repr, found))
    assert sorted(map(repr, known)) == sorted(map(repr, truth))
    for match in comparison.matched:
        assert match.found.label == match.truth.label
        assert match.iou == pytest.approx(iou(match.found, match.truth))
        assert match.iou >= 0.5


@unhurried
@given(some_boxes, some_boxes)
def test_no_pair_that_could_be_matched_is_left(found: list[LabelledBox], truth: list[LabelledBox]) -> None:
    comparison = compare(found, truth)
    for extra in comparison.extra:
        for missed in comparison.missed:
            assert extra.label != missed.label or iou(extra, missed) < 0.5


@unhurried
@given(some_boxes, some_boxes)
def test_missed_and_extra_are_swapped_with_the_sides(found: list[LabelledBox], truth: list[LabelledBox]) -> None:
    one, other = compare(found, truth), compare(truth, found)
    assert len(one.matched) == len(other.matched)
    assert len(one.missed) == len(other.extra)


@unhurried
@given(st.lists(st.tuples(corners, corners), min_size=1, max_size=8, unique=True), st.data())
def test_apart_objects_are_matched_as_by_the_best_assignment(
    places: list[tuple[int, int]], data: st.DataObject
) -> None:
    truth = [LabelledBox("Car", PixelBox(c * 40, r * 40, c * 40 + 30, r * 40 + 30)) for c, r in places]
    found = []
    for one in truth:
        for _ in range(data.draw(st.integers(0, 2))):
            off = data.draw(st.integers(-12, 12))
            box = one.box
            found.append(LabelledBox("Car", PixelBox(box.min_col + off, box.min_row, box.max_col + off, box.max_row)))
    costs = np.array([[iou(f, t) if iou(f, t) >= 0.5 else 0 for t in truth] for f in found]).reshape(-1, len(truth))
    rows, cols = linear_sum_assignment(costs, maximize=True)
    assert len(compare(found, truth).matched) == int((costs[rows, cols] > 0).sum())


def test_two_finds_of_one_object_are_one_match_and_one_extra() -> None:
    car = LabelledBox("Car", PixelBox(0, 0, 20, 20))
    off = LabelledBox("Car", PixelBox(1, 0, 21, 20))
    comparison = compare([off, car], [car])
    assert comparison.matched[0].found == car
    assert comparison.extra == (off,)


def test_the_wrong_label_is_missed_and_extra() -> None:
    box = PixelBox(0, 0, 20, 20)
    comparison = compare([LabelledBox("Car", box)], [LabelledBox("Boat", box)])
    assert (len(comparison.missed), len(comparison.extra)) == (1, 1)


def test_ten_thousand_objects_are_compared_without_looking_at_every_pair() -> None:
    dice = random.Random(0)
    truth = []
    for place in range(10_000):
        col, row = place % 100 * 100, place // 100 * 100
        truth.append(LabelledBox(dice.choice(list(PALETTE_HUES)), PixelBox(col, row, col + 50, row + 50)))
    shuffled = dice.sample(truth, len(truth))
    assert len(compare(shuffled, truth).matched) == 10_000


def test_a_truth_reads_back_and_other_features_are_passed_over() -> None:
    car = TrueObject("Car", PixelBox(1, 2, 30, 40), outline=((1, 2), (30, 2), (30, 40), (1, 2)))
    collection = to_geojson([car], None)
    others = [
        {"properties": {"kind": "region", "label": "Parking Lot", "pixel_box": [0, 0, 9, 9]}},
        {"properties": {"kind": "object", "label": "Vehicle", "pixel_box": [0, 0, 9, 9]}},
        {"properties": {"kind": "image", "status": "indexed"}},
    ]
    collection["features"] += others
    assert boxes_of(collection) == (LabelledBox("Car", car.box),)
