"""What a run left in the index is found again, drawn again, and can be piped on."""

import csv
import io
import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.files import CAR, HEIGHT, WIDTH, good, picture, tiff
from tests.end_to_end.user import Done, command_line, environment, imagery_backfill, start

SMALL_CHIPS = ("--chip-px", "128", "--overlap-px", "64")
SO_MANY = 24 + 1
CARS = tuple((float(left), top, left + 24.0, top + 16.0) for left in range(10, 960, 60) for top in range(10, 760, 50))


@pytest.fixture(scope="module")
def searched(shared_world):
    """A world with one car in one image, and hundreds in another."""
    shared_world.put("one/car.tif", good())
    shared_world.put("many/cars.tif", tiff(picture(width=1000, height=800, cars=CARS), crs="EPSG:32719"))
    assert shared_world.run().images == {"indexed": 2}
    shared_world.labels("one/car.tif")  # the index has shown them to searches
    return shared_world


def index(world) -> tuple[str, ...]:
    return "--index", world.index_url, "--index-prefix", world.prefix


def search(world, *arguments: object) -> Done:
    return imagery_backfill("search", *arguments, *index(world))


def keys(world, *arguments: object) -> list[str]:
    done = search(world, *arguments, "--format", "ndjson")
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(line)["key"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("word", ["Car", "car", "Vehicle", "automobile"])
def test_a_label_is_found_by_its_name_parent_or_alias(searched, word):
    assert sorted(set(keys(searched, word))) == ["many/cars.tif", "one/car.tif"]


def test_places_and_sizes_narrow_the_search_down(searched):
    [car] = [one for one in searched.labels("one/car.tif") if one.label == "Car"]
    lon, lat = car.center.lon, car.center.lat
    assert keys(searched, "Car", "--near", f"{lon},{lat},5") == ["one/car.tif"]
    assert keys(searched, "Car", "--within", f"{lon - 1},{lat - 1},{lon + 1},{lat + 1}") == ["one/car.tif"]
    assert keys(searched, "Car", "--within", f"{lon + 1},{lat - 1},{lon + 2},{lat + 1}") == []
    assert keys(searched, "Car", "--min-length-m", "20") == ["one/car.tif"]
    assert keys(searched, "Car", "--text", "one") == ["one/car.tif"]


def test_every_format_holds_all_hits(searched):
    n = len(CARS) + 1
    assert len(json.loads(search(searched, "Car", "--format", "json").stdout)) == n
    assert len(json.loads(search(searched, "Car", "--format", "geojson").stdout)["features"]) == n
    assert len(list(csv.DictReader(io.StringIO(search(searched, "Car", "--format", "csv").stdout)))) == n
    assert len(keys(searched, "Car", "--limit", "7")) == 7


def test_a_reader_that_has_seen_enough_ends_the_search_quietly(searched):
    process = start("search", "Car", *index(searched), "--format", "ndjson")
    assert json.loads(process.stdout.readline())["label"] == "Car"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=30) == 0


def test_nothing_is_coloured_when_piped_also_where_a_terminal_could_be(searched):
    argv = command_line("search", "Car", *index(searched))
    env = environment({"TERM": "xterm-256color", "COLORTERM": "truecolor"})
    done = subprocess.run(argv, env=env, capture_output=True, check=True)
    assert b"\x1b" not in done.stdout + done.stderr


def test_an_indexed_image_is_drawn_with_its_detections(searched, tmp_path):
    out = tmp_path / "car.png"
    where = (*index(searched), "--s3-endpoint", searched.s3_endpoint)
    done = imagery_backfill("show", f"s3://{searched.bucket}/one/car.tif", *where, "--out", out)
    assert done.exit_code == 0
    with Image.open(out) as png:
        rgb = np.asarray(png)
    assert rgb.shape[1] == WIDTH
    drawn = (rgb[:HEIGHT] != picture().transpose(1, 2, 0)).any(axis=-1)
    left, top, right, bottom = (int(edge) for edge in CAR)
    assert drawn[bottom, left:right].all()
    assert drawn[top:bottom, right].all()


def test_an_object_that_is_not_there_cannot_be_shown(searched, tmp_path):
    where = (*index(searched), "--s3-endpoint", searched.s3_endpoint)
    done = imagery_backfill("show", f"s3://{searched.bucket}/no.tif", *where, "--out", tmp_path / "no.png")
    assert done.exit_code == 2
    assert f"s3://{searched.bucket}/no.tif: the index does not know it" in done.stderr


def test_an_index_that_was_never_made_is_named_with_its_cure(searched):
    done = imagery_backfill("search", "Car", "--index", searched.index_url, "--index-prefix", "never-made")
    assert done.exit_code == 78
    assert "no such index [never-made-labels] (were the indices made by this version's set-up?)" in done.stderr


def test_after_a_ceiling_the_next_run_pays_only_for_the_rest(world):
    for key in ("a.tif", "b.tif"):
        world.put(key, good())
    capped = world.run(*SMALL_CHIPS, "--max-calls", SO_MANY + 10)
    assert (capped.exit_code, capped.images, capped.calls) == (75, {"indexed": 1, "left": 1}, SO_MANY + 10)
    assert f"all {SO_MANY + 10} calls allowed are spent; s3://{world.bucket}/b.tif has more chips" in capped.stderr
    rest = world.run(*SMALL_CHIPS, "--max-calls", SO_MANY - 10)
    assert (rest.exit_code, rest.images, rest.calls) == (0, {"indexed": 1, "skipped_same": 1}, SO_MANY - 10)
    assert len(world.cars("b.tif")) == 1
