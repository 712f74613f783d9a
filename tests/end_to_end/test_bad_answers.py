"""Detectors that say what cannot be, and georeferences that lead nowhere: a clear outcome, and nothing else is lost."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio

from tests.end_to_end.files import CAR, good, picture, tiff
from tests.end_to_end.user import Done, Written, imagery_backfill
from tests.scripted_server import Request, Response, scripted

Box = tuple[float, ...]
"""Left, top, right, bottom."""

BOAT = (20.0, 30.0, 60.0, 50.0)
"""What every chip shows, in its own pixels."""
CHIPS = ("--chip-px", 200, "--overlap-px", 0, "--overview-pass", "no", "--calls-in-flight", 1)
"""Of 400 x 400 px four, the last of which is the one that the tests look at."""
EVERY_BOAT = [
    (20.0, 30.0, 60.0, 50.0),
    (20.0, 230.0, 60.0, 250.0),
    (220.0, 30.0, 260.0, 50.0),
    (220.0, 230.0, 260.0, 250.0),
]
JSON = {"Content-Type": "application/json"}


def http(*boxes: Box) -> bytes:
    """An answer of a model server; Python's JSON has NaN and infinity, as careless servers' have."""
    classes = [{"iri": "Boat", "score": 0.9}]
    features = [
        {"type": "Feature", "geometry": None, "properties": {"imageBBox": box, "featureClasses": classes}}
        for box in boxes
    ]
    return json.dumps(features).encode()


def rekognition(*boxes: Box) -> bytes:
    """An answer of the service to a chip of 200 x 200 px."""
    instances = [
        {
            "BoundingBox": {
                "Left": left / 200,
                "Top": top / 200,
                "Width": (right - left) / 200,
                "Height": (bottom - top) / 200,
            },
            "Confidence": 90.0,
        }
        for left, top, right, bottom in boxes
    ]
    labels = [{"Name": "Boat", "Confidence": 90.0, "Instances": instances}]
    return json.dumps({"Labels": labels, "LabelModelVersion": "3.0"}).encode()


ENGINES: dict[str, Callable[..., bytes]] = {"http": http, "rekognition": rekognition}
LEFT_OUT = {
    "no width": (80.0, 20.0, 80.0, 60.0),
    "no height": (20.0, 80.0, 60.0, 80.0),
    "a point": (80.0, 80.0, 80.0, 80.0),
    "beside the chip": (-60.0, 20.0, -10.0, 60.0),
}
CLAMPED = {
    "over the left edge": ((-30.0, 100.0, 40.0, 140.0), (200.0, 300.0, 240.0, 340.0)),
    "over two edges": ((150.0, 150.0, 260.0, 260.0), (350.0, 350.0, 400.0, 400.0)),
}
"""What is said of the chip, and what is then true of the image."""
REFUSED = {
    "inside out": (80.0, 20.0, 60.0, 60.0),
    "upside down": (20.0, 80.0, 60.0, 20.0),
    "in other coordinates": (5000.0, 5000.0, 5040.0, 5040.0),
    "not a number": (math.nan, 20.0, 60.0, 60.0),
    "infinite": (20.0, 20.0, math.inf, 60.0),
}


class Detector:
    """Answers every chip with a boat, and the fourth with something odd beside it."""

    def __init__(self, engine: str, odd: Box) -> None:
        self.answer, self.odd = ENGINES[engine], odd
        self.asked = 0

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        return Response(body=self.answer(*([BOAT, self.odd] if self.asked == 4 else [BOAT])), headers=JSON)


def run(images: Path, engine: str, detector: Callable[[Request], Response]) -> tuple[Done, Written]:
    """Detect in an image, or in those of a folder."""
    path = images.with_suffix(".geojson")
    with scripted(detector) as running:
        options = ("--to", path, "--detector", f"{engine}@{running.url}", "--json", *CHIPS)
        done = imagery_backfill("run", images, *options)
    return done, Written.read(path)


def boats(written: Written, name: str) -> list[Box]:
    return sorted(tuple(one["properties"]["pixel_box"]) for one in written.labels(name))


def same(boxes: list[Box], others: list[Box]) -> bool:
    return len(boxes) == len(others) and all(a == pytest.approx(b) for a, b in zip(boxes, sorted(others), strict=True))


@pytest.fixture
def folder(tmp_path) -> Path:
    """One image of four chips, and one of a single chip, which is looked at later."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.tif").write_bytes(tiff(picture(width=400, height=400)))
    (folder / "b.tif").write_bytes(tiff(picture(width=200, height=200)))
    return folder


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("odd", LEFT_OUT)
def test_a_box_that_shows_nothing_is_left_out_and_the_rest_is_indexed(engine, odd, folder):
    done, written = run(folder, engine, Detector(engine, LEFT_OUT[odd]))
    assert (done.exit_code, done.images) == (0, {"indexed": 2})
    assert same(boats(written, "a.tif"), EVERY_BOAT)
    assert same(boats(written, "b.tif"), [BOAT])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("odd", CLAMPED)
def test_a_box_over_the_edge_ends_there(engine, odd, folder):
    said, expected = CLAMPED[odd]
    done, written = run(folder, engine, Detector(engine, said))
    assert done.exit_code == 0
    assert same(boats(written, "a.tif"), [*EVERY_BOAT, expected])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("odd", REFUSED)
def test_an_answer_that_cannot_be_meant_fails_its_image_by_name_and_no_other(engine, odd, folder):
    done, written = run(folder, engine, Detector(engine, REFUSED[odd]))
    assert (done.exit_code, done.summary["errors"]) == (65, {"bad_answer": 1})
    assert done.images == {"indexed": 1, "failed": 1}
    image = written.image("a.tif")["properties"]
    assert image["error_code"] == "bad_answer"
    assert "Window(col_off=200, row_off=200, width=200, height=200)" in image["error"]
    assert boats(written, "a.tif") == []
    assert same(boats(written, "b.tif"), [BOAT])


@pytest.mark.parametrize("engine", ENGINES)
def test_when_the_detector_is_mended_only_the_bad_answer_is_paid_for_again(engine, world):
    world.put("a.tif", tiff(picture(width=400, height=400)))
    detector = Detector(engine, REFUSED["in other coordinates"])
    with scripted(detector) as running:
        at = f"{engine}@{running.url}"
        assert world.run(*CHIPS, detector=at).images == {"failed": 1}
        done = world.run(*CHIPS, "--redo", "--yes", detector=at)
    assert (done.images, done.calls, detector.asked) == ({"indexed": 1}, 1, 5)
    assert same(sorted(label.pixel_box for label in world.labels("a.tif")), EVERY_BOAT)


def test_one_chip_may_show_very_many_things(folder):
    corners = [(2 * col + 0.25, 2 * row + 0.25) for col in range(100) for row in range(100)]
    boxes = [(col, row, col + 1.25, row + 1.25) for col, row in corners]
    done, written = run(folder / "b.tif", "http", lambda _: Response(body=http(*boxes), headers=JSON))
    assert (done.exit_code, done.summary["labels"]) == (0, 10_000)
    assert boats(written, "b.tif") == sorted(boxes)


UTM = "EPSG:32633"
NOWHERE = {
    "infinite": (rasterio.Affine(math.inf, 0, 0, 0, math.inf, 0), UTM),
    "far out": (rasterio.Affine(1e200, 0, 1e300, 0, -1e200, 1e300), UTM),
    "metres taken for degrees": (rasterio.Affine(0.5, 0, 388_000, 0, -0.5, 5_822_000), "EPSG:4326"),
    "not a number": (rasterio.Affine(math.nan, 0, 388_000, 0, -0.5, 5_822_000), UTM),
    "all on one line": (rasterio.Affine(0.5, 0.5, 388_000, 0.5, 0.5, 5_822_000), UTM),
}


@pytest.mark.parametrize("name", NOWHERE)
def test_a_georeference_that_leads_nowhere_leaves_the_image_without_a_place_and_show_says_why(
    name, tmp_path, rekognition_url
):
    transform, crs = NOWHERE[name]
    image, found = tmp_path / "a.tif", tmp_path / "found.geojson"
    image.write_bytes(tiff(picture(), transform=transform, crs=crs))
    done = imagery_backfill("run", image, "--to", found, "--detector", f"rekognition@{rekognition_url}", "--json")
    assert (done.exit_code, done.images) == (0, {"indexed": 1})
    written = Written.read(found)
    described = written.image("a.tif")
    assert described["geometry"] is None
    why = described["properties"]["georeference_note"]
    assert "leads to no place on Earth" in why
    [car] = written.labels("a.tif")
    assert car["geometry"] is None
    assert car["properties"]["pixel_box"] == pytest.approx(CAR, abs=1)
    shown = imagery_backfill("show", image, "--from", found, "--out", tmp_path / "a.png")
    assert shown.exit_code == 0
    assert f"{image.as_uri()}: no place: {why}\n" in shown.stderr


def test_show_says_it_of_an_image_in_the_index_too(world, tmp_path):
    world.put("a.tif", tiff(picture(), crs=None, transform=rasterio.Affine(2, 0, 5, 0, -2, 5)))
    world.put("b.tif", good())
    assert world.run().images == {"indexed": 2}
    world.labels("a.tif")
    at = ("--index", world.index_url, "--index-prefix", world.prefix, "--s3-endpoint", world.s3_endpoint)
    shown = {
        key: imagery_backfill("show", f"s3://{world.bucket}/{key}", "--out", tmp_path / "x.png", *at).stderr
        for key in ("a.tif", "b.tif")
    }
    assert f"s3://{world.bucket}/a.tif: no place: a transform" in shown["a.tif"]
    assert "no place" not in shown["b.tif"]
