import random
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.detection import candidates, glimpses, neighbours, overlaps
from batch_job.detection.glimpses import find_glimpses
from batch_job.detection.merge import _all_facts, merge
from batch_job.detection.views import SIDES, Views
from batch_job.values.spaces import ChipGrid, ImageDetection, Kind, Label, PixelBox, Sides, Window
from tests.golden_files import cases, check, load
from tests.ideal_detector import Errors, errors, park, plant, see, windows_of
from tests.merge_reference import reference

CAR, BOAT = Label("Car"), Label("Boat", parents=("Vehicle",))
LEFT, RIGHT = (
    Window(col_off=0, row_off=0, width=100, height=100),
    Window(col_off=80, row_off=0, width=100, height=100),
)
GRIDS = ((1024, 204), (512, 102), (640, 128))


def seen(
    *edges: float,
    label: Label = CAR,
    confidence: float = 90.0,
    window: Window = LEFT,
    cut: Sides = Sides.NONE,
    px: float = 1.0,
) -> ImageDetection:
    return ImageDetection(label, confidence, Kind.OBJECT, PixelBox(*edges), (window,), cut, px)


def region(*windows: Window, label: Label = CAR, confidence: float = 90.0) -> ImageDetection:
    last = windows[-1]
    box = PixelBox(windows[0].col_off, windows[0].row_off, last.col_off + last.width, last.row_off + last.height)
    return ImageDetection(label, confidence, Kind.REGION, box, windows)


@st.composite
def crowds(draw: st.DrawFn) -> list[ImageDetection]:
    """Up to 24 detections of two labels, many of them over one another, whole numbers so that ties happen.

    Some are seen in a picture of the whole image with pixels four times as large.
    """
    overlap_px = draw(st.sampled_from((50, 0, 10, 70)))
    chips = windows_of(ChipGrid(image_width=200, image_height=140, chip_px=100, overlap_px=overlap_px))
    whole = Window(col_off=0, row_off=0, width=200, height=140)
    found = []
    for _ in range(draw(st.integers(min_value=0, max_value=24))):
        window, label = draw(st.sampled_from([*chips, whole])), draw(st.sampled_from((CAR, BOAT)))
        confidence = draw(st.sampled_from((60.0, 75.0, 90.0)))
        if draw(st.integers(min_value=0, max_value=5)) == 0:
            found.append(region(window, label=label, confidence=confidence))
            continue
        width, height = draw(st.integers(1, window.width)), draw(st.integers(1, window.height))
        col, row = draw(st.integers(0, window.width - width)), draw(st.integers(0, window.height - height))
        low = (window.col_off + col, window.row_off + row)
        edges = (*low, low[0] + width, low[1] + height)
        cut = draw(st.sampled_from([Sides.NONE, at_edges(edges, window), Sides(draw(st.integers(0, 15)))]))
        px = 4.0 if window == whole else 1.0
        found.append(seen(*edges, label=label, confidence=confidence, window=window, cut=cut, px=px))
    return found


def at_edges(edges: tuple[float, ...], window: Window) -> Sides:
    limits = (window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height)
    return reduce(or_, (side for side, a, b in zip(SIDES, edges, limits, strict=True) if a == b), Sides.NONE)


@settings(deadline=None)
@given(crowds())
def test_objects_are_those_of_the_rule_done_slowly(detections: list[ImageDetection]) -> None:
    objects = [found for found in detections if found.kind is Kind.OBJECT]
    expected = reference(sorted(objects, key=_all_facts))
    merged = [
        (one.label.name, one.confidence, (b.min_col, b.min_row, b.max_col, b.max_row), one.cut)
        for one, b in ((one, one.box) for one in merge(objects))
    ]
    assert sorted(merged) == [facts[:4] for facts in expected]


@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(detections: list[ImageDetection], rng: random.Random) -> None:
    shuffled = rng.sample(detections, len(detections))
    assert merge(shuffled) == merge(detections)


@given(crowds())
def test_merging_again_changes_nothing(detections: list[ImageDetection]) -> None:
    once = merge(detections)
    assert merge(once) == once


@given(crowds())
def test_no_object_takes_two_views_of_one_chip(detections: list[ImageDetection]) -> None:
    objects = [found for found in detections if found.kind is Kind.OBJECT]
    # crowds of the coarse picture are left out
    for window in {found.windows[0] for found in objects if found.resolution_px == 1}:
        views = sum(window in found.windows for found in objects)
        merged = sum(window in found.windows for found in merge(objects))
        assert merged == views


@settings(deadline=None, max_examples=30)
@given(crowds())
def test_portions_do_not_show(detections: list[ImageDetection]) -> None:
    whole = merge(detections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "MAX_CANDIDATES", 1)
        patch.setattr(glimpses, "MAX_AT_ONCE", 1)
        patch.setattr(neighbours, "MAX_TRIED", 1)
        patch.setattr(overlaps, "MAX_AT_ONCE", 1)
        assert merge(detections) == whole


@pytest.mark.parametrize(("chip_px", "overlap_px"), GRIDS)
@pytest.mark.parametrize("jitter_px", [0.0, 1.0])
@pytest.mark.parametrize("sizes", ["small", "up to the overlap"])
def test_scattered_objects_are_neither_missed_nor_doubled(
    chip_px: int, overlap_px: int, jitter_px: float, sizes: str
) -> None:
    planted = 0
    for seed in range(3):
        rng = random.Random(seed)
        grid = ChipGrid(rng.randint(1100, 2200), rng.randint(1100, 1800), chip_px, overlap_px)
        sizes_px = (6.0, 40.0) if sizes == "small" else (12.0, float(overlap_px))
        objects = plant(rng, grid, count=500, sizes_px=sizes_px)
        merged = merge(see(rng, objects, grid, jitter_px=jitter_px))
        assert errors(objects, merged) == Errors(missed=0, extra=0)
        planted += len(objects)
    assert planted > 200


@pytest.mark.parametrize(("chip_px", "overlap_px"), GRIDS)
@pytest.mark.parametrize("car_px", [(12, 24), (25, 11)])
def test_parked_cars_three_pixels_apart_are_neither_missed_nor_doubled(
    chip_px: int, overlap_px: int, car_px: tuple[int, int]
) -> None:
    for seed in range(2):
        rng = random.Random(seed)
        grid = ChipGrid(rng.randint(1050, 1400), rng.randint(700, 1100), chip_px, overlap_px)
        objects = park(rng, grid, car_px=car_px)
        merged = merge(see(rng, objects, grid))
        assert errors(objects, merged) == Errors(missed=0, extra=0)


def test_the_ideal_detector_sees_doubles_for_merge_to_find() -> None:
    rng, grid = random.Random(1), ChipGrid(image_width=1300, image_height=900, chip_px=512, overlap_px=102)
    objects = park(rng, grid, car_px=(12, 24))
    unmerged = errors(objects, see(rng, objects, grid))
    assert unmerged.extra > len(objects) // 4


def test_a_sliver_joins_the_whole_object() -> None:
    whole = seen(85, 10, 120, 40, window=RIGHT)
    sliver = seen(98.5, 9, 100, 41, window=LEFT, confidence=30.0, cut=Sides.RIGHT)
    [merged] = merge([sliver, whole])
    assert (merged.box, merged.touches_edge, merged.windows) == (whole.box, False, (LEFT, RIGHT))


def test_a_sliver_a_pixel_beside_its_object_joins_it() -> None:
    whole = seen(50, 10, 79, 40, window=LEFT)
    sliver = seen(80, 10, 81, 40, window=RIGHT, cut=Sides.LEFT)
    assert len(merge([whole, sliver])) == 1


def test_halves_that_face_each_other_are_one_whole_object() -> None:
    left, right = seen(60, 10, 100, 40, cut=Sides.RIGHT), seen(80, 10, 130, 41, window=RIGHT, cut=Sides.LEFT)
    [merged] = merge([left, right])
    assert (merged.box, merged.cut, merged.windows) == (PixelBox(60, 10, 130, 41), Sides.NONE, (LEFT, RIGHT))


def test_an_object_of_which_an_end_was_not_seen_says_on_which_side() -> None:
    left = seen(60, 10, 100, 40, cut=Sides.RIGHT)
    right = seen(80, 10, 180, 40, window=RIGHT, cut=Sides.LEFT | Sides.RIGHT)
    [merged] = merge([left, right])
    assert (merged.cut, merged.touches_edge) == (Sides.RIGHT, True)


def test_halves_that_share_no_row_are_two_objects() -> None:
    halves = [seen(60, 10, 100, 40, cut=Sides.RIGHT), seen(80, 44, 130, 70, window=RIGHT, cut=Sides.LEFT)]
    assert len(merge(halves)) == 2


def test_three_parts_in_a_row_are_one_object() -> None:
    third = Window(col_off=160, row_off=0, width=100, height=100)
    parts = [
        seen(70, 10, 100, 40, cut=Sides.RIGHT),
        seen(80, 10, 180, 40, window=RIGHT, cut=Sides.LEFT | Sides.RIGHT),
        seen(160, 10, 190, 40, window=third, cut=Sides.LEFT),
    ]
    [merged] = merge(parts)
    assert (merged.box, merged.windows) == (PixelBox(70, 10, 190, 40), (LEFT, RIGHT, third))


def test_a_small_thing_in_the_corner_of_a_large_ones_box_stays_itself() -> None:
    large, small = seen(82, 5, 99, 95), seen(82, 6, 90, 14, window=RIGHT)
    assert len(merge([large, small])) == 2


def test_a_cut_view_is_no_part_of_what_ends_where_its_own_chip_begins() -> None:
    neighbours = [seen(50, 10, 80.5, 40), seen(82, 10, 112, 40, window=RIGHT, cut=Sides.LEFT)]
    assert len(merge(neighbours)) == 2


def test_an_overview_gives_the_sides_that_no_chip_saw() -> None:
    whole = Window(col_off=0, row_off=0, width=400, height=400)
    overview = seen(8, 48, 300, 152, window=whole, px=4.0, confidence=70.0)
    [merged] = merge([seen(10, 50, 100, 100, cut=Sides.RIGHT | Sides.BOTTOM), overview])
    assert merged.box == PixelBox(10, 50, 300, 152)
    assert (merged.cut, merged.confidence, merged.windows) == (Sides.NONE, 90.0, (LEFT, whole))


def test_an_uncut_view_of_a_chip_is_more_exact_than_an_overviews() -> None:
    whole = Window(col_off=0, row_off=0, width=400, height=400)
    local = seen(10, 50, 60, 90)
    [merged] = merge([local, seen(4, 44, 68, 96, window=whole, px=4.0)])
    assert (merged.box, merged.resolution_px) == (local.box, 1.0)


def test_an_overviews_box_around_several_things_that_chips_tell_apart_is_left_out() -> None:
    whole = Window(col_off=0, row_off=0, width=400, height=400)
    cars = [seen(10, 50, 30, 90), seen(34, 50, 54, 90), seen(58, 50, 78, 90)]
    crowd = seen(8, 48, 80, 92, window=whole, px=4.0)
    assert merge([*cars, crowd]) == cars
    other = replace(crowd, label=BOAT)
    assert merge([*cars, other]) == [other, *cars]


def test_two_names_for_one_object_become_the_surer_one() -> None:
    views = [seen(81, 10, 99, 40, confidence=70.0), seen(81, 10, 99, 40, label=BOAT, window=RIGHT, confidence=80.0)]
    [merged] = merge(views)
    assert (merged.label, merged.confidence) == (BOAT, 80.0)


def test_the_name_is_the_one_that_views_are_surest_of_together() -> None:
    below = Window(col_off=0, row_off=0, width=100, height=110)
    views = [
        seen(81, 10, 99, 40, confidence=50.0),
        seen(81, 10, 99, 40, label=BOAT, window=RIGHT, confidence=80.0),
        seen(81, 10, 99, 41, window=below, confidence=60.0),
    ]
    [merged] = merge(views)
    assert (merged.label, merged.confidence) == (CAR, 60.0)


def test_two_labels_that_a_chip_gives_one_box_stay_two() -> None:
    both = [seen(81, 10, 99, 40, label=label, window=window) for label in (CAR, BOAT) for window in (LEFT, RIGHT)]
    assert [(one.label, one.windows) for one in merge(both)] == [(BOAT, (LEFT, RIGHT)), (CAR, (LEFT, RIGHT))]


def test_an_overviews_region_counts_only_where_no_chip_carries_the_label() -> None:
    whole = Window(col_off=0, row_off=0, width=400, height=400)
    found = merge([region(LEFT), region(whole, confidence=95.0), region(whole, label=BOAT)])
    assert [(one.label, one.windows, one.confidence) for one in found] == [
        (BOAT, (whole,), 90.0),
        (CAR, (LEFT,), 95.0),
    ]


def test_the_box_is_the_uncut_views_though_a_cut_one_is_a_little_larger() -> None:
    cut, uncut = seen(81, 9, 100, 41, cut=Sides.RIGHT), seen(82, 11, 100, 39, window=RIGHT)
    [merged] = merge([cut, uncut])
    assert merged.box == uncut.box


def test_the_confidence_is_the_highest_of_all_views() -> None:
    whole = seen(81, 10, 120, 40, window=RIGHT, confidence=70.0)
    part = seen(81, 10, 100, 40, confidence=88.0, cut=Sides.RIGHT)
    [merged] = merge([whole, part])
    assert merged.confidence == 88.0


def test_things_of_two_labels_that_lie_elsewhere_in_the_chips_are_two() -> None:
    assert len(merge([seen(81, 10, 99, 40), seen(90, 10, 115, 40, label=BOAT, window=RIGHT)])) == 2


def test_two_detections_of_one_chip_are_two_objects() -> None:
    assert len(merge([seen(10, 10, 50, 50), seen(12, 12, 48, 48)])) == 2


def test_two_detections_of_one_chip_do_not_meet_in_a_third() -> None:
    merged = merge([seen(81, 10, 91, 40), seen(89, 10, 99, 40), seen(81, 10, 99, 40, window=RIGHT)])
    assert len(merged) == 2


def test_a_label_has_one_region_around_all_its_chips() -> None:
    far = Window(col_off=400, row_off=300, width=100, height=100)
    [merged] = merge([region(far, confidence=60.0), region(LEFT, confidence=80.0), region(LEFT, confidence=70.0)])
    assert merged == ImageDetection(
        CAR, 80.0, Kind.REGION, PixelBox(min_col=0, min_row=0, max_col=500, max_row=400), (LEFT, far)
    )


def test_objects_and_regions_of_a_label_stand_side_by_side() -> None:
    assert [found.kind for found in merge([region(LEFT), seen(10, 10, 20, 20)])] == [Kind.OBJECT, Kind.REGION]


def test_a_pile_is_not_compared_with_all_of_itself() -> None:
    count = 2000
    low = np.random.default_rng(1).uniform(82, 83, size=(count, 2))
    views = Views(
        boxes=np.concatenate((low, low + 10), axis=1),
        labels=np.zeros(count, np.int64),
        confidences=np.full(count, 90.0),
        chips=np.arange(count) % 2,
        cut=np.zeros(count, np.uint8),
        windows=np.array([[0, 0, 100, 100], [80, 0, 180, 100]], float),
        resolutions_px=np.ones(2),
    )
    pairs = overlaps.find_pairs(views, find_glimpses(views))
    assert count / 4 < len(pairs.first) <= candidates.NEAR_IN_PILE * count


def test_of_nothing_nothing_is_merged() -> None:
    assert merge([]) == []


@pytest.mark.parametrize("case", cases("merge"), ids=lambda case: case.name)
def test_detections_merge_as_recorded(case: Path) -> None:
    given_here = load(case)
    chips = [Window(*numbers) for numbers in given_here["windows"]]
    detections = [
        ImageDetection(
            Label(item["label"]),
            item["confidence"],
            Kind(item["kind"]),
            PixelBox(*item["box"]),
            (chips[item["window"]],),
            reduce(or_, (Sides[name] for name in item.get("cut", ())), Sides.NONE),
        )
        for item in given_here["detections"]
    ]
    check(case, [_told(found, chips) for found in merge(detections)])


def _told(found: ImageDetection, chips: list[Window]) -> dict[str, object]:
    box = found.box
    return {
        "label": found.label.name,
        "kind": found.kind,
        "confidence": found.confidence,
        "box": [box.min_col, box.min_row, box.max_col, box.max_row],
        "windows": [chips.index(window) for window in found.windows],
        "cut": [side.name for side in found.cut],
    }
