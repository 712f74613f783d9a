import numpy as np
from hypothesis import given, settings

from batch_job.imagery.grid import asked, count, overview_window, windows
from batch_job.imagery.overview import Overview
from batch_job.values.spaces import ChipGrid, Window
from tests.strategies import grids


def built(grid: ChipGrid, rgb: np.ndarray, valid: np.ndarray) -> Overview:
    overview = Overview(grid)
    for window in windows(grid):
        rows = slice(window.row_off, window.row_off + window.height)
        cols = slice(window.col_off, window.col_off + window.width)
        overview.add(window, rgb[:, rows, cols], valid[rows, cols])
    return overview


def test_every_pixel_of_the_overview_is_the_mean_of_what_it_covers():
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 255, size=(3, 120, 200), dtype=np.uint8)
    overview = built(ChipGrid(200, 120, chip_px=80, overlap_px=20, overview_px=40), rgb, np.ones((120, 200), bool))
    assert overview.rgb.shape == (3, 24, 40)
    assert overview.is_complete
    assert overview.valid.all()
    means = rgb.reshape(3, 24, 5, 40, 5).mean(axis=(2, 4))
    # a pixel over the edge of a chip is the mean of the larger part
    assert np.mean(np.abs(overview.rgb - means) <= 1) > 0.9


@settings(max_examples=25, deadline=None)
@given(grids())
def test_no_pixel_of_the_overview_is_left_out(grid: ChipGrid):
    grid = ChipGrid(grid.image_width, grid.image_height, grid.chip_px, grid.overlap_px, overview_px=64)
    overview = built(
        grid,
        np.full((3, grid.image_height, grid.image_width), 7, np.uint8),
        np.ones((grid.image_height, grid.image_width), bool),
    )
    assert (overview.rgb == 7).all()
    assert overview.valid.all()
    assert max(overview.rgb.shape) <= 64


def test_what_is_not_valid_in_the_chips_is_not_valid_in_the_overview():
    valid = np.ones((100, 100), bool)
    valid[:, :50] = False
    overview = built(
        ChipGrid(100, 100, chip_px=60, overlap_px=10, overview_px=50), np.zeros((3, 100, 100), np.uint8), valid
    )
    assert not overview.valid[:, :25].any()
    assert overview.valid[:, 25:].all()


def test_it_is_complete_once_every_chip_has_passed():
    overview = Overview(ChipGrid(100, 60, chip_px=60, overlap_px=10, overview_px=50))
    chip, mask = np.zeros((3, 60, 60), np.uint8), np.ones((60, 60), bool)
    overview.add(Window(0, 0, 60, 60), chip, mask)
    assert not overview.is_complete
    overview.add(Window(40, 0, 60, 60), chip, mask)
    assert overview.is_complete


def test_an_image_of_one_chip_has_no_overview():
    grid = ChipGrid(100, 60, chip_px=100, overlap_px=10, overview_px=50)
    assert (overview_window(grid), count(grid), list(asked(grid))) == (None, 1, [Window(0, 0, 100, 60)])


def test_the_overview_is_asked_about_last_and_counted():
    grid = ChipGrid(150, 60, chip_px=100, overlap_px=10, overview_px=50)
    assert list(asked(grid))[-1] == overview_window(grid) == Window(0, 0, 150, 60)
    assert count(grid) == len(list(asked(grid))) == 3
