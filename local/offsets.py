"""How far from what was planted lies what was found of it."""

import math
from collections.abc import Sequence

import numpy as np
from pyproj import Geod

from batch_job.values.spaces import PixelBox
from local.truth import Camera, Match

_EARTH = Geod(ellps="WGS84")
Position = tuple[float, float]
"""Column and row."""


def off_px(match: Match) -> float:
    """Give the distance between the middles of both boxes, in pixels of the image."""
    return math.dist(_middle(match.truth.box), _middle(match.found.box))


def largest_off_px(matches: Sequence[Match]) -> float:
    """Give the largest of these distances; 0 of nothing."""
    return max(map(off_px, matches), default=0.0)


def off_ground_px(matches: Sequence[Match], camera: Camera) -> list[float]:
    """Give for each match how far the place of what was found is from the place of what was planted.

    Args:
        matches: With the centres of what was found.
        camera: The scene's own.

    Returns:
        Metres along the ellipsoid, in the shorter side that the pixel there has on the ground; inf for what was found
        without a place.
    """
    if not matches:
        return []
    cols, rows = np.array([_middle(match.truth.box) for match in matches]).T
    lons, lats = camera(cols, rows)
    found = np.array([match.found.center or (np.nan, np.nan) for match in matches])
    off_m = _EARTH.inv(lons, lats, found[:, 0], found[:, 1])[2]
    px = np.asarray(off_m) / np.minimum(_step_m(camera, cols, rows, right=1), _step_m(camera, cols, rows, down=1))
    return [float(one) if math.isfinite(one) else math.inf for one in px]


def _step_m(camera: Camera, cols: object, rows: object, *, right: int = 0, down: int = 0) -> np.ndarray:
    """Measure pixels on the ground, from half a pixel before to half a pixel after."""
    before = camera(np.asarray(cols) - right / 2, np.asarray(rows) - down / 2)
    after = camera(np.asarray(cols) + right / 2, np.asarray(rows) + down / 2)
    return np.asarray(_EARTH.inv(*before, *after)[2])


def _middle(box: PixelBox) -> Position:
    return (box.min_col + box.max_col) / 2, (box.min_row + box.max_row) / 2
