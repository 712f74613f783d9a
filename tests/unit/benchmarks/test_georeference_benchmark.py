import numpy as np
import pytest

from benchmarks import georeference, side_place


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(side_place, "N_CORNERS", 4000)
    monkeypatch.setattr(side_place, "SAMPLE", 7)


@pytest.mark.parametrize("crs", side_place.CENTERS)
def test_all_sides_place_the_same_pixels_in_the_same_places(few, crs):
    ours = side_place.ours(crs)()
    for side in ("pyproj", "rasterio"):
        georeference.check_agreement(side, side_place.SIDES[side](crs)(), ours)
    lons, lats = ours
    assert np.hypot(lons - side_place.CENTERS[crs][0], lats - side_place.CENTERS[crs][1]).max() < 0.5


def test_every_box_has_its_place(few):
    lons, lats = side_place.footprints("EPSG:32633")()
    assert len(lons) == len(lats) == 1000


def test_a_side_that_places_pixels_elsewhere_is_no_peer():
    with pytest.raises(georeference.RunFailedError, match="pyproj and ours are"):
        georeference.check_agreement("pyproj", [[15.0], [50.0 + 1e-8]], [[15.0], [50.0]])
    with pytest.raises(georeference.RunFailedError):
        georeference.check_agreement("pyproj", [[float("nan")], [50.0]], [[15.0], [50.0]])


def test_a_row_holds_medians_and_ratios_above_one_where_ours_is_faster():
    def reports(*seconds):
        return [{"seconds": one, "peak_mb": 90 + one} for one in seconds]

    row = georeference.row("case", {"ours": reports(2.0, 1.0, 9.0), "pyproj": reports(1.0, 4.0, 1.0)})
    assert (row["ours"], row["pyproj"], row["ratio_pyproj"], row["times_pyproj"], row["peak_mb"]) == (2, 1, 0.5, 2, 99)


def test_a_side_that_fails_says_why():
    with pytest.raises(georeference.RunFailedError, match=r"ours, EPSG:1: .*CRSError"):
        georeference.run("ours", "EPSG:1")
