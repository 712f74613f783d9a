import itertools
import json
from pathlib import Path

import pytest

from batch_job.errors import SettingsError
from batch_job.search.dashboards.saved_objects import File, read_bundle
from batch_job.search.mappings import IMAGE_FIELDS, LABEL_FIELDS, IndexNames
from tests.saved_objects import layers, lines, objects, of_type, opened, pattern_of, search_source, uses

DOCS = Path(__file__).parents[3] / "docs" / "dashboards.md"
NAMES = IndexNames()
OBJECTS = objects(NAMES)
FIELDS = {NAMES.images: IMAGE_FIELDS, NAMES.labels: LABEL_FIELDS}

VERSIONS = {"index-pattern": "7.6.0", "visualization": "7.10.0", "search": "7.9.3", "dashboard": "7.9.3"}
"""What Dashboards 2.19 and 3.x write; without it an importer runs every old migration over the object."""

AGGREGATABLE = {"keyword", "date", "float", "double", "integer", "long", "boolean"}
NUMERIC = {"float", "double", "integer", "long"}


def field_type(alias: str, field: str) -> str | None:
    fields, *under = FIELDS[alias], *field.split(".")
    for name in under[:-1]:
        fields = fields.get(name, {}).get("properties", {})
    found = fields.get(under[-1], {})
    return found.get("type")


def references_in(value) -> set[str]:
    """Every name by which an object speaks of another."""
    if isinstance(value, list):
        return set().union(*map(references_in, value))
    if not isinstance(value, dict):
        return set()
    named = {one for name, one in value.items() if name in ("indexRefName", "panelRefName")}
    return named.union(*map(references_in, value.values()))


@pytest.mark.parametrize("file", File)
def test_every_line_is_an_object_of_a_known_version(file):
    for one in lines(file, NAMES):
        assert set(one) == {"id", "type", "attributes", "references", "migrationVersion"}
        kind = one["type"]
        assert one["migrationVersion"] == ({} if kind == "map" else {kind: VERSIONS[kind]})


@pytest.mark.parametrize("file", File)
def test_every_line_ends_and_files_are_named_as_dashboards_wants_them(file):
    bundle = read_bundle(file, NAMES)
    assert bundle.name.endswith(".ndjson")
    assert bundle.body.endswith(b"}\n")
    assert bundle.count == len(lines(file, NAMES))


@pytest.mark.parametrize("file", File)
def test_every_nested_text_is_json_and_written_without_waste(file):
    for line in read_bundle(file, NAMES).body.decode().splitlines():
        one = json.loads(line)
        assert opened(one)
        assert line == json.dumps(one, ensure_ascii=False, separators=(",", ":"))


def test_no_type_and_id_comes_twice_in_a_file_and_only_the_dashboard_in_two():
    keys = {file: [(one["type"], one["id"]) for one in lines(file, NAMES)] for file in File}
    assert all(len(set(found)) == len(found) for found in keys.values())
    shared = {key for a, b in itertools.combinations(keys.values(), 2) for key in set(a) & set(b)}
    assert shared == {("dashboard", "imagery-dashboard")}


@pytest.mark.parametrize("file", File)
def test_references_lead_to_objects_of_the_file_or_of_the_first(file):
    there = {(one["type"], one["id"]) for one in lines(File.OBJECTS, NAMES) + lines(file, NAMES)}
    for one in lines(file, NAMES):
        names = [reference["name"] for reference in one["references"]]
        assert len(set(names)) == len(names)
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= there
        assert references_in(opened(one)["attributes"]) == set(names)


def test_there_is_what_analysts_were_promised():
    titles = {
        kind: [one["attributes"]["title"] for one in of_type(OBJECTS, kind).values()]
        for kind in ("index-pattern", "search", "visualization", "map", "dashboard")
    }
    assert titles == {
        "index-pattern": ["imagery-labels", "imagery-images"],
        "search": ["Labels", "Images with labels"],
        "visualization": ["Labels over time", "Labels by image", "Label cloud"],
        "map": ["Map of labels"],
        "dashboard": ["Imagery"],
    }


def test_an_index_pattern_is_named_as_the_alias_and_has_the_time_of_the_image():
    patterns = of_type(OBJECTS, "index-pattern")
    assert set(patterns) == set(FIELDS)
    for identity, pattern in patterns.items():
        assert pattern["attributes"]["title"] == identity
        assert field_type(identity, pattern["attributes"]["timeFieldName"]) == "date"


@pytest.mark.parametrize("use", uses(OBJECTS), ids=str)
def test_every_field_is_in_the_mapping_with_a_type_for_its_purpose(use):
    found = field_type(use.alias, use.field)
    assert found is not None
    if use.purpose in ("aggregate", "sort"):
        assert found in AGGREGATABLE
    if use.purpose == "draw":
        assert found in ("geo_shape", "geo_point")


def test_metrics_are_of_numbers_and_orders_are_of_metrics():
    for one in of_type(OBJECTS, "visualization").values():
        told = {aggregation["id"]: aggregation for aggregation in one["attributes"]["visState"]["aggs"]}
        assert len(told) == len(one["attributes"]["visState"]["aggs"])
        for aggregation in told.values():
            params = aggregation["params"]
            if aggregation["type"] == "max":
                assert field_type(pattern_of(one), params["field"]) in NUMERIC
            if "orderBy" in params:
                assert told[params["orderBy"]]["schema"] == "metric"


def test_images_are_searched_by_the_labels_that_count_not_by_what_is_being_done_with_them():
    [images] = [one for one in of_type(OBJECTS, "search").values() if pattern_of(one) == NAMES.images]
    assert [one["exists"] for one in search_source(images)["filter"]] == [{"field": "live.epoch"}]
    [layer] = [one for one in layers(OBJECTS[-2]) if one["source"]["indexPatternRefName"] == NAMES.images]
    assert {"field": "live.epoch"} in [one["exists"] for one in layer["source"]["filters"]]
    assert not [use for use in uses(OBJECTS) if use.field == "state"]


def test_a_map_layer_searches_its_index_by_name_and_only_what_has_a_place():
    [the_map] = of_type(OBJECTS, "map").values()
    told = {(one["source"]["indexPatternRefName"], one["source"]["geoFieldName"]) for one in layers(the_map)}
    assert told == {(NAMES.images, "footprint"), (NAMES.labels, "geometry"), (NAMES.labels, "center")}
    for layer in layers(the_map):
        source = layer["source"]
        assert source["indexPatternId"] == source["indexPatternRefName"]
        assert source["geoFieldType"] == field_type(source["indexPatternRefName"], source["geoFieldName"])
        assert 1 <= source["documentRequestNumber"] <= 10_000
        assert len(layer["name"]) <= 35
        # one document without the field breaks the whole layer
        assert {"field": source["geoFieldName"]} in [one["exists"] for one in source["filters"]]
        assert {one["meta"]["index"] for one in source["filters"]} == {source["indexPatternId"]}


def dashboards():
    return [opened(lines(file, NAMES)[-1]) for file in (File.MAP, File.WITHOUT_MAP)]


def panels(dashboard):
    targets = {one["name"]: one["id"] for one in dashboard["references"]}
    return [targets[panel["panelRefName"]] for panel in dashboard["attributes"]["panelsJSON"]]


def test_the_dashboard_without_the_map_is_the_same_without_the_map():
    with_map, without = dashboards()
    assert panels(with_map) == ["imagery-map", *panels(without)]
    assert with_map["id"] == without["id"]
    assert with_map["attributes"]["title"] == without["attributes"]["title"]


@pytest.mark.parametrize("dashboard", dashboards(), ids=("with map", "without"))
def test_the_dashboard_shows_ten_years_not_the_last_quarter_of_an_hour(dashboard):
    told = dashboard["attributes"]
    assert (told["timeRestore"], told["timeFrom"], told["timeTo"]) == (True, "now-10y", "now")


@pytest.mark.parametrize("dashboard", dashboards(), ids=("with map", "without"))
def test_panels_stand_side_by_side(dashboard):
    taken = set()
    for panel in dashboard["attributes"]["panelsJSON"]:
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        cells = {(grid["x"] + col, grid["y"] + row) for col in range(grid["w"]) for row in range(grid["h"])}
        assert max(col for col, _ in cells) < 48
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("file", File)
def test_another_prefix_names_other_objects_and_other_indices(file):
    body = read_bundle(file, IndexNames("survey_2026")).body.decode()
    assert "imagery-" not in body
    assert body.replace("survey_2026-", "imagery-") == read_bundle(file, NAMES).body.decode()


def test_the_documentation_lists_every_object():
    titles = {one["attributes"]["title"] for one in OBJECTS}
    rows = DOCS.read_text(encoding="utf-8").partition("## What is there")[2].partition("\n## ")[0].splitlines()
    told = {name.strip(" `") for row in rows if row.startswith("|") for name in row.split("|")[1].split(",")}
    assert told - {"object", "---"} == titles


@pytest.mark.parametrize("prefix", ["", 'a"b', "A", "-a", "a b", "a\\", "a,b", "a*", "ü"])
def test_a_prefix_that_would_need_quoting_is_refused(prefix):
    with pytest.raises(SettingsError, match="prefix"):
        read_bundle(File.OBJECTS, IndexNames(prefix))
