"""An area of interest over an index: what it leaves is found, a change of it costs only what it adds."""

import json
from pathlib import Path

import pytest
from pyproj import Transformer

from tests.end_to_end.files import CAR, UTM, good, picture, tiff
from tests.end_to_end.user import imagery_backfill

SMALL = ("--chip-px", "100", "--overlap-px", "0", "--overview-pass", "no")
CHIPS, A_COLUMN = 12, 3
OTHER = (250.0, 20.0, 290.0, 60.0)
"""In the third column of chips; the car is in the second."""
TO_LONLAT = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)


def over_columns(first: int, last: int) -> list[list[list[float]]]:
    """The inside of some columns of chips."""
    low, high = first * 100 + 5, last * 100 + 95
    pixels = [(low, 310), (high, 310), (high, -10), (low, -10), (low, 310)]
    return [[list(TO_LONLAT.transform(*(UTM["transform"] @ pixel))) for pixel in pixels]]


def polygon(first: int, last: int) -> dict:
    return {"type": "Polygon", "coordinates": over_columns(first, last)}


@pytest.fixture
def area(tmp_path):
    """Writes an area of interest, always to the same path, and gives the options of a run under it."""
    path = Path(tmp_path) / "area.geojson"

    def write(said: dict) -> tuple[str, ...]:
        path.write_text(json.dumps(said), encoding="utf-8")
        return (*SMALL, "--area-of-interest", str(path))

    return write


def test_a_changed_area_asks_only_about_what_it_adds_and_shows_what_it_covers(world, area):
    world.put("a.tif", tiff(picture(cars=(CAR, OTHER))))
    third = world.run(*area(polygon(2, 2)))
    assert (third.images, third.calls) == ({"indexed": 1}, A_COLUMN)
    assert world.cars("a.tif") == [pytest.approx(OTHER, abs=1)]
    chips = world.entry("a.tif").described.chips
    assert (chips.total, chips.sent, chips.skipped) == (CHIPS, A_COLUMN, CHIPS - A_COLUMN)

    again = world.run(*area(polygon(2, 2)))
    assert (again.images, again.calls) == ({"skipped_same": 1}, 0)

    wider = world.run(*area(polygon(0, 2)))
    assert (wider.images, wider.calls) == ({"indexed": 1}, 2 * A_COLUMN)
    assert wider.summary["chips"]["from_archive"] == A_COLUMN
    assert world.cars("a.tif") == [pytest.approx(CAR, abs=1), pytest.approx(OTHER, abs=1)]

    narrow = world.run(*area(polygon(2, 2)))
    assert (narrow.images, narrow.calls) == ({"indexed": 1}, 0)
    assert world.cars("a.tif") == [pytest.approx(OTHER, abs=1)]

    without = world.run(*SMALL)
    assert (without.images, without.calls) == ({"indexed": 1}, A_COLUMN)
    assert world.entry("a.tif").described.chips.skipped == 0


def test_images_outside_are_indexed_once_and_not_visited_again(world, area, tmp_path):
    world.put("a.tif", good())
    options = area(polygon(50, 51))
    first = world.run(*options)
    assert (first.images, first.calls, first.exit_code) == ({"indexed": 1}, 0, 0)
    assert (world.labels("a.tif"), world.entry("a.tif").described.footprint is not None) == ([], True)
    assert world.run(*options).images == {"skipped_same": 1}
    index = ("--index", world.index_url, "--index-prefix", world.prefix, "--s3-endpoint", world.s3_endpoint)
    shown = imagery_backfill(
        "show", f"s3://{world.bucket}/a.tif", *index, "--region", "us-east-1", "--out", tmp_path / "a.png"
    )
    assert (shown.exit_code, (tmp_path / "a.png").exists()) == (0, True)
    assert "0 detections" in shown.stderr


def test_each_prefix_has_its_own_area_and_an_area_may_stand_in_a_bucket(world, area):
    for key in ("harbour/a.tif", "harbour/old/a.tif", "town/a.tif", "rest/a.tif"):
        world.put(key, good())
    said = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"prefix": prefix}, "geometry": polygon(*columns)}
            for prefix, columns in (("harbour/", (0, 0)), ("harbour/old/", (0, 3)), ("town/", (60, 60)))
        ],
    }
    world.s3.put_object(Bucket=world.bucket, Key="plans/area.geojson", Body=json.dumps(said).encode())
    done = world.run(*SMALL, "--area-of-interest", f"s3://{world.bucket}/plans/area.geojson")
    sent = {key: world.entry(f"{key}/a.tif").described.chips.sent for key in ("harbour", "harbour/old", "town", "rest")}
    assert sent == {"harbour": A_COLUMN, "harbour/old": CHIPS, "town": 0, "rest": CHIPS}
    assert done.summary["chips"]["skipped"] == (CHIPS - A_COLUMN) + CHIPS
    gone = world.run(*SMALL, "--area-of-interest", f"s3://{world.bucket}/plans/gone.geojson")
    assert gone.exit_code == 78
    assert "there is no such object" in gone.stderr
