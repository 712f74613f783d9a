"""The option ``--area-of-interest``: fewer chips and fewer calls; a bad file ends the run before anything begins."""

import json
from pathlib import Path

import pytest
from pyproj import Transformer

from batch_job.cli import run as command
from local.rekognition import serving
from tests.end_to_end.files import CAR, UTM, picture, tiff
from tests.end_to_end.user import Written, imagery_backfill

SMALL = ("--chip-px", "100", "--overlap-px", "0", "--overview-pass", "no")
CHIPS, COVERED = 12, 6
OTHER = (250.0, 20.0, 290.0, 60.0)
"""Lies within one chip of the right half; the car lies in the left one, in two chips."""


@pytest.fixture(scope="module")
def rekognition():
    with serving() as url:
        yield url


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(picture(cars=(CAR, OTHER))))
    return path


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "found.geojson"


def write_area(folder: Path, min_col: float, max_col: float) -> Path:
    """An area over columns of the image, all rows."""
    to_lonlat = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    pixels = [(min_col, 310), (max_col, 310), (max_col, -10), (min_col, -10), (min_col, 310)]
    ring = [list(to_lonlat.transform(*(UTM["transform"] @ pixel))) for pixel in pixels]
    path = folder / f"{min_col}-{max_col}.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}), encoding="utf-8")
    return path


def run(image, out, url, *more):
    return imagery_backfill("run", image, "--to", out, "--detector", f"rekognition@{url}", *SMALL, *more)


def near(box: tuple[float, ...]) -> object:
    return pytest.approx(box, abs=1)


def test_what_lies_in_the_area_is_found_and_what_lies_beyond_is_not_asked_about(image, out, rekognition):
    whole = run(image, out, rekognition, "--json")
    assert whole.calls == CHIPS
    area = write_area(image.parent, 210, 390)
    done = run(image, out, rekognition, "--json", "--area-of-interest", area)
    assert (done.exit_code, done.calls) == (0, COVERED)
    assert (done.summary["chips"]["total"], done.summary["chips"]["skipped"]) == (CHIPS, COVERED)
    found = [label["properties"] for label in Written.read(out).labels("a.tif")]
    assert [label["pixel_box"] for label in found if label["label"] == "Car"] == [near(OTHER)]


def test_people_are_told_how_many_chips_were_not_cut(image, out, rekognition):
    done = run(image, out, rekognition, "--area-of-interest", write_area(image.parent, 210, 390))
    assert f"chips   {CHIPS}: 0 blank, 0 from the archive, {COVERED} outside the area of interest" in done.stdout


def test_an_image_outside_the_area_is_indexed_without_a_call(image, out, rekognition):
    done = run(image, out, rekognition, "--json", "--area-of-interest", write_area(image.parent, 5000, 5100))
    assert (done.exit_code, done.calls, done.images) == (0, 0, {"indexed": 1})
    assert Written.read(out).labels("a.tif") == []


def test_consent_is_asked_for_what_the_area_leaves(image, out):
    area = write_area(image.parent, 210, 390)
    done = imagery_backfill("run", image, "--to", out, *SMALL, env={"BACKFILL_AREA_OF_INTEREST": str(area)})
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert f"at most {COVERED} calls" in said
    assert f"{COVERED} chips outside the area of interest are not cut" in said


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "is not JSON"),
        ('{"type": "FeatureCollection", "features": []}', "holds no polygon"),
        ('{"type": "Polygon", "coordinates": [[[5e5, 6e6], [6e5, 6e6], [6e5, 5e6], [5e5, 6e6]]]}', "EPSG:4326"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_bad_file_ends_the_run_before_a_server_starts(image, out, monkeypatch, body, words):
    def never(*_given, **_named):
        raise AssertionError("a server was started")

    monkeypatch.setattr(command, "local_services", never)
    area = image.parent / "area.geojson"
    if body is not None:
        area.write_text(body, encoding="utf-8")
    done = imagery_backfill("run", image, "--to", out, "--local", "--area-of-interest", area)
    assert (done.exit_code, done.stdout) == (78, "")
    said = " ".join(done.stderr.split())
    assert words in said
    assert area.name in said
    assert not out.exists()


def test_images_without_a_place_are_cut_whole_and_named(out, tmp_path, rekognition):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(picture(), crs=None))
    done = run(path, out, rekognition, "--area-of-interest", write_area(tmp_path, 210, 390))
    assert "area    1 images have no place on the ground, and were cut whole" in done.stdout
