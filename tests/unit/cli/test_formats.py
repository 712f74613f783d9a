"""What a search prints."""

import csv
import io
import json

import pytest

from batch_job.cli.formats import FORMATS, TABLE_ROWS
from batch_job.values.documents import LabelDocument, TimeSource
from batch_job.values.image import ImageRef
from batch_job.values.place import Footprint, LonLat

SQUARE = Footprint(((((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)),),))


def label(ordinal: int = 0, **changes) -> LabelDocument:
    facts = {
        "image": ImageRef("b", "a [red], é.tif"),
        "epoch": 1,
        "ordinal": ordinal,
        "label": "Car",
        "terms": ("Car", "Vehicle"),
        "categories": (),
        "kind": "object",
        "confidence": 97.25,
        "pixel_box": (1.0, 2.0, 3.0, 4.0),
        "geometry": SQUARE,
        "center": LonLat(0.5, 0.5),
        "area_m2": 10.0,
        "length_m": 4.5,
        "chips": 1,
        "touches_edge": False,
        "etag": "e",
        "time": "2026-01-01T00:00:00Z",
        "time_source": TimeSource.LAST_MODIFIED,
    }
    return LabelDocument(**{**facts, **changes})


def printed(capsys, name: str, hits, limit: int | None = None) -> str:
    FORMATS[name](iter(hits), limit)
    return capsys.readouterr().out


@pytest.mark.parametrize("hits", [[], [label()], [label(0), label(1)]])
def test_json_ndjson_and_geojson_hold_every_hit(capsys, hits):
    ids = [hit.id for hit in hits]
    assert [one["id"] for one in json.loads(printed(capsys, "json", hits))] == ids
    assert [json.loads(line)["id"] for line in printed(capsys, "ndjson", hits).splitlines()] == ids
    features = json.loads(printed(capsys, "geojson", hits))["features"]
    assert [one["id"] for one in features] == ids


def test_a_geojson_feature_has_the_documents_fields_as_properties(capsys):
    [feature] = json.loads(printed(capsys, "geojson", [label()]))["features"]
    assert feature["geometry"]["type"] == "Polygon"
    assert feature["properties"]["pixel_box"] == [1, 2, 3, 4]
    assert "geometry" not in feature["properties"]


def test_csv_has_a_row_a_hit_and_leaves_unknown_places_empty(capsys):
    hits = [label(), label(1, geometry=None, center=None, area_m2=None, length_m=None)]
    first, second = csv.DictReader(io.StringIO(printed(capsys, "csv", hits)))
    assert (first["label"], first["lon"], first["max_row"], first["terms"]) == ("Car", "0.5", "4.0", "Car;Vehicle")
    assert (second["lon"], second["length_m"]) == ("", "")


def test_a_table_says_when_there_is_more(capsys):
    FORMATS["table"](iter([label(n) for n in range(TABLE_ROWS + 1)]), None)
    shown = capsys.readouterr()
    assert shown.out.count("Car") == TABLE_ROWS
    assert "ndjson" in shown.err


def test_a_table_shows_keys_as_they_are(capsys):
    assert "s3://b/a [red], é.tif" in printed(capsys, "table", [label()])


def test_a_piped_table_has_no_colours(capsys):
    assert "\x1b" not in printed(capsys, "table", [label()])


def test_results_are_printed_while_they_come(capsys):
    seen = []

    def hits():
        yield label()
        seen.append(capsys.readouterr().out)
        yield label(1)

    FORMATS["ndjson"](hits(), None)
    assert seen[0].count("\n") == 1
