"""Drawn detections: where boxes and names go, and what the legend says."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batch_job.imagery.colours import colours_of
from batch_job.imagery.draw import DASH_PX, LEGEND_ROW_PX, NAMED_BOXES, REGION_STEP_PX, draw
from tests.search_examples import label

SIDE_PX = 300
GREY = np.full((3, SIDE_PX, SIDE_PX), 110, np.uint8)
ONLY = colours_of(["Car"])["Car"]
"""The colour of the one label of a picture."""
PAPER = (24, 26, 30)
KNOWN = ("Car", "Airplane", "Tree", "Swimming Pool", "Boat", "Building", "Parking Lot", "Harbor", "City")


def drawn(*labels, rgb=GREY, width: int = SIDE_PX, height: int = SIDE_PX) -> np.ndarray:
    """Rows, columns, RGB."""
    with Image.open(io.BytesIO(draw(rgb, labels, image_width=width, image_height=height))) as png:
        return np.asarray(png)


def box(left: float, top: float, right: float, bottom: float, *, name: str = "Car", kind: str = "object"):
    return label(0, label=name, kind=kind, pixel_box=(left, top, right, bottom), pixel_ring=None)


def is_changed(rgb: np.ndarray, original: np.ndarray = GREY) -> np.ndarray:
    rows = original.shape[1]
    return (rgb[:rows] != original.transpose(1, 2, 0)).any(axis=-1)


def has(rgb: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (rgb == colour).all(axis=-1)


def test_without_detections_the_image_is_untouched_and_the_legend_says_so():
    rgb = drawn()
    assert rgb.shape == (SIDE_PX + LEGEND_ROW_PX, SIDE_PX, 3)
    assert not is_changed(rgb).any()
    assert has(rgb[SIDE_PX:], (235, 235, 235)).any()


def test_a_polygon_is_drawn_along_its_edges_and_not_as_its_box():
    diamond = ((150.0, 50.0), (250.0, 150.0), (150.0, 250.0), (50.0, 150.0))
    rgb = drawn(label(0, label="Car", kind="object", pixel_box=(50, 50, 250, 250), pixel_ring=diamond))
    lines = has(rgb[:SIDE_PX], ONLY)
    assert all(lines[row - 2 : row + 2, col - 2 : col + 2].any() for col, row in ((100, 100), (200, 200), (150, 50)))
    assert not is_changed(rgb)[50:90, 50:90].any()
    assert not is_changed(rgb)[110:190, 110:190].any()


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column."""
    rows, cols = np.nonzero(mask)
    return rows.min(), rows.max(), cols.min(), cols.max()


def lines(rgb: np.ndarray, colour: tuple[int, int, int] = ONLY) -> np.ndarray:
    """Where lines are in the picture, which has no name but on paper."""
    return has(rgb[:SIDE_PX], colour) & ~on_paper(rgb)


def on_paper(rgb: np.ndarray) -> np.ndarray:
    """Within a name."""
    within = np.zeros((SIDE_PX, SIDE_PX), bool)
    if has(rgb[:SIDE_PX], PAPER).any():
        top, bottom, left, right = extent(has(rgb[:SIDE_PX], PAPER))
        within[top : bottom + 1, left : right + 1] = True
    return within


def test_a_box_is_drawn_around_its_object_and_not_over_it():
    rgb = drawn(box(100, 120, 160, 150))
    assert not is_changed(rgb)[120:150, 100:160].any()
    assert extent(lines(rgb)) == (118, 151, 98, 161)
    assert has(rgb, ONLY)[135, [98, 99, 160, 161]].all()


def test_a_small_box_has_a_thin_line():
    rgb = drawn(box(100, 120, 109, 150))
    assert not is_changed(rgb)[120:150, 100:109].any()
    assert extent(lines(rgb)) == (119, 150, 99, 109)


@pytest.mark.parametrize("brightness", [0, 110, 255])
def test_a_line_has_a_dark_edge_so_that_it_is_seen_on_any_ground(brightness: int):
    ground = np.full((3, SIDE_PX, SIDE_PX), brightness, np.uint8)
    across = drawn(box(100, 120, 160, 150), rgb=ground)[135, 95:104]
    assert [tuple(colour) for colour in across] == [
        *[(brightness,) * 3] * 2, (0, 0, 0), ONLY, ONLY, *[(brightness,) * 3] * 4
    ]  # fmt: skip


def test_no_edge_of_a_box_hides_the_line_of_another():
    rgb = drawn(box(100, 120, 160, 150), box(120, 100, 140, 170))
    assert has(rgb, ONLY)[118, [117, 116, 143, 144]].all()
    assert has(rgb, ONLY)[103, [118, 119]].all()


def test_boxes_are_scaled_with_the_overview():
    rgb = drawn(box(500, 1000, 1000, 2000), width=3000, height=3000)
    assert extent(lines(rgb)) == (98, 201, 48, 101)


def test_each_side_is_scaled_by_itself():
    rgb = drawn(box(0, 1000, 3000, 1500), rgb=GREY[:, :150], width=3000, height=3000)
    rows = np.nonzero(has(rgb[:150], ONLY)[:, 200])[0]
    assert (rows.min(), rows.max()) == (48, 76)


def test_a_region_is_dashed_inside_and_not_named():
    rgb = drawn(box(40, 60, 200, 220, name="Harbor", kind="region"))
    harbour = colours_of(["Harbor"])["Harbor"]
    assert not is_changed(rgb)[:60].any()
    top = has(rgb[61, 40:200], harbour)
    assert 0.4 < top.mean() < 0.65
    assert not top[DASH_PX + 2]
    assert not has(rgb[:SIDE_PX], PAPER).any()


def test_regions_of_the_same_chips_lie_within_each_other():
    names = ["City", "Harbor", "Airport"]
    rgb = drawn(*[box(20, 30, 250, 260, name=name, kind="region") for name in names])
    for n, name in enumerate(names):
        by_px = n * REGION_STEP_PX + 1
        seen = extent(has(rgb[:SIDE_PX], colours_of(names)[name]))
        assert seen == (30 + by_px, 259 - by_px, 20 + by_px, 249 - by_px)


def test_regions_with_one_common_side_are_seen_there_too():
    rgb = drawn(box(20, 30, 250, 260, name="City", kind="region"), box(20, 100, 150, 200, name="Harbor", kind="region"))
    colours = colours_of(["City", "Harbor"])
    column = rgb[110:190]
    assert has(column, colours["City"])[:, 21].any()
    assert has(column, colours["Harbor"])[:, 21 + REGION_STEP_PX].any()


def test_any_number_of_regions_of_a_few_pixels_can_be_drawn():
    tiny = [box(10, 10, 12, 12, name=name, kind="region") for name in KNOWN]
    assert drawn(*tiny).shape[1:] == (SIDE_PX, 3)


def test_a_region_of_the_whole_image_stays_within_it():
    changed = is_changed(drawn(box(0, 0, SIDE_PX, SIDE_PX, name="City", kind="region")))
    assert changed[1].any()
    assert changed[SIDE_PX - 2].any()
    assert changed[:, SIDE_PX - 2].any()


def test_a_name_stands_above_its_box_or_below_where_there_is_no_room():
    assert is_changed(drawn(box(100, 120, 160, 150)))[100:118, 100:160].any()
    below = is_changed(drawn(box(100, 2, 160, 30)))
    assert below[32:46, 100:160].any()


def test_names_are_left_out_when_they_would_hide_the_picture():
    boxes = [box(col, row, col + 2, row + 2) for row in range(10, 290, 20) for col in range(10, 290, 20)]
    assert len(boxes) > NAMED_BOXES
    assert not has(drawn(*boxes)[:SIDE_PX], PAPER).any()
    assert has(drawn(*boxes[:NAMED_BOXES])[:SIDE_PX], PAPER).any()


def test_names_end_where_the_picture_ends():
    rgb = drawn(box(270, 120, 295, 150, name="Swimming Pool"))
    paper = has(rgb[:SIDE_PX], PAPER)
    assert extent(paper)[3] == SIDE_PX - 1
    assert extent(paper)[2] < 220


def test_the_surest_of_two_that_crowd_is_named_first():
    surer = replace(box(112, 100, 122, 110), confidence=90.0)
    other = label(1, label="Car", kind="object", confidence=50.0, pixel_box=(100, 100, 110, 110), pixel_ring=None)
    for labels in ((surer, other), (other, surer)):
        assert is_changed(drawn(*labels))[85, [110, 140]].all()


def test_the_legend_is_as_wide_as_its_longest_entry():
    rgb = drawn(box(0, 0, 20, 20, name="Swimming Pool"), rgb=GREY[:, :40, :40], width=40, height=40)
    assert rgb.shape[1] > 100
    assert has(rgb[40:], (235, 235, 235))[:, 60:].any()


def test_the_legend_has_a_swatch_for_each_label_and_as_many_rows_as_it_needs():
    one = drawn(box(10, 10, 20, 20))
    many = drawn(*[box(10 + 20 * n, 10, 20 + 20 * n, 20, name=name) for n, name in enumerate(KNOWN)])
    assert one.shape[0] == SIDE_PX + LEGEND_ROW_PX
    assert (many.shape[0] - SIDE_PX) // LEGEND_ROW_PX > 2
    for colour in colours_of(KNOWN).values():
        assert has(many[SIDE_PX:], colour).sum() >= 100


def test_the_image_given_is_not_drawn_on():
    rgb = GREY.copy()
    rgb.setflags(write=False)
    drawn(box(10, 10, 50, 50), rgb=rgb)
    assert (rgb == GREY).all()


edges = st.floats(min_value=-50, max_value=350)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(edges, edges, st.floats(0.01, 200), st.floats(0.01, 200)), max_size=6), st.booleans())
def test_any_box_can_be_drawn_also_one_that_reaches_out_of_the_image(sizes, are_regions):
    kind = "region" if are_regions else "object"
    labels = [box(left, top, left + width, top + height, kind=kind) for left, top, width, height in sizes]
    assert drawn(*labels).shape[1:] == (SIDE_PX, 3)


@pytest.mark.parametrize("side_px", [1, 5])
def test_tiny_images_can_be_drawn(side_px):
    rgb = drawn(box(0, 0, 1, 1), rgb=GREY[:, :side_px, :side_px], width=side_px, height=side_px)
    assert rgb.shape[0] == side_px + LEGEND_ROW_PX
