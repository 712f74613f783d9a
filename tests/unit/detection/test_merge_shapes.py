"""Merging of turned boxes and polygons."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from batch_job.detection.dechip import dechip
from batch_job.detection.merge import _all_facts, merge
from batch_job.detection.polygons import to_ring
from batch_job.values.spaces import (
    ChipDetection,
    ChipGrid,
    ImageDetection,
    Kind,
    Label,
    PixelBox,
    PixelRing,
    Sides,
    Window,
)
from tests.golden_files import cases, check, load
from tests.ideal_detector import frame_of, windows_of
from tests.merge_reference import reference

SHIP, BOAT = Label("Ship"), Label("Boat")
LEFT, RIGHT = (
    Window(col_off=0, row_off=0, width=100, height=100),
    Window(col_off=80, row_off=0, width=100, height=100),
)
TWO = ChipGrid(image_width=180, image_height=100, chip_px=100, overlap_px=20)
GRIDS = ((1024, 204), (512, 102), (640, 128), (1024, 51))


def turned(col: float, row: float, length: float, width: float, angle: float) -> shapely.Polygon:
    upright = shapely.box(col - length / 2, row - width / 2, col + length / 2, row + width / 2)
    return affinity.rotate(upright, angle)


def outline(found: ImageDetection) -> shapely.Polygon:
    b = found.box
    return (
        shapely.box(b.min_col, b.min_row, b.max_col, b.max_row)
        if found.shape is None
        else shapely.Polygon(found.shape.points)
    )


def iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    return (one & other).area / (one | other).area


def see_one(
    polygon: shapely.Polygon, window: Window, grid: ChipGrid, label: Label = SHIP, confidence: float = 90.0
) -> ImageDetection:
    """What lies in the chip, as a detector of shapes gives it."""
    chip = affinity.translate(polygon, -window.col_off, -window.row_off)
    visible = chip & shapely.box(0, 0, window.width, window.height)
    found = ChipDetection(label, confidence, PixelBox(*visible.bounds), to_ring(visible))
    return dechip(found, frame_of(window), grid)


def land_of(window: Window) -> shapely.Polygon:
    return shapely.box(window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height)


def see(polygons: list[shapely.Polygon], grid: ChipGrid, *, turned_boxes: bool = False) -> list[ImageDetection]:
    """An ideal detector: of each object what is in the chip, or the smallest turned box around that, ended there."""
    seen = []
    tree = shapely.STRtree(polygons)
    for window in windows_of(grid):
        land = land_of(window)
        for which in sorted(tree.query(land).tolist()):
            visible = polygons[which] & land
            left, top, right, bottom = visible.bounds if visible.area else (0, 0, 0, 0)
            if min(right - left, bottom - top) >= 1 and visible.area >= 4:
                around = visible.minimum_rotated_rectangle if turned_boxes else visible
                confidence = 90 * visible.area / polygons[which].area
                seen.append(see_one(around, window, grid, confidence=confidence))
    return seen


def scene(rng: random.Random, grid: ChipGrid, *, count: int, sizes_px: tuple[float, float]) -> list[shapely.Polygon]:
    """Turned rectangles at least 3 px apart; their upright boxes may overlap."""
    whole = shapely.box(0, 0, grid.image_width, grid.image_height)
    planted: list[shapely.Polygon] = []
    for _ in range(count):
        length = rng.uniform(*sizes_px)
        col, row = rng.uniform(0, grid.image_width), rng.uniform(0, grid.image_height)
        one = turned(col, row, length, length * rng.uniform(0.2, 1), rng.uniform(0, 180))
        if whole.contains(one) and not (planted and shapely.distance(one, planted).min() < 3):
            planted.append(one)
    return planted


def wrong(planted: list[shapely.Polygon], merged: list[ImageDetection], *, at_least: float) -> tuple[int, int]:
    """Missed and extra, objects being found where the shapes agree so well."""
    outlines = [outline(found) for found in merged]
    tree = shapely.STRtree(outlines)
    taken: set[int] = set()
    for one in planted:
        near = [i for i in tree.query(one).tolist() if i not in taken and iou(outlines[i], one) >= at_least]
        taken.update(near[:1])
    return len(planted) - len(taken), len(merged) - len(taken)


@pytest.mark.parametrize(("chip_px", "overlap_px"), GRIDS)
def test_turned_objects_are_neither_missed_nor_doubled_and_come_out_as_they_are(chip_px: int, overlap_px: int) -> None:
    planted = 0
    for seed in range(2):
        rng = random.Random(seed)
        grid = ChipGrid(rng.randint(1500, 2200), rng.randint(1300, 1800), chip_px, overlap_px)
        objects = scene(rng, grid, count=150, sizes_px=(40, 300))
        seen = see(objects, grid)
        assert wrong(objects, merge(seen), at_least=0.99) == (0, 0)
        assert len(seen) > len(objects)
        planted += len(objects)
    assert planted > 60


@settings(deadline=None, max_examples=60)
@given(
    *(st.floats(low, high) for low, high in ((150, 850), (150, 650), (30, 280), (0.15, 1), (0, 180))),
    st.sampled_from(((256, 64), (300, 150), (512, 100))),
)
def test_one_turned_object_cut_by_a_grid_is_that_object(col, row, length, slim, angle, chips) -> None:
    grid, ship = ChipGrid(1000, 800, *chips), turned(col, row, length, max(length * slim, 12), angle)
    [merged] = merge(see([ship], grid))
    assert iou(outline(merged), ship) > 0.98
    assert merged.cut == Sides.NONE
    assert merged.box == (merged.box if merged.shape is None else merged.shape.box)


@settings(deadline=None, max_examples=60)
@given(
    *(st.floats(low, high) for low, high in ((150, 850), (150, 650), (60, 250), (0.25, 1), (0, 180))),
    st.sampled_from(((256, 64), (300, 150), (512, 100))),
)
def test_turned_boxes_around_what_each_chip_sees_are_one_object(col, row, length, slim, angle, chips) -> None:
    grid, ship = ChipGrid(1000, 800, *chips), turned(col, row, length, length * slim, angle)
    [merged] = merge(see([ship], grid, turned_boxes=True))
    assert iou(outline(merged), ship) > 0.6


@settings(deadline=None, max_examples=40)
@given(st.floats(60, 120), st.floats(30, 70), st.floats(15, 50), st.integers(3, 14), st.floats(0, 2))
def test_halves_of_a_polygon_are_that_polygon(col, row, radius, points, turn) -> None:
    angles = turn + np.arange(points) * 2 * np.pi / points
    whole = shapely.Polygon(np.column_stack((col + radius * np.cos(angles), row + radius * np.sin(angles))))
    whole &= shapely.box(0, 0, TWO.image_width, TWO.image_height)
    views = [see_one(whole, window, TWO) for window in (LEFT, RIGHT) if _shows(whole, window)]
    [merged] = merge(views)
    assert iou(outline(merged), whole) > 0.89


def _shows(polygon: shapely.Polygon, window: Window) -> bool:
    left, _, right, _ = polygon.bounds
    return min(right, window.col_off + window.width) - max(left, window.col_off) > 1


def test_the_union_of_a_bent_polygons_parts_stays_bent() -> None:
    corner = shapely.Polygon([(30, 20), (150, 20), (150, 40), (50, 40), (50, 90), (30, 90)])
    [merged] = merge([see_one(corner, window, TWO) for window in (LEFT, RIGHT)])
    assert iou(outline(merged), corner) > 0.999
    assert len(merged.windows) == 2


def test_parts_that_are_a_little_off_make_a_turned_rectangle() -> None:
    ship = turned(90, 50, 120, 24, 25)
    views = [
        see_one(affinity.translate(ship, 0, -1), LEFT, TWO),
        see_one(affinity.rotate(ship, 1.5), RIGHT, TWO),
    ]
    [merged] = merge(views)
    assert merged.shape is not None
    assert len(merged.shape.points) == 4
    assert iou(outline(merged), ship) > 0.85


def test_an_uncut_views_shape_wins() -> None:
    ship = turned(125, 50, 80, 12, 40)
    [merged] = merge([see_one(ship, LEFT, TWO), see_one(affinity.translate(ship, 1, 0), RIGHT, TWO)])
    assert iou(outline(merged), affinity.translate(ship, 1, 0)) > 0.9999
    assert merged.cut == Sides.NONE


def test_a_small_object_in_the_empty_corner_of_a_diagonal_ones_box_stays_itself() -> None:
    grid = ChipGrid(image_width=300, image_height=200, chip_px=200, overlap_px=100)
    ship, boat = turned(150, 100, 110, 14, 45), turned(175, 75, 36, 14, 45)
    assert shapely.box(*ship.bounds).contains(boat)
    left, right = windows_of(grid)
    merged = merge([see_one(one, window, grid) for one in (ship, boat) for window in (left, right)])
    assert sorted(round(outline(one).area) for one in merged) == [36 * 14, 110 * 14]
    # one chip saw the ship, whose box holds the boat that only the other one saw, and saw no end of
    apart = [see_one(ship, left, grid), replace(see_one(boat, right, grid), cut=Sides.LEFT)]
    assert len(merge(apart)) == 2


def test_of_an_overviews_diagonal_object_things_in_the_corners_of_its_box_are_no_crowd() -> None:
    whole = Window(col_off=0, row_off=0, width=400, height=400)
    ship = turned(200, 200, 400, 30, 45)
    seen = ImageDetection(SHIP, 90.0, Kind.OBJECT, PixelBox(*ship.bounds), (whole,), Sides.NONE, 4.0, to_ring(ship))
    window = Window(col_off=0, row_off=200, width=200, height=200)
    boats = [turned(80, 300, 30, 10, 20), turned(100, 340, 30, 10, 70)]
    found = [ImageDetection(SHIP, 80.0, Kind.OBJECT, PixelBox(*b.bounds), (window,), shape=to_ring(b)) for b in boats]
    assert len(merge([seen, *found])) == 3
    assert merge([replace(seen, shape=None), *found]) == found


def test_two_shapes_of_one_chip_never_merge() -> None:
    ship = turned(90, 50, 15, 8, 30)
    two = [see_one(ship, LEFT, TWO), see_one(affinity.translate(ship, 0.5, 0), LEFT, TWO, confidence=80.0)]
    assert len(merge(two)) == 2
    assert len(merge([*two, see_one(ship, RIGHT, TWO)])) == 2


def test_a_shape_and_a_box_of_one_object_are_one() -> None:
    ship = turned(90, 50, 18, 12, 10)
    boxed = replace(see_one(ship, RIGHT, TWO), shape=None, confidence=95.0)
    [merged] = merge([see_one(ship, LEFT, TWO), boxed])
    assert (merged.windows, merged.confidence) == ((LEFT, RIGHT), 95.0)


def test_a_long_object_that_the_overview_alone_sees_whole_has_its_shape() -> None:
    grid = ChipGrid(image_width=1000, image_height=800, chip_px=200, overlap_px=40)
    ship = turned(500, 400, 700, 60, 30)
    whole = Window(col_off=0, row_off=0, width=1000, height=800)
    coarse = ImageDetection(SHIP, 70.0, Kind.OBJECT, PixelBox(*ship.bounds), (whole,), Sides.NONE, 4.0, to_ring(ship))
    ends = see([ship], grid)[:3]
    [merged] = merge([coarse, *ends])
    assert iou(outline(merged), ship) > 0.9


def test_halves_that_end_short_of_the_border_are_one() -> None:
    grid = ChipGrid(image_width=192, image_height=100, chip_px=100, overlap_px=8)
    ship = turned(96, 50, 160, 30, 0.5)
    views = [
        see_one(ship & shapely.box(left, 0, right, 100), window, grid)
        for window, (left, right) in zip(windows_of(grid), ((0, 94.5), (98, 192)), strict=True)
    ]
    assert [view.cut for view in views] == [Sides.RIGHT, Sides.LEFT]
    assert all(view.shape is not None for view in views)
    assert len(merge(views)) == 1


def test_a_thin_diagonal_half_is_found_though_its_box_in_the_overlap_lies_elsewhere() -> None:
    grid = ChipGrid(image_width=500, image_height=300, chip_px=300, overlap_px=100)
    ship = turned(250, 150, 330, 12, 40)
    left, right = windows_of(grid)
    bent = shapely.Polygon([(150, 20), (160, 20), (240, 140), (420, 150), (420, 160), (230, 150)])
    for one in (ship, bent):
        assert len(merge([see_one(one, window, grid) for window in (left, right)])) == 1


def test_a_thin_diagonal_thing_of_the_overview_takes_in_what_a_chip_saw_of_it() -> None:
    whole = Window(col_off=0, row_off=0, width=400, height=400)
    ship, seen = turned(50, 50, 120, 14, 45), turned(40, 40, 62, 14, 45)
    coarse = ImageDetection(SHIP, 70.0, Kind.OBJECT, PixelBox(*ship.bounds), (whole,), Sides.NONE, 1.5, to_ring(ship))
    local = ImageDetection(SHIP, 90.0, Kind.OBJECT, PixelBox(*seen.bounds), (LEFT,), shape=to_ring(seen))
    [merged] = merge([coarse, local])
    assert merged.windows == (LEFT, whole)


def test_detections_that_differ_in_their_shape_alone_come_in_an_order_of_their_own() -> None:
    one, other = (PixelRing(points) for points in (((0, 0), (9, 0), (0, 9)), ((9, 9), (9, 0), (0, 9))))
    found = [ImageDetection(SHIP, 90.0, Kind.OBJECT, each.box, (LEFT,), shape=each) for each in (one, other)]
    assert merge(found) == merge(found[::-1])


@st.composite
def crowds(draw: st.DrawFn) -> list[ImageDetection]:
    """Up to 16 views of up to 5 objects, a little off, as boxes and shapes, some in a picture of the whole image."""
    chips = windows_of(ChipGrid(image_width=200, image_height=140, chip_px=100, overlap_px=50))
    whole = Window(col_off=0, row_off=0, width=200, height=140)
    ranges = ((20, 180), (20, 120), (8, 160), (4, 60), (0, 179))
    objects = [turned(*(draw(st.integers(*limits)) for limits in ranges)) for _ in range(draw(st.integers(1, 5)))]
    found = []
    for _ in range(draw(st.integers(min_value=0, max_value=16))):
        window = draw(st.sampled_from([*chips, *chips, whole]))
        off = [draw(st.integers(-4, 4)) for _ in range(3)]
        seen = affinity.rotate(affinity.translate(draw(st.sampled_from(objects)), *off[:2]), off[2])
        visible = seen & land_of(window)
        if visible.area < 4:
            continue
        label, confidence = draw(st.sampled_from((SHIP, SHIP, BOAT))), draw(st.sampled_from((60.0, 75.0, 90.0)))
        ring = to_ring(visible) if draw(st.integers(0, 3)) else None
        box = PixelBox(*visible.bounds) if ring is None else ring.box
        cut = Sides(draw(st.integers(0, 15))) if draw(st.integers(0, 3)) == 0 else _cut(box, window)
        px = 4.0 if window == whole else 1.0
        found.append(ImageDetection(label, confidence, Kind.OBJECT, box, (window,), cut, px, ring))
    return found


def _cut(box: PixelBox, window: Window) -> Sides:
    sides = Sides.NONE
    sides |= Sides.LEFT if box.min_col <= window.col_off + 2 else Sides.NONE
    sides |= Sides.TOP if box.min_row <= window.row_off + 2 else Sides.NONE
    sides |= Sides.RIGHT if box.max_col >= window.col_off + window.width - 2 else Sides.NONE
    sides |= Sides.BOTTOM if box.max_row >= window.row_off + window.height - 2 else Sides.NONE
    return sides


@settings(deadline=None, max_examples=150)
@given(crowds())
def test_objects_are_those_of_the_rule_done_slowly(detections: list[ImageDetection]) -> None:
    expected = reference(sorted(detections, key=_all_facts))
    merged = sorted(
        (one.label.name, one.confidence, (b.min_col, b.min_row, b.max_col, b.max_row), one.cut, len(one.windows))
        for one, b in ((one, one.box) for one in merge(detections))
    )
    assert merged == [facts[:5] for facts in expected]
    outlines = [outline(one) for one in merge(detections)]
    for shape in (facts[5] for facts in expected):
        assert shape is None or any(iou(shape, other) > 0.999 for other in outlines)


@settings(deadline=None)
@given(crowds(), st.randoms(use_true_random=False))
def test_neither_the_order_of_the_input_nor_merging_again_matters(
    detections: list[ImageDetection], rng: random.Random
) -> None:
    once = merge(detections)
    assert merge(rng.sample(detections, len(detections))) == once
    assert merge(once) == once


@pytest.mark.parametrize("case", cases("merge_shapes"), ids=lambda case: case.name)
def test_shapes_merge_as_recorded(case: Path) -> None:
    given_here = load(case)
    chips = [Window(*numbers) for numbers in given_here["windows"]]
    grid = ChipGrid(**given_here["grid"])
    detections = []
    for item in given_here["detections"]:
        ring = PixelRing(tuple(map(tuple, item["points"])))
        found = ChipDetection(Label(item["label"]), item["confidence"], ring.box, ring)
        detections.append(dechip(found, frame_of(chips[item["window"]]), grid))
    check(case, [_told(found, chips) for found in merge(detections)])


def _told(found: ImageDetection, chips: list[Window]) -> dict[str, object]:
    b, shape = found.box, found.shape
    return {
        "label": found.label.name,
        "confidence": found.confidence,
        "box": [round(edge, 3) for edge in (b.min_col, b.min_row, b.max_col, b.max_row)],
        "shape": None if shape is None else [[round(col, 3), round(row, 3)] for col, row in shape.points],
        "windows": [chips.index(window) for window in found.windows],
        "cut": [side.name for side in found.cut],
    }
