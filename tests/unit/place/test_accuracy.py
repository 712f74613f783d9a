from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod, Transformer

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.place.footprints import ImagePlace, place_image
from batch_job.place.project import find_ground
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint
from tests.unit.place.rasters import NoGround, affine, raster

PLANE = Transformer.from_crs("+proj=stere +lat_0=45 +lon_0=10 +ellps=WGS84", "EPSG:4326", always_xy=True)
GEOD = Geod(ellps="WGS84")
WIDTH, HEIGHT = 1000, 800
Camera = Callable[[Any, Any], tuple[Any, Any]]


def plane(cols: Any, rows: Any) -> tuple[Any, Any]:
    """Two metres a pixel."""
    return 2.0 * (cols - WIDTH / 2), 2.0 * (HEIGHT / 2 - rows)


def flat(cols: Any, rows: Any) -> tuple[Any, Any]:
    return PLANE.transform(*plane(cols, rows))


def waving(cols: Any, rows: Any) -> tuple[Any, Any]:
    x, y = plane(cols, rows)
    return PLANE.transform(x + 30 * np.sin(y / 200), y + 30 * np.cos(x / 250))


def points(camera: Camera, *, cols: int, rows: int, noise_m: float = 0.0) -> Georeference:
    grid = [(c, r) for c in np.linspace(0, WIDTH, cols) for r in np.linspace(0, HEIGHT, rows)]
    shifts = np.random.default_rng(5).normal(0, noise_m / 2**0.5, (len(grid), 2))
    found = []
    for (col, row), shift in zip(grid, shifts, strict=True):
        x, y = PLANE.transform(*camera(col, row), direction="INVERSE")
        found.append(GroundControlPoint(col, row, *PLANE.transform(*(np.array([x, y]) + shift))))
    return Georeference(by=Georeferencing.GCPS, gcps_crs="EPSG:4326", gcps=tuple(found))


def placed(said: Georeference) -> ImagePlace:
    return place_image(raster(said, width=WIDTH, height=HEIGHT), GdalGroundTransform())


def off_m(said: Georeference, camera: Camera) -> float:
    """How far from the truth pixels all over are placed, root mean square."""
    cols, rows = (each.ravel() for each in np.meshgrid(np.linspace(0, WIDTH, 23), np.linspace(0, HEIGHT, 19)))
    ground = find_ground(raster(said, width=WIDTH, height=HEIGHT), GdalGroundTransform())
    _, _, off = GEOD.inv(*ground.to_lonlat(cols=cols, rows=rows), *camera(cols, rows))
    return float(np.sqrt((off**2).mean()))


def test_points_that_no_polynomial_meets_are_met_by_a_spline() -> None:
    said = points(waving, cols=12, rows=10)
    place = placed(said)
    assert place.georeferencing is Georeferencing.GCPS_THIN_PLATE
    assert off_m(said, waving) <= 2.0  # a pixel


def test_the_error_of_points_is_rather_more_than_what_pixels_between_them_are_off() -> None:
    said = points(waving, cols=12, rows=10)
    # around a point left out the others stand twice as far apart
    assert off_m(said, waving) <= placed(said).error_m <= 5 * off_m(said, waving)


def test_noise_of_points_is_smoothed_not_followed_and_stands_in_the_error() -> None:
    said = points(flat, cols=5, rows=5, noise_m=6.0)
    place = placed(said)
    assert place.georeferencing is Georeferencing.GCPS
    assert place.error_m == pytest.approx(6.0, rel=0.4)


def test_points_met_to_a_pixel_have_no_spline() -> None:
    assert placed(points(flat, cols=5, rows=5, noise_m=1.0)).georeferencing is Georeferencing.GCPS


def test_very_many_points_have_no_spline() -> None:
    assert placed(points(waving, cols=26, rows=20)).georeferencing is Georeferencing.GCPS


@pytest.mark.parametrize(("cols", "rows"), [(2, 2), (1, 3)])
def test_points_that_just_suffice_tell_nothing_of_their_error(cols: int, rows: int) -> None:
    said = points(flat, cols=2, rows=2)
    said = said if rows == 2 else replace(said, gcps=said.gcps[:3])
    assert placed(said).error_m is None
    assert placed(said).footprint is not None


@pytest.mark.parametrize(
    ("crs", "error_m"),
    [
        ("EPSG:32633", 0.0),
        ("EPSG:4326", 0.0),
        ("EPSG:26913", 4.0),
        ("EPSG:2193", 1.0),
        ("+proj=lcc +lat_1=30 +lat_2=60 +lat_0=40 +lon_0=15 +ellps=GRS80", None),
    ],
)
def test_an_affine_place_is_as_good_as_the_change_of_datum(crs: str, error_m: float | None) -> None:
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*INSIDE.get(crs, (15, 48)))
    size = 1e-5 if crs == "EPSG:4326" else 1.0
    place = place_image(affine(crs, Affine(size, 0, x, 0, -size, y)), NoGround())
    assert place.error_m == error_m


INSIDE = {"EPSG:26913": (-105, 40), "EPSG:2193": (172, -42)}


def polynomials(**changed: str) -> Georeference:
    def terms(*first: float) -> str:
        return " ".join(map(str, [*first, *[0.0] * 16]))

    texts = {
        "LINE_OFF": "400", "LINE_SCALE": "400", "SAMP_OFF": "500", "SAMP_SCALE": "500",
        "LAT_OFF": "0", "LAT_SCALE": "0.01", "LONG_OFF": "10", "LONG_SCALE": "0.01",
        "HEIGHT_OFF": "100", "HEIGHT_SCALE": "300",
        "LINE_NUM_COEFF": terms(0, 0, -1, 0), "LINE_DEN_COEFF": terms(1, 0, 0, 0),
        "SAMP_NUM_COEFF": terms(0, 1, 0, 0.2), "SAMP_DEN_COEFF": terms(1, 0, 0, 0),
    }  # fmt: skip
    return Georeference(by=Georeferencing.RPCS, rpcs=tuple(sorted({**texts, **changed}.items())))


DEGREE_M = 111_319.49
"""Of longitude, on the equator."""
SHIFT_M = 0.01 * 0.2 / 3**0.5 * DEGREE_M
"""That camera sees a ground HEIGHT_SCALE higher a fifth of LONG_SCALE to the west."""


@pytest.mark.parametrize(
    ("said", "error_m"),
    [
        ({}, SHIFT_M),
        ({"ERR_BIAS": "30", "ERR_RAND": "40"}, (SHIFT_M**2 + 50**2) ** 0.5),
        ({"ERR_BIAS": "-1", "ERR_RAND": "nonsense"}, SHIFT_M),
        ({"ERR_BIAS": "", "ERR_RAND": "inf"}, SHIFT_M),
    ],
)
def test_rpcs_are_off_by_their_own_error_and_by_the_grounds_height(said: dict[str, str], error_m: float) -> None:
    assert placed(polynomials(**said)).error_m == pytest.approx(error_m, rel=1e-3)


def test_points_without_any_sense_have_no_place_and_no_error() -> None:
    said = points(flat, cols=4, rows=4)
    wild = tuple(replace(point, x=float("inf")) for point in said.gcps)
    assert placed(replace(said, gcps=wild)) == ImagePlace(Georeferencing.NONE, note="leads to no place on Earth")
