from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given

from batch_job.imagery.grid import count, windows
from batch_job.values.spaces import ChipGrid, Window
from tests.strategies import grids


@given(grids())
def test_every_pixel_is_in_some_chip(grid: ChipGrid):
    cut = list(windows(grid))
    cols = {(w.col_off, w.col_off + w.width) for w in cut}
    rows = {(w.row_off, w.row_off + w.height) for w in cut}
    assert len(cols) * len(rows) == len(cut)  # the windows are all pairs of these, so each axis speaks for itself
    for spans, length in ((sorted(cols), grid.image_width), (sorted(rows), grid.image_height)):
        assert (spans[0][0], spans[-1][1]) == (0, length)
        assert all(after[0] <= before[1] for before, after in pairwise(spans))


@given(grids())
def test_neighbours_share_at_least_the_overlap(grid: ChipGrid):
    spans = sorted({(w.col_off, w.col_off + w.width) for w in windows(grid)})
    assert all(before[1] - after[0] >= grid.overlap_px for before, after in pairwise(spans))


@given(grids())
def test_all_chips_have_one_size_which_is_the_chips_or_the_images(grid: ChipGrid):
    sizes = {(w.width, w.height) for w in windows(grid)}
    assert sizes == {(min(grid.chip_px, grid.image_width), min(grid.chip_px, grid.image_height))}


@given(grids())
def test_no_window_comes_twice_and_they_come_in_reading_order(grid: ChipGrid):
    places = [(w.row_off, w.col_off) for w in windows(grid)]
    assert places == sorted(places)
    assert max(Counter(places).values()) == 1


@given(grids())
def test_count_is_the_number_of_windows(grid: ChipGrid):
    assert count(grid) == sum(1 for _ in windows(grid))


def test_counting_makes_no_windows():
    grid = ChipGrid(image_width=10**9, image_height=10**9, chip_px=100, overlap_px=0)
    assert count(grid) == 10**14


@pytest.mark.parametrize(
    ("width", "offsets"),
    [(100, [0]), (1024, [0]), (1025, [0, 1]), (1844, [0, 820]), (1845, [0, 820, 821]), (2000, [0, 820, 976])],
)
def test_the_last_chip_is_pulled_back(width: int, offsets: list[int]):
    grid = ChipGrid(image_width=width, image_height=50, chip_px=1024, overlap_px=204)
    assert [w.col_off for w in windows(grid)] == offsets


def test_an_image_smaller_than_a_chip_is_one_chip():
    grid = ChipGrid(image_width=300, image_height=200, chip_px=1024, overlap_px=204)
    assert list(windows(grid)) == [Window(col_off=0, row_off=0, width=300, height=200)]
