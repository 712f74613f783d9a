"""From chip space to image space."""

from batch_job.values.spaces import (
    ChipDetection,
    ChipFrame,
    ChipGrid,
    ImageDetection,
    Kind,
    PixelBox,
    PixelRing,
    Sides,
    Window,
)

EDGE_TOLERANCE_PX = 2.0
"""Chip pixels. Detectors miss the end of a cut object by about one; encoding by a fraction of one more."""
EDGE_TOLERANCE_SHARE = 0.08
"""Of the box's width or height: detectors are wrong by a share of the box, of a large one by more than two pixels."""


def dechip(found: ChipDetection, frame: ChipFrame, grid: ChipGrid) -> ImageDetection:
    """Place a chip's detection in the image that the chip was cut from.

    Args:
        found: Its box and shape, if any, end within the content of the chip (``answers.parse`` sees to that).
        frame: The chip's.
        grid: How the image was cut; tells the image's edges from those of chips.

    Raises:
        GeometryError: the box lies beside the content.
    """
    window = frame.window
    if found.box is None:
        return ImageDetection(found.label, found.confidence, Kind.REGION, around(window), windows=(window,))
    shape = None if found.shape is None else _ring_to_image_space(found.shape, frame)
    box = _to_image_space(found.box, frame) if shape is None else shape.box
    return ImageDetection(
        found.label,
        found.confidence,
        Kind.OBJECT,
        box,
        windows=(window,),
        cut=_cut_sides(box, frame, grid),
        resolution_px=max(window.width / frame.content_width, window.height / frame.content_height),
        shape=shape,
    )


def around(window: Window) -> PixelBox:
    """Give a window as a box."""
    return PixelBox(
        min_col=float(window.col_off),
        min_row=float(window.row_off),
        max_col=float(window.col_off + window.width),
        max_row=float(window.row_off + window.height),
    )


def _to_image_space(box: PixelBox, frame: ChipFrame) -> PixelBox:
    """Scale by window / content, then shift; what rounding puts outside the window is clamped."""
    window, limits = frame.window, around(frame.window)
    px_per_col = window.width / frame.content_width
    px_per_row = window.height / frame.content_height
    return PixelBox(
        min_col=max(window.col_off + box.min_col * px_per_col, limits.min_col),
        min_row=max(window.row_off + box.min_row * px_per_row, limits.min_row),
        max_col=min(window.col_off + box.max_col * px_per_col, limits.max_col),
        max_row=min(window.row_off + box.max_row * px_per_row, limits.max_row),
    )


def _ring_to_image_space(ring: PixelRing, frame: ChipFrame) -> PixelRing:
    """Do the same with every point of a ring."""
    window, limits = frame.window, around(frame.window)
    px_per_col = window.width / frame.content_width
    px_per_row = window.height / frame.content_height
    return PixelRing(
        tuple(
            (
                min(max(window.col_off + col * px_per_col, limits.min_col), limits.max_col),
                min(max(window.row_off + row * px_per_row, limits.min_row), limits.max_row),
            )
            for col, row in ring.points
        )
    )


def _cut_sides(box: PixelBox, frame: ChipFrame, grid: ChipGrid) -> Sides:
    """Name the sides on which the box ends at an edge of the chip beyond which the image goes on."""
    limits = around(frame.window)
    near_cols = max(EDGE_TOLERANCE_PX * frame.window.width / frame.content_width, EDGE_TOLERANCE_SHARE * box.width)
    near_rows = max(EDGE_TOLERANCE_PX * frame.window.height / frame.content_height, EDGE_TOLERANCE_SHARE * box.height)
    cut = Sides.NONE
    if limits.min_col > 0 and box.min_col <= limits.min_col + near_cols:
        cut |= Sides.LEFT
    if limits.min_row > 0 and box.min_row <= limits.min_row + near_rows:
        cut |= Sides.TOP
    if limits.max_col < grid.image_width and box.max_col >= limits.max_col - near_cols:
        cut |= Sides.RIGHT
    if limits.max_row < grid.image_height and box.max_row >= limits.max_row - near_rows:
        cut |= Sides.BOTTOM
    return cut
