"""Objects as pixels and as outlines. No anti-aliasing: a pixel is the object's where its centre is inside."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_job.values.spaces import PixelBox, Window
from local.scenes.spec import Form, SceneError, Shape

ELLIPSE_CORNERS = 32


@dataclass(frozen=True, slots=True)
class Drawn:
    """An object's own pixels."""

    window: Window
    """Exactly around them."""
    mask: NDArray[np.bool_]
    """(rows, columns) of the window."""


def draw(shape: Shape) -> Drawn:
    """Find the pixels of an object.

    Raises:
        SceneError: it lies outside the picture's upper left corner, or covers no pixel.
    """
    half_cols, half_rows = shape.half_extent
    col_off, row_off = math.floor(shape.col - half_cols), math.floor(shape.row - half_rows)
    cols = np.arange(col_off, math.ceil(shape.col + half_cols)) + 0.5 - shape.col
    rows = np.arange(row_off, math.ceil(shape.row + half_rows)) + 0.5 - shape.row
    mask = _inside(shape, cols=cols[np.newaxis, :], rows=rows[:, np.newaxis])
    filled_cols, filled_rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if filled_cols.size == 0 or col_off + filled_cols[0] < 0 or row_off + filled_rows[0] < 0:
        raise SceneError(f"not in the picture: {shape}")
    mask = mask[filled_rows[0] : filled_rows[-1] + 1, filled_cols[0] : filled_cols[-1] + 1]
    window = Window(
        col_off=int(col_off + filled_cols[0]),
        row_off=int(row_off + filled_rows[0]),
        width=mask.shape[1],
        height=mask.shape[0],
    )
    return Drawn(window, mask)


def box_of(window: Window) -> PixelBox:
    """Give a window as a box."""
    return PixelBox(
        min_col=window.col_off,
        min_row=window.row_off,
        max_col=window.col_off + window.width,
        max_row=window.row_off + window.height,
    )


def outline(shape: Shape) -> list[tuple[float, float]]:
    """Give the corners (column, row) of an object, the first again at the end."""
    if shape.form is Form.RECTANGLE:
        ends = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    else:
        turns = [2 * math.pi * corner / ELLIPSE_CORNERS for corner in range(ELLIPSE_CORNERS)]
        ends = [(math.cos(turn) / 2, math.sin(turn) / 2) for turn in turns]
    cos, sin = math.cos(math.radians(shape.angle_deg)), math.sin(math.radians(shape.angle_deg))
    corners = [
        (
            shape.col + along * shape.length * cos - across * shape.width * sin,
            shape.row + along * shape.length * sin + across * shape.width * cos,
        )
        for along, across in ends
    ]
    return [*corners, corners[0]]


def _inside(shape: Shape, *, cols: NDArray[np.floating], rows: NDArray[np.floating]) -> NDArray[np.bool_]:
    cos, sin = math.cos(math.radians(shape.angle_deg)), math.sin(math.radians(shape.angle_deg))
    along = (cols * cos + rows * sin) / (shape.length / 2)
    across = (rows * cos - cols * sin) / (shape.width / 2)
    inside: NDArray[np.bool_]
    if shape.form is Form.RECTANGLE:
        inside = (np.abs(along) <= 1) & (np.abs(across) <= 1)
    else:
        inside = along**2 + across**2 <= 1
    return inside
