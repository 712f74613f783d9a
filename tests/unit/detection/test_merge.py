import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.detection import overlaps
from batch_job.detection.merge import merge
from batch_job.values.spaces import ChipGrid, ImageDetection, Kind, Label, PixelBox, Window
from tests.golden_files import cases, check, load
from tests.ideal_detector import Errors, errors, park, plant, see, windows_of

CAR, BOAT = Label("Car"), Label("Boat", parents=("Vehicle",))
LEFT, RIGHT = (
    Window(col_off=0, row_off=0, width=100, height=100),
    Window(col_off=80, row_off=0, width=100, height=100),
)
GRIDS = ((1024, 204), (512, 102), (640, 128))


def seen(
    *edges: float, label: Label = CAR, confidence: float = 90.0, window: Window = LEFT, cut: bool = False
) -> ImageDetection:
    box = PixelBox(*edges)
    return ImageDetection(label, confidence, Kind.OBJECT, box, (window,), touches_edge=cut)


def region(*windows: Window, label: Label = CAR, confidence: float = 90.0) -> ImageDetection:
    last = windows[-1]
    box = PixelBox(windows[0].col_off, windows[0].row_off, last.col_off + last.width, last.row_off + last.height)
    return ImageDetection(label, confidence, Kind.REGION, box, windows)


@st.composite
def crowds(draw: st.DrawFn) -> list[ImageDetection]:
    """Up to 24 detections of one or two labels, many of them over one another, whole numbers so that ties happen."""
    chips = windows_of(ChipGrid(image_width=200, image_height=140, chip_px=100, overlap_px=50))
    found = []
    for _ in range(draw(st.integers(min_value=0, max_value=24))):
        window, label = draw(st.sampled_from(chips)), draw(st.sampled_from((CAR, BOAT)))
        confidence = draw(st.sampled_from((60.0, 75.0, 90.0)))
        if draw(st.integers(min_value=0, max_value=5)) == 0:
            found.append(region(window, label=label, confidence=confidence))
            continue
        width, height = draw(st.integers(1, 100)), draw(st.integers(1, 100))
        col, row = draw(st.integers(0, 100 - width)), draw(st.integers(0, 100 - height))
        low = (window.col_off + col, window.row_off + row)
        edges = (*low, low[0] + width, low[1] + height)
        found.append(seen(*edges, label=label, confidence=confidence, window=window, cut=draw(st.booleans())))
    return found


def brute_force(detections: list[ImageDetection]) -> list[tuple[object, ...]]:
    """The rule of ``merge`` for objects, as its docstring states it, comparing all with all."""
    wholes: list[tuple[ImageDetection, set[Window], list[float]]] = []
    for view in sorted((d for d in detections if d.kind is Kind.OBJECT), key=_completeness):
        closest, best = None, 0.0
        for whole in wholes:
            # of equals the earlier counts as the larger
            small, large = sorted((view.box, whole[0].box), key=_area)
            if whole[0].label != view.label or whole[1] & set(view.windows):
                continue
            share = _shared(small, large, overlaps.JITTER_PX) / _area(small)
            closeness = share + _shared(small, large, 0) / _area(small)
            if share > overlaps.SAME_OBJECT_SHARE and closeness > best:
                closest, best = whole, closeness
        if closest is None:
            wholes.append((view, set(view.windows), [view.confidence]))
        else:
            closest[1].update(view.windows)
            closest[2].append(view.confidence)
    return sorted(
        (view.label.name, tuple(sorted(windows)), max(confidences), repr(view.box), view.touches_edge)
        for view, windows, confidences in wholes
    )


def _area(box: PixelBox) -> float:
    return box.width * box.height


def _shared(box: PixelBox, other: PixelBox, grow_px: float) -> float:
    cols = min(box.max_col, other.max_col + grow_px) - max(box.min_col, other.min_col - grow_px)
    rows = min(box.max_row, other.max_row + grow_px) - max(box.min_row, other.min_row - grow_px)
    return max(cols, 0) * max(rows, 0)


def _completeness(found: ImageDetection) -> tuple[object, ...]:
    box, grow_px = found.box, 0 if found.touches_edge else 2 * overlaps.JITTER_PX
    size = (box.width + grow_px) * (box.height + grow_px)
    edges = (box.min_row, box.min_col, box.max_row, box.max_col)
    return (-size, found.label.name, *edges, -found.confidence, found.windows, found.touches_edge)


@given(crowds())
def test_objects_are_those_of_the_brute_force_rule(detections: list[ImageDetection]) -> None:
    merged = [
        (found.label.name, found.windows, found.confidence, repr(found.box), found.touches_edge)
        for found in merge(detections)
        if found.kind is Kind.OBJECT
    ]
    assert sorted(merged) == brute_force(detections)


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
    for window in {found.windows[0] for found in objects}:
        views = sum(window in found.windows for found in objects)
        merged = sum(window in found.windows for found in merge(objects))
        assert merged == views


@settings(deadline=None, max_examples=30)
@given(crowds())
def test_portions_do_not_show(detections: list[ImageDetection]) -> None:
    whole = merge(detections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, "MAX_CANDIDATES", 1)
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
    sliver = seen(98.5, 9, 100, 41, window=LEFT, confidence=30.0, cut=True)
    [merged] = merge([sliver, whole])
    assert (merged.box, merged.touches_edge, merged.windows) == (whole.box, False, (LEFT, RIGHT))


def test_a_sliver_a_pixel_beside_its_object_joins_it() -> None:
    whole = seen(50, 10, 79, 40, window=LEFT)
    sliver = seen(80, 10, 81, 40, window=RIGHT, cut=True)
    assert len(merge([whole, sliver])) == 1


def test_an_object_without_an_uncut_view_says_so() -> None:
    views = [seen(60, 10, 100, 40, cut=True), seen(80, 10, 130, 40, window=RIGHT, cut=True)]
    [merged] = merge([views[0], seen(80, 10, 102, 40, window=RIGHT, cut=True)])
    assert merged.touches_edge
    assert merged.box == views[0].box


def test_the_box_is_the_uncut_views_though_a_cut_one_is_a_little_larger() -> None:
    cut, uncut = seen(60, 9, 100, 41, cut=True), seen(61, 11, 100, 39, window=RIGHT)
    [merged] = merge([cut, uncut])
    assert merged.box == uncut.box


def test_the_confidence_is_the_highest_of_all_views() -> None:
    whole, part = seen(81, 10, 120, 40, window=RIGHT, confidence=70.0), seen(81, 10, 100, 40, confidence=88.0)
    [merged] = merge([whole, part])
    assert merged.confidence == 88.0


def test_labels_are_not_merged_with_each_other() -> None:
    assert len(merge([seen(81, 10, 99, 40), seen(81, 10, 99, 40, label=BOAT, window=RIGHT)])) == 2


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
            touches_edge=item.get("touches_edge", False),
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
        "touches_edge": found.touches_edge,
    }
