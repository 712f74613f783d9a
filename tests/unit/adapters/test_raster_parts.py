import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.adapters.raster_parts import (
    LEAST_BLOCKS,
    PART_BYTES,
    SAMPLE_BLOCKS,
    SAMPLE_PIXELS,
    Layout,
    overview_size,
    parts_of,
    sample_of,
    sampled_sizes,
)

sides = st.integers(1, 100_000)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    width, height = draw(sides), draw(sides)
    block_width = draw(st.sampled_from([width, 128, 256, 512, 1024]))
    block_height = draw(st.sampled_from([1, 16, 128, 512])) if block_width == width else block_width
    return Layout(width, height, block_width, block_height, pixel_bytes=draw(st.integers(1, 64)))


@settings(max_examples=200, deadline=None)
@given(layouts(), st.integers(1, 200))
def test_every_pixel_of_an_overview_is_in_one_part(layout: Layout, max_px: int):
    rows, cols = overview_size(layout, max_px=max_px)
    assert max(rows, cols) <= max_px
    times = np.zeros((rows, cols), int)
    for part in parts_of(layout, rows=rows, cols=cols):
        times[part.rows, part.cols] += 1
        assert times[part.rows, part.cols].shape == part.size
    assert (times == 1).all()


@settings(max_examples=200, deadline=None)
@given(layouts(), st.integers(1, 200))
def test_a_part_is_of_whole_blocks_and_fits_in_memory_unless_it_is_one_block(layout: Layout, max_px: int):
    rows, cols = overview_size(layout, max_px=max_px)
    block_bytes = layout.block_width * layout.block_height * layout.pixel_bytes
    for part in parts_of(layout, rows=rows, cols=cols):
        window = part.window
        assert (window.col_off % layout.block_width, window.row_off % layout.block_height) == (0, 0)
        for end, block, whole in (
            (window.col_off + window.width, layout.block_width, layout.width),
            (window.row_off + window.height, layout.block_height, layout.height),
        ):
            assert end == whole or end % block == 0
        assert window.width * window.height * layout.pixel_bytes <= max(PART_BYTES, block_bytes)


@settings(max_examples=300, deadline=None)
@given(layouts(), st.sampled_from(SAMPLE_BLOCKS))
def test_a_sample_is_of_few_blocks_each_once_and_of_all_where_there_are_no_more(layout: Layout, blocks: int):
    sample = sample_of(layout, blocks=blocks)
    there = -(-layout.width // layout.block_width) * -(-layout.height // layout.block_height)
    assert len({(w.col_off, w.row_off) for w in sample}) == len(sample) <= blocks
    if layout.block_width * layout.block_height <= SAMPLE_PIXELS // SAMPLE_BLOCKS[0]:
        assert len(sample) == there if there <= blocks else len(sample) > blocks / 2
    else:
        assert len(sample) >= min(there, LEAST_BLOCKS) // 2
    for window in sample:
        assert (window.col_off % layout.block_width, window.row_off % layout.block_height) == (0, 0)
        assert window.col_off + window.width <= layout.width
        assert window.row_off + window.height <= layout.height


@settings(max_examples=100, deadline=None)
@given(st.integers(20, 400), st.integers(20, 400))
def test_a_sample_leaves_no_part_of_an_image_out(across: int, down: int):
    layout = Layout(across * 256, down * 256, 256, 256, pixel_bytes=2)
    sample = sample_of(layout, blocks=64)
    farthest_px = 1.5 * (layout.width * layout.height / 64) ** 0.5
    for values, length in (([w.col_off for w in sample], layout.width), ([w.row_off for w in sample], layout.height)):
        edges = np.array([0, *sorted(set(values)), length])
        assert np.diff(edges).max() <= max(farthest_px, length / 2 + 256)


@given(layouts(), st.integers(100, 1_000_000))
def test_a_sample_is_scaled_to_the_pixels_asked_for(layout: Layout, max_pixels: int):
    windows = sample_of(layout, blocks=64)
    sizes = sampled_sizes(windows, max_pixels=max_pixels)
    assert all(
        1 <= rows <= window.height and 1 <= cols <= window.width
        for window, (rows, cols) in zip(windows, sizes, strict=True)
    )
    rounded_up = sum(rows + cols for rows, cols in sizes)
    assert sum(rows * cols for rows, cols in sizes) <= max_pixels + rounded_up


def test_only_a_copy_that_gdal_would_read_and_that_is_small_counts():
    def layout(*shrinks: int) -> Layout:
        return Layout(100_000, 80_000, 512, 512, pixel_bytes=6, shrinks=shrinks)

    assert layout(2, 4, 8, 16, 32, 64, 128).has_copy_for(1024)
    assert layout(32).has_copy_for(1024)
    assert not layout().has_copy_for(1024)
    assert not layout(2, 4).has_copy_for(1024), "25,000 px a side would be read"
    assert not layout(500).has_copy_for(1024), "too small: GDAL would read the image itself"
