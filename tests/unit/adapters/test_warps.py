"""Warps and cameras known by formula, inverses too: what GDAL's fits make of points that lie on them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pyproj import Transformer

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.values.place import Georeference, Georeferencing
from tests.unit.adapters.test_gdal_transform import COLS, ROWS, coefficients, gcps, rpcs

UTM = "EPSG:32633"
TO_UTM = Transformer.from_crs("EPSG:4326", UTM, always_xy=True)
Warp = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def affine(col, row):
    return 400_000 + 2 * col + 0.3 * row, 5_000_000 + 0.4 * col - 2 * row


def unaffine(x, y):
    return np.linalg.solve([[2, 0.3], [0.4, -2]], np.stack([x - 400_000, y - 5_000_000]))


def bow(col, row):
    """Bent like a pushbroom's lines: of second order, its inverse too."""
    return 400_000 + 2 * (col + 3e-5 * (row - 400) ** 2), 5_000_000 - 2 * row


def unbow(x, y):
    row = (5_000_000 - y) / 2
    return (x - 400_000) / 2 - 3e-5 * (row - 400) ** 2, row


def wave(col, row):
    """No polynomial's: 8 px of a wave along the rows."""
    return 400_000 + 2 * (col + 8 * np.sin(row / 90)), 5_000_000 - 2 * row


def unwave(x, y):
    row = (5_000_000 - y) / 2
    return (x - 400_000) / 2 - 8 * np.sin(row / 90), row


def off_px(said: Georeference, inverse: Warp, cols=COLS, rows=ROWS) -> np.ndarray:
    """How far from their pixels the places lie that these are given, by the formula's inverse."""
    lons, lats = GdalGroundTransform().to_lonlat(said, cols=cols, rows=rows)
    back = inverse(*TO_UTM.transform(lons, lats))
    return np.hypot(back[0] - cols, back[1] - rows)


def between(n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.uniform(0, 1000, n), rng.uniform(0, 800, n)


@pytest.mark.parametrize(
    ("warp", "inverse", "cols", "rows"),
    [
        (affine, unaffine, (0, 1000), (0, 800)),
        (affine, unaffine, (0, 500, 1000), (0, 800)),
        (affine, unaffine, (0, 200, 500, 1000), (0, 800)),
        (bow, unbow, (0, 500, 1000), (0, 800)),
        (bow, unbow, (0, 300, 700, 1000), (0, 250, 400, 800)),
    ],
    ids=["first-order-4", "first-order-6", "first-order-8", "second-order-6", "second-order-16"],
)
def test_a_polynomial_meets_warps_of_its_order(warp: Warp, inverse: Warp, cols, rows) -> None:
    said = gcps(UTM, warp, cols=cols, rows=rows)
    if (warp, len(cols) * len(rows)) == (bow, 6):
        # two rows do not settle a bend along them, with a third they do
        said = replace(said, gcps=(*said.gcps, *gcps(UTM, warp, cols=(200, 800), rows=(400,)).gcps))
    assert off_px(said, inverse, *between()).max() < 1e-4


def test_below_six_points_no_bend_is_seen() -> None:
    off = off_px(gcps(UTM, bow, cols=(0, 1000), rows=(0, 800)), unbow, *between())
    assert 3 < off.max() < 6


def test_a_spline_follows_what_no_polynomial_does() -> None:
    said = gcps(UTM, wave, cols=np.linspace(0, 1000, 9), rows=np.linspace(0, 800, 17))
    assert off_px(said, unwave, *between()).max() > 5
    splined = off_px(replace(said, by=Georeferencing.GCPS_THIN_PLATE), unwave, *between())
    assert splined.max() < 1
    assert np.median(splined) < 0.1


def test_a_spline_is_the_one_of_the_books_from_the_ground_to_the_pixels() -> None:
    said = replace(gcps(UTM, wave, cols=(0, 400, 1000), rows=(0, 150, 500, 800)), by=Georeferencing.GCPS_THIN_PLATE)
    cols, rows = between(100)
    lons, lats = GdalGroundTransform().to_lonlat(said, cols=cols, rows=rows)
    placed = np.column_stack(TO_UTM.transform(lons, lats))
    pixels, ground = (
        np.array([take(p) for p in said.gcps]) for take in (lambda p: (p.col, p.row), lambda p: (p.x, p.y))
    )
    np.testing.assert_allclose(thin_plate(ground, pixels, placed), np.column_stack([cols, rows]), rtol=0, atol=1e-4)


def thin_plate(points: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Solve for r² log r through the points, and a plane: the oracle, after Duchon."""

    def kernel(these: np.ndarray, those: np.ndarray) -> np.ndarray:
        squared = ((these[:, None] - those[None]) ** 2).sum(axis=2)
        return np.where(squared > 0, squared * np.log(np.where(squared > 0, squared, 1)), 0)

    middle = points.mean(axis=0)
    points, at = (points - middle) / 1000, (at - middle) / 1000
    plane = np.column_stack([np.ones(len(points)), points])
    system = np.block([[kernel(points, points), plane], [plane.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.vstack([values, np.zeros((3, 2))]))
    return np.hstack([kernel(at, points), np.ones((len(at), 1)), at]) @ weights


def test_a_camera_in_perspective_is_met_at_every_height() -> None:
    # both divided by one depth, as in a pinhole camera: of two equations in longitude and latitude the inverse is known
    depth = {"one": 1.0, "lon": 0.02, "lat": -0.03, "height": -0.1}
    sample, line = {"lon": 1.0, "lat": 0.1, "height": 0.2}, {"lon": 0.05, "lat": -1.0, "height": 0.3}
    said = rpcs(
        SAMP_NUM_COEFF=coefficients(**sample), LINE_NUM_COEFF=coefficients(**line),
        SAMP_DEN_COEFF=coefficients(**depth), LINE_DEN_COEFF=coefficients(**depth),
    )  # fmt: skip
    for above_m in (-400.0, 0.0, 250.0, 700.0):
        lons, lats = GdalGroundTransform().to_lonlat(said, cols=COLS, rows=ROWS, above_m=above_m)
        expected = [
            seen_from(sample, line, depth, col, row, above_m / 500) for col, row in zip(COLS, ROWS, strict=True)
        ]
        np.testing.assert_allclose(np.column_stack([lons, lats]), expected, rtol=0, atol=8e-7)


def seen_from(sample, line, depth, col: float, row: float, height: float) -> tuple[float, float]:
    s, t = (col - 0.5 - 500) / 500, (row - 0.5 - 400) / 400
    matrix = [[of["lon"] - at * depth["lon"], of["lat"] - at * depth["lat"]] for of, at in ((sample, s), (line, t))]
    right = [at * (1 + depth["height"] * height) - of["height"] * height for of, at in ((sample, s), (line, t))]
    lon, lat = np.linalg.solve(matrix, right)
    return 10 + 0.2 * lon, 45 + 0.1 * lat
