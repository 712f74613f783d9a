"""Drawn detections: where boxes and names go, and what the legend says."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batch_job.imagery.draw import DASH_PX, LEGEND_ROW_PX, NAMED_BOXES, colours_of, draw
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
    return label(0, label=name, kind=kind, pixel_box=(left, top, right, bottom))


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


def test_a_box_is_drawn_around_its_object_and_not_over_it():
    rgb = drawn(box(100, 120, 160, 150))
    assert not is_changed(rgb)[121:149, 101:159].any()
    rows, cols = np.nonzero(has(rgb[:SIDE_PX], ONLY)[118:152, 98:162])
    assert (rows.min() + 118, rows.max() + 118, cols.min() + 98, cols.max() + 98) == (119, 150, 99, 160)


def test_boxes_are_scaled_with_the_overview():
    rgb = drawn(box(500, 1000, 1000, 2000), width=3000, height=3000)
    rows, cols = np.nonzero(has(rgb[98:210, 45:110], ONLY))
    assert (rows.min() + 98, rows.max() + 98, cols.min() + 45, cols.max() + 45) == (99, 200, 49, 100)


def test_each_side_is_scaled_by_itself():
    rgb = drawn(box(0, 1000, 3000, 1500), rgb=GREY[:, :150], width=3000, height=3000)
    rows = np.nonzero(has(rgb[:150], ONLY)[:, 200])[0]
    assert (rows.min(), rows.max()) == (49, 75)


def test_a_region_is_dashed_inside_and_not_named():
    rgb = drawn(box(40, 60, 200, 220, name="Harbor", kind="region"))
    assert not is_changed(rgb)[:60].any()
    top = has(rgb[61, 40:200], ONLY)
    assert 0.4 < top.mean() < 0.65
    assert not top[DASH_PX + 2]
    assert not has(rgb[:SIDE_PX], PAPER).any()


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


def test_the_legend_has_a_swatch_for_each_label_and_as_many_rows_as_it_needs():
    one = drawn(box(10, 10, 20, 20))
    many = drawn(*[box(10 + 20 * n, 10, 20 + 20 * n, 20, name=name) for n, name in enumerate(KNOWN)])
    assert one.shape[0] == SIDE_PX + LEGEND_ROW_PX
    assert (many.shape[0] - SIDE_PX) // LEGEND_ROW_PX > 2
    for colour in colours_of(KNOWN).values():
        assert has(many[SIDE_PX:], colour).sum() >= 100


def test_every_label_has_a_bright_colour_of_its_own_whatever_their_order():
    colours = colours_of(KNOWN)
    assert len(set(colours.values())) == len(KNOWN)
    assert all(max(colour) == 255 for colour in colours.values())
    assert colours_of(reversed(KNOWN * 2)) == colours


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
    assert rgb.shape[1] == side_px
