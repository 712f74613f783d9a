"""The command ``search``: what is asked, and how it is answered."""

import csv
import io
import json

import pytest

from batch_job.cli import search as command
from batch_job.errors import UnavailableError
from batch_job.values.place import LonLat
from batch_job.values.query import LabelQuery, LonLatBox, Near
from tests.end_to_end.user import Done, imagery_backfill
from tests.search_examples import label

INDEX = ("--index", "http://127.0.0.1:9")
BOX = LonLatBox(west=11.2, south=43.7, east=11.3, north=43.8)
TRIANGLE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 1], [0, 0]]]}
FEATURE = {"type": "Feature", "properties": {}, "geometry": TRIANGLE}


class FakeSearch:
    """Answers every question with the same labels, and remembers the question."""

    def __init__(self, n: int = 2) -> None:
        self.labels, self.query = [label(ordinal) for ordinal in range(n)], None

    def __call__(self, endpoints):
        self.endpoints = endpoints
        return self

    def search(self, query: LabelQuery):
        self.query = query
        yield from self.labels[: query.limit]


@pytest.fixture
def index(monkeypatch) -> FakeSearch:
    fake = FakeSearch()
    monkeypatch.setattr(command, "open_search", fake)
    return fake


def asked(index: FakeSearch, *arguments: object) -> LabelQuery:
    done = imagery_backfill("search", *arguments, *INDEX, "--format", "ndjson")
    assert (done.exit_code, done.stderr) == (0, "")
    return index.query


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), LabelQuery()),
        (("Car",), LabelQuery(label="Car")),
        (("--text", "harbour 2026"), LabelQuery(text="harbour 2026")),
        (("--min-confidence", "80"), LabelQuery(min_confidence=80)),
        (("--within", "11.2,43.7,11.3,43.8"), LabelQuery(within=BOX)),
        (("--within", "179,-1,-179,1"), LabelQuery(within=LonLatBox(west=179, south=-1, east=-179, north=1))),
        (("--near", "-12.33,45.43,2000"), LabelQuery(near=Near(position=LonLat(lon=-12.33, lat=45.43), radius_m=2000))),
        (("--min-length-m", "30"), LabelQuery(min_length_m=30)),
        (("--image", "s3://b/a b+%.tif"), LabelQuery(image="s3://b/a b+%.tif")),
        (("--since", "2026-05-31", "--until", "2026-06-01T12:30:05"),
         LabelQuery(since="2026-05-31T00:00:00Z", until="2026-06-01T12:30:05Z")),
        (("--since", "2026-05-31T09:30:00Z", "--until", "2026-05-31T11:30:00+02:00"),
         LabelQuery(since="2026-05-31T09:30:00Z", until="2026-05-31T09:30:00Z")),
        (("--limit", "1"), LabelQuery(limit=1)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_options_become_a_question(index, arguments, expected):
    assert asked(index, *arguments) == expected


@pytest.mark.parametrize(
    "wrapped",
    [TRIANGLE, FEATURE, {"type": "FeatureCollection", "features": [FEATURE]}],
    ids=lambda value: value["type"],
)
def test_an_area_is_taken_out_of_whatever_wraps_it(index, tmp_path, wrapped):
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps(wrapped))
    assert asked(index, "--area", path).area == TRIANGLE


@pytest.mark.parametrize(
    ("wrapped", "words"),
    [
        ("no json", "expected one polygon as GeoJSON"),
        ("[]", "expected one polygon as GeoJSON"),
        ("{}", "expected one polygon as GeoJSON"),
        (json.dumps({"type": "FeatureCollection", "features": [FEATURE, FEATURE]}), "expected one polygon"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "expected one polygon"),
        (json.dumps({**FEATURE, "geometry": None}), "it holds no polygon"),
        (json.dumps({"type": "Point", "coordinates": [0, 0]}), "must be a Polygon or a MultiPolygon, not Point"),
    ],
)
def test_an_area_that_is_none_is_refused_and_never_taken_for_everywhere(index, tmp_path, wrapped, words):
    path = tmp_path / "area.geojson"
    path.write_text(wrapped)
    done = imagery_backfill("search", "--area", path, *INDEX)
    assert done.exit_code == 2
    assert words in done.stderr
    assert index.query is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--within", "1,2,3"), "'1,2,3' holds 3 numbers, not 4"),
        (("--within", "a,b,c,d"), "is not 4 numbers with commas between them"),
        (("--within", "0,1,1,0"), "a box without an inside"),
        (("--within", "0,0,1,91"), "not a position on Earth"),
        (("--near", "0,0"), "holds 2 numbers, not 3"),
        (("--near", "0,0,0"), "not a distance on Earth: 0.0 m"),
        (("--near", "0,0,nan"), "not a distance on Earth"),
        (("--near", "0,0,1", "--within", "0,0,1,1"), "--within, --near and --area exclude each other"),
        (("--min-confidence", "101"), "101.0 is not in the range 0<=x<=100"),
        (("--min-length-m", "-1"), "-1.0 is not in the range x>=0"),
        (("--since", "yesterday"), "'yesterday' does not match the formats"),
        (("--limit", "0"), "0 is not in the range x>=1"),
        (("--format", "xml"), "'xml' is not one of"),
        (("--area", "no-such-file"), "does not exist"),
        (("--colour",), "No such option"),
        (("Car", "Boat"), "unexpected extra argument"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(index, arguments, words):
    done = imagery_backfill("search", *arguments, *INDEX)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())
    assert index.query is None


def test_without_an_address_the_cure_is_named():
    done = imagery_backfill("search", "Car")
    assert done.exit_code == 78
    assert "--index URL (or BACKFILL_INDEX_URL), or --local" in done.stderr


def test_the_address_may_stand_in_the_environment(index):
    env = {"BACKFILL_INDEX_URL": "http://search.example", "BACKFILL_INDEX_PREFIX": "mine"}
    assert imagery_backfill("search", env=env).exit_code == 0
    assert (index.endpoints.index_url, index.endpoints.index_prefix) == ("http://search.example", "mine")


def test_local_without_running_stand_ins_says_how_to_start_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = imagery_backfill("search", "Car", "--local")
    assert done.exit_code == 78
    assert "`make demo KEEP=1`, or `run --local --keep`" in done.stderr


def test_an_index_that_does_not_answer_is_named():
    done = imagery_backfill("search", "Car", *INDEX)
    assert (done.exit_code, done.stdout) == (75, "")
    assert "error: searching imagery-labels: OpenSearch does not answer" in done.stderr


def shown(index: FakeSearch, output_format: str, n: int = 2) -> Done:
    index.labels = [label(ordinal, confidence=90.0 - ordinal) for ordinal in range(n)]
    done = imagery_backfill("search", *INDEX, "--format", output_format)
    assert done.exit_code == 0
    return done


def test_json_and_ndjson_hold_the_documents(index):
    sources = [label(0, confidence=90.0).to_source(), label(1, confidence=89.0).to_source()]
    assert json.loads(shown(index, "json").stdout) == sources
    assert [json.loads(line) for line in shown(index, "ndjson").stdout.splitlines()] == sources
    assert json.loads(shown(index, "json", 0).stdout) == []


def test_geojson_holds_a_feature_for_each_hit(index):
    found = json.loads(shown(index, "geojson").stdout)
    assert found["type"] == "FeatureCollection"
    assert [one["geometry"]["type"] for one in found["features"]] == ["Polygon", "Polygon"]
    assert found["features"][0]["properties"]["pixel_box"] == [10.5, 20.0, 50.25, 40.0]


def test_csv_has_a_header_and_a_row_for_each_hit(index):
    rows = list(csv.DictReader(io.StringIO(shown(index, "csv").stdout)))
    assert [row["confidence"] for row in rows] == ["90.0", "89.0"]
    assert (rows[0]["min_col"], rows[0]["lon"], rows[0]["label"]) == ("10.5", "10.0", "Boat")


def test_a_table_is_for_reading_and_says_when_there_is_more(index):
    table = shown(index, "table", 51)
    assert len(table.stdout.splitlines()) == 1 + 50
    assert table.stdout.split()[:2] == ["label", "confidence"]
    assert "the first 50; for all of them: --format ndjson, geojson or csv" in table.stderr
    assert shown(index, "table", 50).stderr == ""
    assert "nothing found" in shown(index, "table", 0).stderr


def test_nothing_is_coloured_when_piped(index):
    done = shown(index, "table")
    assert "\x1b" not in done.stdout + done.stderr


def test_what_was_found_before_a_failure_is_not_taken_for_all(index, monkeypatch):
    def search(query):
        yield label(0)
        raise UnavailableError("the index went away")

    monkeypatch.setattr(index, "search", search)
    done = imagery_backfill("search", *INDEX, "--format", "ndjson")
    assert done.exit_code == 75
    assert "error: the index went away" in done.stderr
