"""The command ``show``: a picture of an image with what was found in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batch_job.cli import show as command
from batch_job.errors import ErrorCode
from batch_job.imagery.colours import colours_of
from batch_job.imagery.draw import LEGEND_ROW_PX
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LabelSet, LedgerEntry, State
from local.rekognition import serving
from tests.end_to_end.files import CAR, HEIGHT, WIDTH, good, one_colour_tiff, picture, tiff
from tests.end_to_end.user import Done, imagery_backfill
from tests.search_examples import label

INDEX = ("--index", "http://127.0.0.1:9")
CAR_COLOUR, BOAT_COLOUR = colours_of(["Car"])["Car"], colours_of(["Boat"])["Boat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An image, and what a run found in it."""
    folder = tmp_path_factory.mktemp("show")
    (folder / "a.tif").write_bytes(good())
    (folder / "other.tif").write_bytes(good())
    with serving() as rekognition:
        detector = f"rekognition@{rekognition}"
        imagery_backfill("run", folder / "a.tif", "--to", folder / "a.geojson", "--detector", detector)
    return folder


def shown(folder: Path, *options: object, image: str = "a.tif") -> tuple[Done, np.ndarray]:
    """Rows, columns, RGB of the picture."""
    out = folder / "out.png"
    done = imagery_backfill("show", folder / image, "--from", folder / "a.geojson", "--out", out, *options)
    assert done.exit_code == 0, done.stderr
    with Image.open(out) as png:
        assert png.format == "PNG"
        return done, np.asarray(png.convert("RGB"))


def test_the_picture_is_the_image_with_a_legend_below(folder):
    done, rgb = shown(folder)
    assert rgb.shape == (HEIGHT + LEGEND_ROW_PX, WIDTH, 3)
    assert (done.stdout, done.stderr) == ("", f"{folder / 'out.png'}: 1 detections\n")
    assert (rgb[270:HEIGHT, :60] == picture().transpose(1, 2, 0)[270:, :60]).all()


def test_the_box_is_drawn_around_the_object(folder):
    _, rgb = shown(folder)
    left, top, right, bottom = (round(edge) for edge in CAR)
    assert tuple(rgb[bottom, (left + right) // 2]) == CAR_COLOUR
    assert tuple(rgb[(top + bottom) // 2, right]) == CAR_COLOUR
    assert tuple(rgb[(top + bottom) // 2, (left + right) // 2]) == tuple(picture()[:, 135, 130])


def test_what_is_less_sure_is_left_out(folder):
    done, rgb = shown(folder, "--min-confidence", 95)
    assert "0 detections" in done.stderr
    assert (rgb[:HEIGHT] == picture().transpose(1, 2, 0)).all()


def test_of_another_image_nothing_is_drawn(folder):
    assert "0 detections" in shown(folder, image="other.tif")[0].stderr


def test_a_large_image_is_scaled_to_2000_px_and_its_boxes_with_it(folder, monkeypatch):
    (folder / "large.tif").write_bytes(one_colour_tiff(6000))
    boxed = label(0, label="Boat", pixel_box=(3000.0, 1500.0, 4500.0, 3000.0), pixel_ring=None)
    monkeypatch.setattr(command, "_from_file", lambda _path, _image: [boxed])
    _, rgb = shown(folder, image="large.tif")
    assert rgb.shape == (2000 + LEGEND_ROW_PX, 2000, 3)
    assert tuple(rgb[750, 1500]) == BOAT_COLOUR == tuple(rgb[1000, 1250])


def test_other_than_8_bit_images_are_shown_stretched(folder):
    (folder / "dark.tif").write_bytes(tiff(picture().astype(np.uint16) * 10))
    _, rgb = shown(folder, image="dark.tif")
    assert np.ptp(rgb[:HEIGHT]) > 200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("{folder}/a.tif",), 2, "Missing option '--out'"),
        (("--out", "x.png"), 2, "Missing argument 'IMAGE'"),
        (("{folder}/a.tif", "--out", "{folder}/x.png"), 2, "--from FILE.geojson, --stack NAME, --index URL or --local"),
        (("{folder}/no.tif", "--from", "{folder}/a.geojson", "--out", "{folder}/x.png"), 2, "no.tif: no such file"),
        (("{folder}/a.tif", "--from", "{folder}/no.geojson", "--out", "{folder}/x.png"), 2, "does not exist"),
        (("{folder}/a.tif", "--from", "{folder}/a.tif", "--out", "{folder}/x.png"), 2, "is not a file that `run --to`"),
        (("s3:/b/x", "--from", "{folder}/a.geojson", "--out", "{folder}/x.png"), 2, "s3:/b/x: no such file"),
        (("s3://b/x.tif", *INDEX, "--out", "{folder}/x.png"), 75, "OpenSearch does not answer"),
        (("{folder}/a.geojson", "--from", "{folder}/a.geojson", "--out", "{folder}/x.png"), 65, "no image that we"),
        (("{folder}/a.tif", "--from", "{folder}/a.geojson", "--out", "{folder}/no/x.png"), 78, "cannot write"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_named_and_nothing_is_written(folder, arguments, code, words):
    done = imagery_backfill("show", *(one.format(folder=folder) for one in arguments))
    assert (done.exit_code, done.stdout) == (code, "")
    assert words in " ".join(done.stderr.split())
    assert not (folder / "x.png").exists()


def test_a_file_of_other_geojson_is_refused(folder):
    path = folder / "other.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{"properties": {}}]}))
    done = imagery_backfill("show", folder / "a.tif", "--from", path, "--out", folder / "x.png")
    assert done.exit_code == 2
    assert "is not a file that `run --to` wrote" in done.stderr


class FakeIndex:
    """Knows the images that it is given, and one label of each."""

    def __init__(self, *entries: LedgerEntry) -> None:
        self.entries, self.asked = entries, []

    def images(self, bucket, prefix=""):
        assert bucket == ""
        return iter([entry for entry in self.entries if entry.image.key.startswith(prefix)])

    def search(self, query):
        self.asked.append(query)
        return iter([label(0)])


def shown_from(folder: Path, monkeypatch, **facts: Any) -> tuple[Done, FakeIndex]:
    """Show an image that the index knows so."""
    version = ImageVersion("etag", (), "detection", "index")
    image = ImageRef("", str(folder / "a.tif"))
    entry = LedgerEntry(**{"image": image, "state": State.INDEXED, "version": version, "epoch": 1, **facts})
    index = FakeIndex(entry)
    monkeypatch.setattr(command, "open_search", lambda _endpoints: index)
    return imagery_backfill("show", folder / "a.tif", *INDEX, "--out", folder / "indexed.png"), index


def test_detections_come_from_the_index_by_the_images_uri(folder, monkeypatch):
    done, index = shown_from(folder, monkeypatch, live=LabelSet(1, 1))
    assert (done.exit_code, done.stdout) == (0, "")
    assert [query.image for query in index.asked] == [f"file://{folder}/a.tif"]
    assert index.asked[0].limit is None


@pytest.mark.parametrize("facts", [{"key": "{folder}/a.tif.tif"}, {"key": "/b.tif"}, {"state": State.REMOVED}], ids=str)
def test_an_image_that_the_index_does_not_know_is_named_and_not_shown_as_empty(folder, monkeypatch, facts):
    if "key" in facts:
        facts = {"image": ImageRef("", facts["key"].format(folder=folder))}
    done, _ = shown_from(folder, monkeypatch, **facts)
    assert done.exit_code == 2
    assert f"file://{folder}/a.tif: the index does not know it" in done.stderr


@pytest.mark.parametrize(
    ("facts", "code", "words"),
    [
        ({"state": State.FAILED, "error_code": ErrorCode.BAD_HOOK, "error": "no"}, 65, "failed: bad_hook: no"),
        ({"state": State.PROCESSING}, 75, "under way, or left for a later run; nothing is known yet"),
        ({"state": State.PROCESSING, "live": LabelSet(1, 1)}, 0, "these are of its last version"),
    ],
)
def test_an_image_that_failed_or_is_under_way_is_shown_with_a_word_about_it(folder, monkeypatch, facts, code, words):
    done, _ = shown_from(folder, monkeypatch, **facts)
    assert done.exit_code == code
    assert words in done.stderr
    assert "indexed.png: 1 detections" in done.stderr
