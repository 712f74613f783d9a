"""A plane seen by a camera: the projective map through four points, for which GDAL 3.10 has no transformer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from batch_job.values.place import GroundControlPoint

Floats = NDArray[np.float64]

POINTS = 4


def fit_projective(points: Sequence[GroundControlPoint], cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Map pixels as the four points say; NaN beyond the horizon.

    Raises:
        ValueError: they are not four, or have no such map, as when three lie on a line.
    """
    if len(points) != POINTS:
        raise ValueError(f"{len(points)} points where a plane has {POINTS}")
    pixels = np.array([(point.col, point.row) for point in points], float)
    places = np.array([(point.x, point.y) for point in points], float)
    to_places = _from_square(places) @ np.linalg.inv(_from_square(pixels))
    _, _, depths = to_places @ _homogeneous(pixels)
    if not (depths > 0).all() and not (depths < 0).all():
        raise ValueError("four points on both sides of the horizon")
    xs, ys, along = to_places @ _homogeneous(np.column_stack([cols.ravel(), rows.ravel()]))
    along = np.where(np.sign(along) == np.sign(depths[0]), along, np.nan)
    return (xs / along).reshape(cols.shape), (ys / along).reshape(cols.shape)


def _from_square(corners: Floats) -> Floats:
    """Give the matrix that maps the plane's standard basis and its sum to four corners, (4, 2)."""
    middle, size = corners.mean(axis=0), np.ptp(corners, axis=0).max()
    # near the origin and of size one, so that nothing is lost of metres in the millions
    if not np.isfinite(size) or size == 0:
        raise ValueError("four points in one place")
    basis = _homogeneous((corners - middle) / size)
    if min(abs(np.linalg.det(np.delete(basis, each, axis=1))) for each in range(POINTS)) < _ON_A_LINE:
        raise ValueError("three of four points on a line")
    weights = np.linalg.solve(basis[:, :3], basis[:, 3])
    back = np.array([[size, 0, middle[0]], [0, size, middle[1]], [0, 0, 1]])
    return np.asarray(back @ (basis[:, :3] * weights))


_ON_A_LINE = 1e-9
"""Twice the area of the triangle of three points, where the four extend over 1."""


def _homogeneous(points: Floats) -> Floats:
    return np.vstack([points.T, np.ones(len(points))])
