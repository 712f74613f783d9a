from dataclasses import replace

import numpy as np

from benchmarks.border_errors import Errors, merge_errors, plain_errors
from benchmarks.border_quality import Case, measure
from benchmarks.border_scene import IDEAL, KINDS, NOISY, Truth, Views, chip_frames
from benchmarks.merge import scattered

SMALL = replace(KINDS[1], count=60, width=2600, height=1800)
TRUTH = Truth(np.array([[10.0, 10, 50, 50], [100, 10, 140, 50]]), np.array([0, 1]))
HALF = [10.0, 10, 25, 50]


def views(boxes: list, labels: list[int], objects: list[int]) -> Views:
    count = len(boxes)
    frames = tuple(chip_frames(Case(SMALL, "1024/5 %", IDEAL, overview=False).grid))
    return Views(
        np.array(boxes), np.array(labels), np.full(count, 90.0), np.zeros(count, int), np.array(objects), frames
    )


def test_a_box_too_many_is_extra_and_an_object_without_its_box_is_missed():
    boxes = np.array([TRUTH.boxes[0], TRUTH.boxes[0] + 1, HALF])
    assert plain_errors(boxes, np.array([0, 0, 0]), TRUTH) == Errors(extra=2, missed=1)


def test_what_the_detector_got_wrong_is_not_the_merges_error():
    invention = [300.0, 300, 340, 340]
    seen = views([TRUTH.boxes[0], HALF, invention], [2, 0, 1], [0, 0, -1])
    found = np.array([TRUTH.boxes[0], invention])
    assert merge_errors(found, np.array([2, 1]), TRUTH, seen) == Errors(extra=0, missed=0)
    assert plain_errors(found, np.array([2, 1]), TRUTH) == Errors(extra=2, missed=2)


def test_a_half_left_over_is_extra_also_of_a_noisy_detector():
    seen = views([TRUTH.boxes[0], HALF], [0, 0], [0, 0])
    assert merge_errors(seen.boxes, seen.labels, TRUTH, seen) == Errors(extra=1, missed=0)


def test_ours_makes_no_error_on_what_an_ideal_detector_saw():
    for overview in (False, True):
        row = measure(Case(SMALL, "1024/5 %", IDEAL, overview=overview), range(2), peers=()).to_json()
        assert (row["ours_extra"], row["ours_missed"], row["detector"]) == (0, 0, "ideal")
        assert ("overview" in row["case"]) == overview
        assert row["sahi"] is None


def test_a_noisy_row_has_the_errors_against_the_plain_truth_too():
    row = measure(Case(SMALL, "512/20 %", NOISY, overview=False), [0], peers=()).to_json()
    assert row["ours_against_truth"] >= row["ours"]


def test_the_boxes_of_the_speed_benchmark_lie_in_their_chips():
    arrays = scattered(2000)
    windows = arrays["windows"][arrays["chips"]]
    assert len(arrays["boxes"]) == 2000
    assert (arrays["boxes"][:, :2] >= windows[:, :2]).all()
    assert (arrays["boxes"][:, 2:] <= windows[:, 2:]).all()
    assert (arrays["boxes"][:, :2] < arrays["boxes"][:, 2:]).all()
