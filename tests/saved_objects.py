"""What saved objects say: their nested texts, the fields that they name, the searches that Dashboards makes of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from batch_job.search.dashboards.saved_objects import File, read_bundle
from batch_job.search.mappings import IndexNames

Object = dict[str, Any]
NESTED = {"searchSourceJSON", "visState", "uiStateJSON", "panelsJSON", "optionsJSON", "layerList", "mapState", "fields"}
"""Attributes whose value is JSON in a text."""


def lines(file: File, names: IndexNames) -> list[Object]:
    return [json.loads(line) for line in read_bundle(file, names).body.decode().splitlines()]


def opened(value: Any) -> Any:
    """Read every JSON in a text, at any depth."""
    if isinstance(value, list):
        return [opened(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: opened(json.loads(one) if name in NESTED else one) for name, one in value.items()}


def objects(names: IndexNames) -> list[Object]:
    """All of them, the smaller dashboard left out."""
    return [opened(one) for file in (File.OBJECTS, File.MAP) for one in lines(file, names)]


def of_type(found: list[Object], kind: str) -> dict[str, Object]:
    return {one["id"]: one for one in found if one["type"] == kind}


def pattern_of(one: Object) -> str:
    """The id of the index pattern that a search or a visualization reads; it is the alias too."""
    name = search_source(one)["indexRefName"]
    [reference] = [reference for reference in one["references"] if reference["name"] == name]
    return reference["id"]


def search_source(one: Object) -> dict[str, Any]:
    return one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]


def layers(the_map: Object) -> list[dict[str, Any]]:
    return [layer for layer in the_map["attributes"]["layerList"] if layer["type"] == "documents"]


@dataclass(frozen=True)
class Use:
    """A field that an object names, and what for: ``aggregate``, ``sort``, ``filter``, ``draw`` or ``show``."""

    alias: str
    field: str
    purpose: str
    where: str


def uses(found: list[Object]) -> list[Use]:
    kinds = {"index-pattern": _pattern_uses, "search": _search_uses, "visualization": _chart_uses, "map": _map_uses}
    return [use for one in found if one["type"] in kinds for use in kinds[one["type"]](one)]


def _pattern_uses(one: Object) -> Iterator[Use]:
    yield Use(one["attributes"]["title"], one["attributes"]["timeFieldName"], "sort", one["id"])


def _search_uses(one: Object) -> Iterator[Use]:
    yield from (Use(pattern_of(one), field, "show", one["id"]) for field in one["attributes"]["columns"])
    yield from (Use(pattern_of(one), field, "sort", one["id"]) for field, _ in one["attributes"]["sort"])
    yield from _filtered(search_source(one)["filter"], pattern_of(one), one["id"])


def _chart_uses(one: Object) -> Iterator[Use]:
    for aggregation in one["attributes"]["visState"]["aggs"]:
        if aggregation["type"] != "count":
            yield Use(pattern_of(one), aggregation["params"]["field"], "aggregate", one["id"])
    yield from _filtered(search_source(one)["filter"], pattern_of(one), one["id"])


def _map_uses(one: Object) -> Iterator[Use]:
    for layer in layers(one):
        source = layer["source"]
        alias = source["indexPatternRefName"]
        yield Use(alias, source["geoFieldName"], "draw", one["id"])
        yield from (Use(alias, field, "show", one["id"]) for field in source["tooltipFields"])
        yield from _filtered(source["filters"], alias, one["id"])


def _filtered(filters: list[dict[str, Any]], alias: str, where: str) -> Iterator[Use]:
    for one in filters:
        yield Use(alias, one["exists"]["field"], "filter", where)


def query(filters: list[dict[str, Any]], *, time_field: str, time_from: str, time_to: str) -> dict[str, Any]:
    """The filters of an object together with the dashboard's time range."""
    wanted = [{"exists": one["exists"]} for one in filters if not one["meta"]["disabled"]]
    return {"bool": {"filter": [*wanted, {"range": {time_field: {"gte": time_from, "lte": time_to}}}]}}


def aggregations(visualization: Object) -> dict[str, Any]:
    """The aggregations of a visualization: one bucket in the other, the metrics in the innermost."""
    told = visualization["attributes"]["visState"]["aggs"]
    counts = {one["id"] for one in told if one["type"] == "count"}
    inner = {one["id"]: {one["type"]: {"field": one["params"]["field"]}} for one in told if _is_metric(one)}
    for one in reversed([one for one in told if one["schema"] != "metric"]):
        inner = {one["id"]: {one["type"]: _bucket(one["params"], counts), **({"aggs": inner} if inner else {})}}
    return inner


def _is_metric(aggregation: dict[str, Any]) -> bool:
    return aggregation["schema"] == "metric" and aggregation["type"] != "count"


def _bucket(params: dict[str, Any], counts: set[str]) -> dict[str, Any]:
    if params.get("interval") == "auto":
        return {"field": params["field"], "calendar_interval": "year", "min_doc_count": params["min_doc_count"]}
    by = "_count" if params["orderBy"] in counts else params["orderBy"]
    return {"field": params["field"], "size": params["size"], "order": {by: params["order"]}}
