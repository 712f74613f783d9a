"""Small strategies that several tests share."""

from hypothesis import strategies as st

from batch_job.values.spaces import ChipGrid, PixelBox, Window

sizes_px = st.integers(min_value=1, max_value=5000)


@st.composite
def grids(draw: st.DrawFn) -> ChipGrid:
    """Grids of up to a few hundred chips."""
    chip_px = draw(st.integers(min_value=80, max_value=1200))
    overlap_px = draw(st.integers(min_value=0, max_value=chip_px // 2))
    return ChipGrid(
        image_width=draw(sizes_px), image_height=draw(sizes_px), chip_px=chip_px, overlap_px=overlap_px
    )


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Windows near the origin."""
    offsets = st.integers(min_value=0, max_value=5000)
    return Window(col_off=draw(offsets), row_off=draw(offsets), width=draw(sizes_px), height=draw(sizes_px))


@st.composite
def boxes(draw: st.DrawFn, *, within_px: float = 1000.0) -> PixelBox:
    """Boxes inside a square of ``within_px``."""
    sides = st.floats(min_value=0.5, max_value=within_px / 2)
    starts = st.floats(min_value=0, max_value=within_px / 2)
    min_col, min_row = draw(starts), draw(starts)
    return PixelBox(min_col=min_col, min_row=min_row, max_col=min_col + draw(sides), max_row=min_row + draw(sides))
