from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from pyproj import Transformer
from rasterio.control import GroundControlPoint as GdalPoint
from rasterio.transform import GCPTransformer

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint

COLS, ROWS = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1000, 6), np.linspace(0, 800, 5)))


def gcps(crs: str, place, *, cols=(0, 500, 1000), rows=(0, 400, 800)) -> Georeference:
    """Points on a grid, each where ``place(col, row)`` says."""
    points = tuple(GroundControlPoint(c, r, *map(float, place(c, r))) for c in cols for r in rows)
    return Georeference(by=Georeferencing.GCPS, gcps_crs=crs, gcps=points)


def coefficients(**terms: float) -> str:
    """RPC's twenty, of which ``one``, ``lon``, ``lat`` and ``height`` come first."""
    order = ("one", "lon", "lat", "height")
    return " ".join(str(terms.get(name, 0.0)) for name in order) + " 0.0" * 16


RPCS = {
    "LINE_OFF": "400", "LINE_SCALE": "400", "SAMP_OFF": "500", "SAMP_SCALE": "500",
    "LAT_OFF": "45", "LAT_SCALE": "0.1", "LONG_OFF": "10", "LONG_SCALE": "0.2",
    "HEIGHT_OFF": "350", "HEIGHT_SCALE": "500",
    "LINE_NUM_COEFF": coefficients(lat=-1, lon=0.05, height=0.3), "LINE_DEN_COEFF": coefficients(one=1),
    "SAMP_NUM_COEFF": coefficients(lon=1, lat=0.1, height=0.2), "SAMP_DEN_COEFF": coefficients(one=1),
}  # fmt: skip
"""A camera whose image is an affine one of the ground at HEIGHT_OFF, so that it has an exact inverse."""


def rpcs(**changed: str) -> Georeference:
    texts = {**RPCS, **changed}
    return Georeference(by=Georeferencing.RPCS, rpcs=tuple(sorted(texts.items())))


def place(georeference: Georeference, cols=COLS, rows=ROWS):
    return GdalGroundTransform().to_lonlat(georeference, cols=np.asarray(cols), rows=np.asarray(rows))


def test_gcps_of_an_affine_image_place_it_exactly() -> None:
    lons, lats = place(gcps("EPSG:4326", lambda c, r: (10 + c * 1e-4 + r * 2e-5, 50 - r * 1e-4)))
    np.testing.assert_allclose(lons, 10 + COLS * 1e-4 + ROWS * 2e-5, rtol=0, atol=1e-10)
    np.testing.assert_allclose(lats, 50 - ROWS * 1e-4, rtol=0, atol=1e-10)


def test_three_gcps_are_enough() -> None:
    said = gcps("EPSG:4326", lambda c, r: (10 + c * 1e-4, 50 - r * 1e-4))
    said = replace(said, gcps=(said.gcps[0], said.gcps[2], said.gcps[6]))
    lons, lats = place(said)
    np.testing.assert_allclose([lons, lats], [10 + COLS * 1e-4, 50 - ROWS * 1e-4], rtol=0, atol=1e-10)


def test_gcps_in_metres_are_fitted_in_metres() -> None:
    lons, lats = place(gcps("EPSG:32633", lambda c, r: (400_000 + 30 * c, 5_000_000 - 30 * r)))
    expected = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(
        400_000 + 30 * COLS, 5_000_000 - 30 * ROWS
    )
    np.testing.assert_allclose([lons, lats], expected, rtol=0, atol=1e-9)


def test_bent_gcps_are_placed_as_gdal_places_them() -> None:
    said = gcps("EPSG:4326", lambda c, r: (10 + c * 1e-4 + (r / 1e4) ** 2, 50 - r * 1e-4 + c * r * 1e-9))
    with GCPTransformer([GdalPoint(row=p.row, col=p.col, x=p.x, y=p.y) for p in said.gcps]) as gdal:
        expected = gdal.xy(ROWS, COLS, offset="ul")
    np.testing.assert_array_equal(place(said), expected)


@pytest.mark.parametrize(("lon", "lat"), [(180, 0), (-179.95, 60), (30, 89.98), (0, -90)])
def test_gcps_across_180_or_at_a_pole_are_fitted_on_a_plane(lon: float, lat: float) -> None:
    plane = Transformer.from_crs(f"+proj=stere +lat_0={lat} +lon_0={lon}", "EPSG:4326", always_xy=True)
    lons, lats = place(gcps("EPSG:4326", lambda c, r: plane.transform(30 * (c - 500), 30 * (400 - r))))
    xs, ys = plane.transform(lons, lats, direction="INVERSE")
    np.testing.assert_allclose([xs, ys], [30 * (COLS - 500), 30 * (400 - ROWS)], rtol=0, atol=0.5)


@pytest.mark.parametrize(
    "said",
    [
        Georeference(by=Georeferencing.GCPS, gcps_crs="EPSG:4326"),
        gcps("EPSG:4326", lambda c, r: (c, r), cols=(0,), rows=(0, 1)),
        gcps("EPSG:4326", lambda c, r: (c, 2 * r), rows=(0,), cols=range(12)),
        gcps("EPSG:4326", lambda c, r: (c * float("nan"), r)),
        gcps("nonsense", lambda c, r: (c, r)),
        gcps("IAU_2015:30100", lambda c, r: (c / 100, r / 100)),
        Georeference(by=Georeferencing.GCPS, gcps=gcps("EPSG:4326", lambda c, r: (c, r)).gcps),
        Georeference(by=Georeferencing.RPCS),
        Georeference(by=Georeferencing.RPCS, rpcs=(("LAT_OFF", "45"),)),
        rpcs(LINE_OFF="four hundred"),
        rpcs(HEIGHT_OFF=""),
        rpcs(LINE_NUM_COEFF="1 2 3"),
        rpcs(SAMP_NUM_COEFF=coefficients()),
        rpcs(SAMP_DEN_COEFF=coefficients()),
        Georeference(by=Georeferencing.NONE),
    ],
    ids=[
        *("no-gcps", "two-gcps", "gcps-on-a-line", "gcps-nan", "gcps-bad-crs", "gcps-moon", "gcps-no-crs"),
        *("no-rpcs", "rpcs-incomplete", "rpcs-words", "rpcs-empty", "rpcs-three-terms", "rpcs-zero", "rpcs-no-divisor"),
        "neither",
    ],
)
def test_what_cannot_be_solved_has_no_answer(said: Georeference, capfd: pytest.CaptureFixture[str]) -> None:
    lons, lats = place(said)
    assert lons.shape == lats.shape == COLS.shape
    assert not (np.isfinite(lons) & np.isfinite(lats)).any()
    assert capfd.readouterr().err == ""


def test_rpcs_place_pixels_at_the_models_own_height() -> None:
    lons, lats = place(rpcs())
    # samples and lines count pixel centres: the first is at (0.5, 0.5)
    samples, lines = (COLS - 0.5 - 500) / 500, (ROWS - 0.5 - 400) / 400
    matrix = np.linalg.inv([[1, 0.1], [0.05, -1]])
    lon, lat = matrix @ [samples, lines]
    np.testing.assert_allclose([lons, lats], [10 + 0.2 * lon, 45 + 0.1 * lat], rtol=0, atol=1e-7)


def test_rpcs_place_pixels_on_a_ground_that_is_higher() -> None:
    lons, lats = place(rpcs())
    higher = GdalGroundTransform().to_lonlat(rpcs(), cols=COLS, rows=ROWS, above_m=100)
    # 100 m are a fifth of HEIGHT_SCALE
    shift = np.linalg.inv([[1, 0.1], [0.05, -1]]) @ [-0.2 * 0.2, -0.3 * 0.2]
    np.testing.assert_allclose(higher[0] - lons, 0.2 * shift[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(higher[1] - lats, 0.1 * shift[1], rtol=0, atol=1e-6)


def test_a_spline_meets_every_point() -> None:
    rng = np.random.default_rng(3)
    said = gcps("EPSG:4326", lambda c, r: (10 + c * 1e-4 + rng.normal(0, 1e-3), 50 - r * 1e-4 + rng.normal(0, 1e-3)))
    lons, lats = place(
        replace(said, by=Georeferencing.GCPS_THIN_PLATE), [p.col for p in said.gcps], [p.row for p in said.gcps]
    )
    np.testing.assert_allclose(lons, [p.x for p in said.gcps], rtol=0, atol=1e-9)
    np.testing.assert_allclose(lats, [p.y for p in said.gcps], rtol=0, atol=1e-9)


def oblique(col, row):
    depth = 1 + row / 900 - col / 4000
    return 400_000 + (30 * col + 5 * row) / depth, 5_000_000 - (4 * col + 30 * row) / depth


def corners(place=oblique, *, cols=(0, 1000), rows=(0, 800)) -> Georeference:
    return replace(gcps("EPSG:32633", place, cols=cols, rows=rows), by=Georeferencing.GCPS_PROJECTIVE)


def test_four_corners_are_a_plane_seen_by_a_camera() -> None:
    expected = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(*oblique(COLS, ROWS))
    np.testing.assert_allclose(place(corners()), expected, rtol=0, atol=1e-9)


def test_beyond_the_horizon_there_is_no_ground() -> None:
    lons, lats = place(corners(), [0.0, 0.0], [800.0, -950.0])  # depth 0 is at row -900
    assert np.isfinite(lons).tolist() == np.isfinite(lats).tolist() == [True, False]


@pytest.mark.parametrize(
    "said",
    [
        corners(cols=(0, 1000, 2000)),
        corners(lambda c, r: (400_000 + c, 5_000_000 + 0 * r)),
        corners(lambda c, r: (400_000 + 0 * c, 5_000_000 + 0 * r)),
        corners(lambda c, r: (400_000 + c, 5_000_000 - r * c)),
        corners(lambda c, r: (400_000 + (c if r else 1000 - c), 5_000_000 - r)),
        corners(lambda c, r: (400_000 + c * float("inf"), 5_000_000 - r)),
    ],
    ids=["six", "on-a-line", "one-place", "three-on-a-line", "crossed", "infinite"],
)
def test_four_points_that_are_no_plane_have_no_answer(said: Georeference) -> None:
    assert not np.isfinite(place(said)).any()


def test_rpcs_across_180_go_on_counting() -> None:
    lons, _ = place(rpcs(LONG_OFF="179.95"))
    assert np.ptp(lons) < 1


def test_points_that_are_no_numbers_have_no_answer_and_spoil_no_other() -> None:
    for said in (rpcs(), gcps("EPSG:4326", lambda c, r: (10 + c * 1e-4, 50 - r * 1e-4))):
        lons, lats = place(said, [0.0, np.nan, np.inf, 500.0], [0.0, 0.0, 1.0, 400.0])
        assert np.isfinite(lons).tolist() == np.isfinite(lats).tolist() == [True, False, False, True]


def test_threads_may_share_it() -> None:
    transform, saids = GdalGroundTransform(), [rpcs(LONG_OFF=str(lon)) for lon in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda said: transform.to_lonlat(said, cols=COLS, rows=ROWS)[0], saids)
    for lon, lons in enumerate(answers):
        np.testing.assert_array_equal(lons, place(saids[lon])[0])
