"""Small strategies that several tests share."""

from hypothesis import strategies as st

from batch_job.values.image import ImageRef
from batch_job.values.place import Footprint, LonLat
from batch_job.values.spaces import ChipFrame, ChipGrid, PixelBox, Window

sizes_px = st.integers(min_value=1, max_value=5000)


@st.composite
def grids(draw: st.DrawFn) -> ChipGrid:
    """Grids of up to a few hundred chips."""
    chip_px = draw(st.integers(min_value=80, max_value=1200))
    overlap_px = draw(st.integers(min_value=0, max_value=chip_px // 2))
    return ChipGrid(image_width=draw(sizes_px), image_height=draw(sizes_px), chip_px=chip_px, overlap_px=overlap_px)


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


names = st.text(min_size=1, max_size=12)
positions = st.builds(LonLat, lon=st.floats(min_value=-180, max_value=180), lat=st.floats(min_value=-90, max_value=90))
sizes = st.integers(min_value=1, max_value=100_000)
images = st.builds(ImageRef, bucket=names, key=names)


@st.composite
def footprints(draw: st.DrawFn) -> Footprint:
    """Footprints of one to three rectangles; they need not make sense on the ground."""
    shells = []
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        low, high = draw(positions), draw(positions)
        shells.append((((low.lon, low.lat), (high.lon, low.lat), (high.lon, high.lat), (low.lon, low.lat)),))
    return Footprint(tuple(shells))


@st.composite
def frames(draw: st.DrawFn) -> ChipFrame:
    """Frames, also scaled and padded ones."""
    width, height = draw(sizes), draw(sizes)
    return ChipFrame(
        draw(windows()),
        encoded_width=width + draw(st.integers(min_value=0, max_value=80)),
        encoded_height=height,
        content_width=width,
        content_height=height,
    )
