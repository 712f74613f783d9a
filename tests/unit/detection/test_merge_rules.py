"""The ten rules of ``merge``, one after the other, with numbers on either side of each limit.

Nothing of the rules' own constants is imported: whoever changes one sees here which promise changes with it.
"""

import pytest

from batch_job.detection.dechip import dechip
from batch_job.detection.merge import merge
from batch_job.values.spaces import (
    ChipDetection,
    ChipFrame,
    ChipGrid,
    ImageDetection,
    Kind,
    Label,
    PixelBox,
    Sides,
    Window,
)

CAR, BOAT = Label("Car"), Label("Boat")
LEFT = Window(col_off=0, row_off=0, width=100, height=100)
RIGHT = Window(col_off=80, row_off=0, width=100, height=100)
WHOLE = Window(col_off=0, row_off=0, width=400, height=400)
"""The picture of the whole image; its pixels are four times as large."""
TO_THE_LEFT, TO_THE_RIGHT = Sides.LEFT, Sides.RIGHT


def left(*edges: float, label: Label = CAR, cut: Sides = Sides.NONE, confidence: float = 90.0) -> ImageDetection:
    return ImageDetection(label, confidence, Kind.OBJECT, PixelBox(*edges), (LEFT,), cut)


def right(*edges: float, label: Label = CAR, cut: Sides = Sides.NONE, confidence: float = 90.0) -> ImageDetection:
    return ImageDetection(label, confidence, Kind.OBJECT, PixelBox(*edges), (RIGHT,), cut)


def whole(*edges: float, label: Label = CAR, confidence: float = 90.0) -> ImageDetection:
    return ImageDetection(label, confidence, Kind.OBJECT, PixelBox(*edges), (WHOLE,), Sides.NONE, 4.0)


def region(window: Window, label: Label = CAR, confidence: float = 90.0) -> ImageDetection:
    box = PixelBox(window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height)
    return ImageDetection(label, confidence, Kind.REGION, box, (window,))


def count(*views: ImageDetection) -> int:
    return len(merge(views))


@pytest.mark.parametrize(
    ("edges", "cut"),
    [
        ((80.0, 10.0, 98.0, 30.0), TO_THE_RIGHT),  # two pixels
        ((80.0, 10.0, 97.5, 30.0), Sides.NONE),
        ((20.0, 10.0, 94.5, 30.0), TO_THE_RIGHT),  # 8 % of 74.5 px are 6
        ((26.0, 10.0, 94.0, 30.0), Sides.NONE),
        ((0.0, 0.0, 20.0, 100.0), Sides.NONE),  # the image's own edges
    ],
)
def test_rule_1_a_side_near_an_edge_of_its_chip_and_not_of_the_image_may_be_cut(edges, cut):
    found = ChipDetection(CAR, 90.0, PixelBox(*edges))
    grid = ChipGrid(image_width=180, image_height=100, chip_px=100, overlap_px=20)
    assert dechip(found, ChipFrame(LEFT, 100, 100, 100, 100), grid).cut == cut


def test_rule_2_only_the_ground_that_both_chips_see_is_compared():
    # of 160 columns both see 20, and there they say the same
    assert count(left(10, 10, 100, 40, cut=TO_THE_RIGHT), right(80, 10, 170, 40, cut=TO_THE_LEFT)) == 1


def test_rule_2_chips_that_see_no_ground_in_common_are_not_compared():
    far = Window(col_off=104, row_off=0, width=100, height=100)
    halves = [
        left(60, 10, 100, 40, cut=TO_THE_RIGHT),
        ImageDetection(CAR, 90.0, Kind.OBJECT, PixelBox(104, 10, 150, 40), (far,), TO_THE_LEFT),
    ]
    assert count(*halves) == 2


def test_rule_2_a_cut_side_is_first_moved_to_the_chips_edge():
    narrow = Window(col_off=95, row_off=0, width=100, height=100)
    halves = [
        left(10, 10, 94, 40, cut=TO_THE_RIGHT),
        ImageDetection(CAR, 90.0, Kind.OBJECT, PixelBox(101, 10, 185, 40), (narrow,), TO_THE_LEFT),
    ]
    assert count(*halves) == 1


@pytest.mark.parametrize(("gap", "objects"), [(0, 1), (3, 2)])
def test_rule_2_chips_that_only_touch_see_ground_in_common_at_their_edges(gap, objects):
    # each box ends 6 px from its chip's edge: 7 % of its width
    touching = Window(col_off=100 + gap, row_off=0, width=100, height=100)
    halves = [
        left(10, 10, 94, 40, cut=TO_THE_RIGHT),
        ImageDetection(CAR, 90.0, Kind.OBJECT, PixelBox(106 + gap, 10, 190, 40), (touching,), TO_THE_LEFT),
    ]
    assert count(*halves) == objects


@pytest.mark.parametrize(("row", "objects"), [(24, 1), (29, 2)])
def test_rule_3_of_a_part_more_than_half_lies_in_its_whole(row, objects):
    part = left(85, 10, 100, 40, cut=TO_THE_RIGHT)
    assert count(part, right(85, row, 130, row + 30)) == objects


def test_rule_3_what_ends_within_its_chip_is_no_part_of_what_goes_on():
    assert count(left(85, 10, 98, 40), right(85, 10, 130, 40)) == 2
    assert count(left(85, 10, 98, 40, cut=TO_THE_RIGHT), right(85, 10, 130, 40)) == 1
    assert count(left(85, 10, 98, 40, cut=Sides.TOP), right(85, 10, 130, 40)) == 2


def test_rule_3_of_halves_both_are_cut_towards_the_other():
    one, other = (60, 10, 100, 40), (80, 10, 130, 40)
    assert count(left(*one, cut=TO_THE_RIGHT), right(*other, cut=TO_THE_LEFT)) == 1
    assert count(left(*one), right(*other, cut=TO_THE_LEFT)) == 2
    assert count(left(*one, cut=TO_THE_RIGHT), right(*other)) == 2


@pytest.mark.parametrize(("down", "objects"), [(18, 1), (21, 2)])
def test_rule_3_halves_agree_on_a_quarter_of_the_ground_that_both_chips_see(down, objects):
    halves = left(10, 10, 100, 40, cut=TO_THE_RIGHT), right(80, 10 + down, 170, 40 + down, cut=TO_THE_LEFT)
    assert count(*halves) == objects


@pytest.mark.parametrize(("down", "objects"), [(11, 1), (14, 2)])
def test_rule_3_halves_agree_on_two_fifths_of_it_where_one_ends_further_from_its_edge_than_two_pixels(down, objects):
    def halves(end, begin):
        one, other = (10, 10, end, 40), (begin, 10 + down, 170, 40 + down)
        return left(*one, cut=TO_THE_RIGHT), right(*other, cut=TO_THE_LEFT)

    assert count(*halves(98, 82)) == 1
    assert count(*halves(97, 80)) == count(*halves(100, 83)) == objects


@pytest.mark.parametrize(("down", "objects"), [(12, 1), (16, 2)])
def test_rule_4_two_whole_views_of_one_object_are_alike(down, objects):
    assert count(left(81, 10, 99, 40), right(81, 10 + down, 99, 40 + down)) == objects


@pytest.mark.parametrize(("down", "objects"), [(2, 1), (4, 2)])
def test_rule_5_boxes_may_be_off_by_two_pixels(down, objects):
    assert count(left(81, 10, 99, 13), right(81, 10 + down, 99, 13 + down)) == objects


@pytest.mark.parametrize(("down", "objects"), [(8, 1), (14, 2)])
def test_rule_5_the_pixels_are_those_of_the_coarser_picture(down, objects):
    assert count(left(10, 50, 22, 62), whole(10, 50 + down, 22, 62 + down)) == objects


@pytest.mark.parametrize(("end", "objects"), [(1012, 1), (1018, 2)])
def test_rule_5_sides_of_large_boxes_may_be_off_by_a_twentieth(end, objects):
    one, other = Window(0, 0, 1000, 500), Window(800, 0, 1000, 500)
    views = [
        ImageDetection(CAR, 90.0, Kind.OBJECT, PixelBox(300, 100, 960, 400), (one,)),
        ImageDetection(CAR, 90.0, Kind.OBJECT, PixelBox(800, 100, end, 400), (other,), TO_THE_LEFT),
    ]
    assert count(*views) == objects


def test_rule_6_the_closest_are_joined_first():
    far, near = left(81, 3, 99, 33), left(81, 11, 99, 41)
    merged = merge([far, near, right(81, 10, 99, 40)])
    assert [one.windows for one in merged] == [(LEFT,), (LEFT, RIGHT)]
    assert merged[0] == far


def test_rule_6_two_views_of_one_chip_are_two_objects_whatever_others_see():
    assert count(left(81, 10, 99, 40), left(81, 11, 99, 41), right(81, 10, 99, 40), right(81, 11, 99, 41)) == 2


def test_rule_6_pairs_of_two_labels_come_last():
    car, boat = left(81, 14, 99, 44), left(81, 10, 99, 40, label=BOAT)
    merged = merge([car, boat, right(81, 10, 99, 40)])
    assert [(one.label, one.windows) for one in merged] == [(BOAT, (LEFT,)), (CAR, (LEFT, RIGHT))]


@pytest.mark.parametrize(("down", "objects"), [(4, 1), (8, 2)])
def test_rule_6_things_of_two_labels_lie_on_each_other(down, objects):
    assert count(left(81, 10, 99, 40), right(81, 10 + down, 99, 40 + down, label=BOAT)) == objects


def test_rule_6_one_of_two_labels_is_whole():
    part, half = right(80, 10, 130, 40, label=BOAT, cut=TO_THE_LEFT), left(60, 10, 100, 40, cut=TO_THE_RIGHT)
    assert count(half, part) == 2
    assert count(left(85, 10, 100, 40, cut=TO_THE_RIGHT), right(85, 10, 130, 40, label=BOAT)) == 1


def test_rule_7_the_box_is_an_uncut_views():
    cut, uncut = left(81, 8, 100, 42, cut=TO_THE_RIGHT), right(82, 10, 99, 40)
    assert [one.box for one in merge([cut, uncut])] == [uncut.box]


def test_rule_7_of_several_uncut_views_the_largest_counts():
    small, large = left(82, 11, 98, 39), right(81, 10, 99, 40)
    assert [one.box for one in merge([small, large])] == [large.box]
    assert [one.box for one in merge([left(81, 10, 99, 40), right(82, 11, 98, 39)])] == [large.box]


@pytest.mark.parametrize("edges", [(4, 44, 68, 96), (0, 36, 75, 105)])
def test_rule_7_the_finest_pictures_view_counts_though_a_coarser_one_is_larger(edges):
    fine = left(10, 50, 60, 90)
    assert [(one.box, one.resolution_px) for one in merge([fine, whole(*edges)])] == [(fine.box, 1.0)]


def test_rule_7_if_all_are_cut_the_box_is_around_them():
    halves = left(60, 12, 100, 40, cut=TO_THE_RIGHT), right(80, 10, 130, 41, cut=TO_THE_LEFT)
    assert [(one.box, one.cut) for one in merge(halves)] == [(PixelBox(60, 10, 130, 41), Sides.NONE)]


def test_rule_7_a_coarser_picture_mends_the_sides_that_no_chip_saw_and_no_others():
    cut = left(10, 50, 100, 100, cut=Sides.RIGHT | Sides.BOTTOM)
    [merged] = merge([cut, whole(2, 42, 300, 152)])
    assert (merged.box, merged.cut) == (PixelBox(10, 50, 300, 152), Sides.NONE)
    # within what a side of the coarser picture may be wrong, 8 px and a twentieth of 92 px, it mends nothing
    [merged] = merge([left(20, 50, 100, 90, cut=TO_THE_RIGHT), whole(20, 50, 112, 90)])
    assert merged.box == PixelBox(20, 50, 100, 90)


def test_rule_7_cut_names_the_sides_that_no_chip_saw_the_end_of():
    halves = left(60, 10, 100, 40, cut=TO_THE_RIGHT), right(80, 10, 180, 40, cut=Sides.LEFT | Sides.RIGHT)
    assert [one.cut for one in merge(halves)] == [TO_THE_RIGHT]


def test_rule_8_the_label_is_the_one_that_views_are_surest_of_together():
    below = Window(col_off=0, row_off=0, width=100, height=110)
    views = [
        left(81, 10, 99, 40, confidence=50.0),
        ImageDetection(CAR, 60.0, Kind.OBJECT, PixelBox(81, 10, 99, 41), (below,)),
        right(81, 10, 99, 40, label=BOAT, confidence=80.0),
    ]
    # the highest confidence, 80, is in another label
    assert [(one.label, one.confidence) for one in merge(views)] == [(CAR, 60.0)]


def test_rule_8_the_confidence_is_the_highest_whichever_view_gives_the_box():
    part, full = left(81, 10, 100, 40, confidence=88.0, cut=TO_THE_RIGHT), right(81, 10, 120, 40, confidence=70.0)
    assert [(one.confidence, one.box) for one in merge([part, full])] == [(88.0, full.box)]


CROWD = (8, 48, 80, 92)


@pytest.mark.parametrize(
    ("things", "is_left_out"),
    [
        ([(10, 50, 30, 90), (50, 50, 70, 90)], True),
        ([(10, 50, 30, 90)], False),  # one alone is no crowd
        ([(10, 50, 30, 90), (56, 50, 86, 90)], True),  # most of the second lies in it
        ([(10, 50, 30, 90), (70, 50, 99, 90)], False),  # a third of the second
    ],
)
def test_rule_9_a_coarse_pictures_box_around_two_things_that_chips_saw_is_left_out(things, is_left_out):
    boxes = {one.box for one in merge([*(left(*edges) for edges in things), whole(*CROWD)])}
    assert boxes == {PixelBox(*edges) for edges in things} | (set() if is_left_out else {PixelBox(*CROWD)})


def test_rule_9_things_of_another_label_are_no_crowd_of_it():
    things = left(10, 50, 30, 90, label=BOAT), left(50, 50, 70, 90, label=BOAT)
    assert count(*things, whole(*CROWD)) == 3
    assert count(*things, left(32, 50, 48, 90), whole(*CROWD)) == 4


@pytest.mark.parametrize(("row", "objects"), [(22.5, 2), (24.5, 3)])
def test_rule_9_things_beside_a_coarse_box_by_two_pixels_are_inside_it(row, objects):
    things = left(22, row, 25, row + 1), left(30, row, 33, row + 1)
    assert count(*things, whole(10, 20, 70, 22)) == objects


def test_rule_9_what_a_chip_saw_is_never_left_out():
    things = left(10, 50, 30, 90), left(50, 50, 70, 90)
    assert count(*things, left(*CROWD)) == 3


def test_rule_9_one_thing_that_two_chips_saw_is_one():
    assert count(left(82, 50, 98, 70), right(82, 50, 98, 70), whole(60, 40, 130, 110)) == 2


def test_rule_10_a_label_has_one_region_of_all_chips_that_carry_it_with_the_best_confidence():
    found = merge([region(LEFT, confidence=60.0), region(RIGHT, confidence=80.0), region(LEFT, BOAT, 70.0)])
    assert [(one.label, one.windows, one.confidence) for one in found] == [
        (BOAT, (LEFT,), 70.0),
        (CAR, (LEFT, RIGHT), 80.0),
    ]
    assert found[1].box == PixelBox(0, 0, 180, 100)


def test_rule_10_a_picture_of_the_whole_image_counts_only_where_no_chip_carries_the_label():
    found = merge([region(LEFT), region(WHOLE), region(WHOLE, BOAT)])
    assert [(one.label, one.windows) for one in found] == [(BOAT, (WHOLE,)), (CAR, (LEFT,))]


def test_rule_10_objects_of_the_label_are_no_part_of_its_region():
    assert [one.kind for one in merge([region(LEFT), left(10, 10, 20, 20)])] == [Kind.OBJECT, Kind.REGION]
