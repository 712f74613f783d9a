"""Names that trip up naive code: each is an image like any other, and is found under its own name."""

import json

import pytest

from tests.end_to_end.files import good
from tests.end_to_end.user import Written, imagery_backfill

LONGEST = 1024
KEYS = (
    "with spaces/a b  c.tif",
    "plus+and%20percent%/100%.tif",
    "ünïcode/日本語 🛰.tif",
    "quotes'\"&<>#?;=@:,$!*().tif",
    "UPPER.TIFF",
    "many/" * 200 + "x" * (LONGEST - 1000 - 4) + ".tif",
    ".tif",
    "dots/../not-a-parent.tif",
)


@pytest.fixture(scope="module")
def ran(shared_world):
    for key in KEYS:
        shared_world.put(key, good())
    for marker in ("folder/", "folder.tif/"):
        shared_world.put(marker, b"")
    return shared_world.run()


def test_every_key_is_indexed_and_folder_markers_are_no_images(ran, shared_world):
    assert (ran.exit_code, ran.images, ran.stderr) == (0, {"indexed": len(KEYS)}, "")
    assert shared_world.entry("folder.tif/") is None


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:20])
def test_a_search_finds_an_image_by_its_own_name(ran, shared_world, key):
    assert len(key.encode()) <= LONGEST
    [car] = [label for label in shared_world.labels(key) if label.label == "Car"]
    assert car.image.key == key
    uri = f"s3://{shared_world.bucket}/{key}"
    found = imagery_backfill(
        *("search", "car", "--image", uri, "--format", "json"),
        *("--index", shared_world.index_url, "--index-prefix", shared_world.prefix),
    )
    assert [one["uri"] for one in json.loads(found.stdout)] == [uri]


def test_a_second_run_recognises_every_key(ran, shared_world):
    assert shared_world.run().images == {"skipped_same": len(KEYS)}


def test_a_run_over_one_odd_prefix_takes_what_stands_below_it(ran, shared_world):
    arguments = shared_world.arguments()
    arguments[1] = f"s3://{shared_world.bucket}/plus+and%20"
    assert imagery_backfill(*arguments).images == {"skipped_same": 1}


def test_files_of_odd_names_keep_them(tmp_path, rekognition_url):
    names = ("a b.tif", "100%.tif", "plus+.tif", "日本語.tif", "#?&.tif")
    for name in names:
        (tmp_path / name).write_bytes(good())
    path = tmp_path / "found 100%.geojson"
    done = imagery_backfill("run", tmp_path, "--to", path, "--detector", f"rekognition@{rekognition_url}", "--json")
    assert (done.exit_code, done.images) == (0, {"indexed": len(names)})
    written = Written.read(path)
    for name in names:
        assert len(written.objects(name)) == 1
