import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from batch_job.detection.dechip import EDGE_TOLERANCE_PX, EDGE_TOLERANCE_SHARE, dechip
from batch_job.errors import GeometryError
from batch_job.values.spaces import ChipDetection, ChipFrame, ChipGrid, Kind, Label, PixelBox, PixelRing, Sides, Window
from tests.strategies import windows

CAR = Label("Car", parents=("Vehicle",))
GRID = ChipGrid(image_width=300, image_height=300, chip_px=100, overlap_px=20)
MIDDLE = Window(col_off=80, row_off=80, width=100, height=100)
CORNER = Window(col_off=0, row_off=0, width=100, height=100)
LAST = Window(col_off=200, row_off=200, width=100, height=100)


def plain(window: Window) -> ChipFrame:
    return ChipFrame(window, window.width, window.height, window.width, window.height)


def car(*edges: float) -> ChipDetection:
    return ChipDetection(CAR, 90.0, PixelBox(*edges))


@st.composite
def frames(draw: st.DrawFn) -> ChipFrame:
    """Frames whose content is scaled down or not, with or without padding."""
    window = draw(windows())
    content = (draw(st.integers(1, window.width)), draw(st.integers(1, window.height)))
    padding = st.integers(min_value=0, max_value=80)
    return ChipFrame(window, content[0] + draw(padding), content[1] + draw(padding), *content)


@st.composite
def frames_with_boxes(draw: st.DrawFn) -> tuple[ChipFrame, PixelBox]:
    frame = draw(frames())
    starts, ends = st.floats(min_value=0, max_value=0.49), st.floats(min_value=0.5, max_value=1)
    return frame, PixelBox(
        min_col=draw(starts) * frame.content_width,
        min_row=draw(starts) * frame.content_height,
        max_col=draw(ends) * frame.content_width,
        max_row=draw(ends) * frame.content_height,
    )


def grid_around(window: Window) -> ChipGrid:
    return ChipGrid(
        image_width=window.col_off + window.width,
        image_height=window.row_off + window.height,
        chip_px=100,
        overlap_px=20,
    )


@given(frames_with_boxes())
def test_a_dechipped_box_goes_back_to_where_it_was_in_the_chip(framed: tuple[ChipFrame, PixelBox]) -> None:
    frame, box = framed
    window = frame.window
    there = dechip(ChipDetection(CAR, 90.0, box), frame, grid_around(window)).box
    back = (
        (there.min_col - window.col_off) / window.width * frame.content_width,
        (there.min_row - window.row_off) / window.height * frame.content_height,
        (there.max_col - window.col_off) / window.width * frame.content_width,
        (there.max_row - window.row_off) / window.height * frame.content_height,
    )
    assert back == pytest.approx((box.min_col, box.min_row, box.max_col, box.max_row), abs=1e-6)


@given(frames_with_boxes())
def test_a_dechipped_box_lies_in_the_window(framed: tuple[ChipFrame, PixelBox]) -> None:
    frame, box = framed
    window = frame.window
    there = dechip(ChipDetection(CAR, 90.0, box), frame, grid_around(window)).box
    assert window.col_off <= there.min_col < there.max_col <= window.col_off + window.width
    assert window.row_off <= there.min_row < there.max_row <= window.row_off + window.height


def test_a_box_is_scaled_by_window_over_content_then_shifted() -> None:
    frame = ChipFrame(MIDDLE, encoded_width=80, encoded_height=80, content_width=50, content_height=25)
    found = dechip(car(10, 5, 20, 10), frame, GRID)
    assert found.box == PixelBox(min_col=100, min_row=100, max_col=120, max_row=120)
    assert (found.label, found.confidence, found.kind, found.windows) == (CAR, 90.0, Kind.OBJECT, (MIDDLE,))


def test_what_has_no_box_is_a_region_of_the_whole_window() -> None:
    found = dechip(ChipDetection(CAR, 70.0, box=None), plain(MIDDLE), GRID)
    assert (found.kind, found.windows, found.touches_edge) == (Kind.REGION, (MIDDLE,), False)
    assert found.box == PixelBox(min_col=80, min_row=80, max_col=180, max_row=180)


def test_what_rounding_puts_outside_is_clamped() -> None:
    frame = ChipFrame(Window(col_off=0, row_off=0, width=49, height=49), 80, 80, 49, 49)
    box = dechip(car(1, 1, 49.0000001, 49.0000001), frame, GRID).box
    assert (box.max_col, box.max_row) == (49, 49)


def test_a_box_in_the_padding_is_refused() -> None:
    frame = ChipFrame(Window(col_off=0, row_off=0, width=40, height=40), 80, 80, 40, 40)
    with pytest.raises(GeometryError):
        dechip(car(50, 50, 60, 60), frame, GRID)


@pytest.mark.parametrize(
    "edges",
    [
        (EDGE_TOLERANCE_PX, 40, 60, 60),
        (40, EDGE_TOLERANCE_PX, 60, 60),
        (40, 40, 100 - EDGE_TOLERANCE_PX, 60),
        (40, 40, 60, 100 - EDGE_TOLERANCE_PX),
    ],
    ids=["left", "top", "right", "bottom"],
)
def test_a_box_at_any_edge_of_a_middle_chip_touches_it(edges: tuple[float, ...]) -> None:
    assert dechip(car(*edges), plain(MIDDLE), GRID).touches_edge


def test_a_box_further_in_than_the_tolerance_touches_nothing() -> None:
    inside = max(EDGE_TOLERANCE_PX, EDGE_TOLERANCE_SHARE * 100) + 0.1
    assert not dechip(car(inside, inside, 100 - inside, 100 - inside), plain(MIDDLE), GRID).touches_edge


def test_the_tolerance_grows_with_the_box() -> None:
    assert dechip(car(6, 40, 90, 60), plain(MIDDLE), GRID).cut == Sides.LEFT
    assert not dechip(car(6, 40, 30, 60), plain(MIDDLE), GRID).cut


def test_the_sides_that_are_cut_are_named() -> None:
    assert dechip(car(0, 40, 60, 100), plain(MIDDLE), GRID).cut == Sides.LEFT | Sides.BOTTOM


def test_a_picture_of_the_whole_has_coarser_pixels_and_cuts_nothing() -> None:
    whole = Window(col_off=0, row_off=0, width=300, height=300)
    found = dechip(car(0, 0, 60, 75), ChipFrame(whole, 80, 80, 75, 75), GRID)
    assert (found.box, found.cut, found.resolution_px) == (PixelBox(0, 0, 240, 300), Sides.NONE, 4.0)


@pytest.mark.parametrize(
    ("window", "edges"), [(CORNER, (0, 0, 50, 50)), (LAST, (50, 50, 100, 100))], ids=["first chip", "last chip"]
)
def test_the_images_own_edge_cuts_nothing(window: Window, edges: tuple[float, ...]) -> None:
    assert not dechip(car(*edges), plain(window), GRID).touches_edge


def test_the_tolerance_is_in_pixels_that_the_detector_saw() -> None:
    halved = ChipFrame(MIDDLE, encoded_width=50, encoded_height=50, content_width=50, content_height=50)
    assert dechip(car(EDGE_TOLERANCE_PX, 20, 30, 30), halved, GRID).touches_edge


@given(frames(), st.lists(st.tuples(*[st.floats(min_value=0, max_value=1)] * 2), min_size=3, max_size=8))
def test_a_shape_lies_in_the_image_as_its_points_do_and_its_box_around_it(
    frame: ChipFrame, shares: list[tuple[float, float]]
) -> None:
    points = tuple((col * frame.content_width, row * frame.content_height) for col, row in shares)
    try:
        ring = PixelRing(points)
        there = dechip(ChipDetection(CAR, 90.0, ring.box, ring), frame, grid_around(frame.window))
    except GeometryError:
        reject()  # as good as flat
    window = frame.window
    assert there.shape is not None
    for (col, row), (col_share, row_share) in zip(there.shape.points, shares, strict=True):
        assert col == pytest.approx(window.col_off + col_share * window.width)
        assert row == pytest.approx(window.row_off + row_share * window.height)
    assert there.box == there.shape.box
    assert window.col_off <= there.box.min_col < there.box.max_col <= window.col_off + window.width
    assert window.row_off <= there.box.min_row < there.box.max_row <= window.row_off + window.height


def test_a_shape_is_cut_where_its_box_is() -> None:
    ring = PixelRing(((60.0, 20.0), (100.0, 50.0), (60.0, 80.0)))
    assert dechip(ChipDetection(CAR, 90.0, ring.box, ring), plain(MIDDLE), GRID).cut == Sides.RIGHT


@pytest.mark.parametrize(
    "points",
    [(), ((0.0, 0.0), (1.0, 1.0)), ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)), ((0.0, 0.0), (1.0, float("nan")), (0.0, 2.0))],
)
def test_what_encloses_nothing_is_no_ring(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(GeometryError):
        PixelRing(points)
