"""Questions as OpenSearch takes them; only what version 2.19 has too."""

from collections.abc import Mapping, Sequence
from typing import Any

from batch_job.values.query import LabelQuery, LonLatBox, Near

__all__ = [
    "BY_CONFIDENCE",
    "BY_ID",
    "BY_KEY",
    "LabelQuery",
    "LonLatBox",
    "Near",
    "failures_under",
    "images_under",
    "page",
    "to_query",
]

Clause = dict[str, Any]

BY_CONFIDENCE: Sequence[Mapping[str, str]] = ({"confidence": "desc"}, {"id": "asc"})
BY_KEY: Sequence[Mapping[str, str]] = ({"key": "asc"}, {"id": "asc"})
BY_ID: Sequence[Mapping[str, str]] = ({"id": "asc"},)
"""Orders that name every hit's place, so that ``search_after`` loses and repeats none."""

_WORD_FIELDS = ("terms.text", "categories.text")
_WILDCARDS = str.maketrans({"\\": r"\\", "*": r"\*", "?": r"\?"})


def to_query(query: LabelQuery) -> Clause:
    """Translate a question; nothing is scored, every condition is a filter."""
    filters = [*_what(query), *_where(query), *_when(query)]
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def _what(query: LabelQuery) -> list[Clause]:
    filters: list[Clause] = []
    if query.label is not None:
        filters.append({"term": {"terms": {"value": query.label, "case_insensitive": True}}})
    if query.text is not None:
        filters.append(_any(_words(query.text), _piece_of_key(query.text)))
    if query.min_confidence is not None:
        filters.append({"range": {"confidence": {"gte": query.min_confidence}}})
    if query.min_length_m is not None:
        filters.append({"range": {"length_m": {"gte": query.min_length_m}}})
    if query.image is not None:
        filters.append({"term": {"uri" if "://" in query.image else "key": query.image}})
    return filters


def _words(text: str) -> Clause:
    return {"multi_match": {"query": text, "fields": list(_WORD_FIELDS), "type": "cross_fields", "operator": "and"}}


def _piece_of_key(text: str) -> Clause:
    return {"wildcard": {"key.pieces": {"value": f"*{text.translate(_WILDCARDS)}*", "case_insensitive": True}}}


def _where(query: LabelQuery) -> list[Clause]:
    filters: list[Clause] = []
    if query.within is not None:
        filters.append(_any(*(_touches(_envelope(part)) for part in query.within.parts())))
    if query.area is not None:
        filters.append(_touches(dict(query.area)))
    if query.near is not None:
        position = {"lon": query.near.position.lon, "lat": query.near.position.lat}
        filters.append({"geo_distance": {"distance": f"{query.near.radius_m}m", "center": position}})
    return filters


def _envelope(box: LonLatBox) -> Clause:
    return {"type": "envelope", "coordinates": [[box.west, box.north], [box.east, box.south]]}


def _touches(shape: Clause) -> Clause:
    by_center = {
        "must_not": [{"exists": {"field": "geometry"}}],
        "filter": [{"geo_shape": {"center": {"shape": shape, "relation": "intersects"}}}],
    }
    return _any({"geo_shape": {"geometry": {"shape": shape, "relation": "intersects"}}}, {"bool": by_center})


def _when(query: LabelQuery) -> list[Clause]:
    limits = {"gte": query.since, "lt": query.until}
    given = {name: moment for name, moment in limits.items() if moment is not None}
    return [{"range": {"time": given}}] if given else []


def _any(*clauses: Clause) -> Clause:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def images_under(bucket: str, prefix: str) -> Clause:
    """Ask for the images of a bucket whose keys start with ``prefix``."""
    filters: list[Clause] = [{"term": {"bucket": bucket}}]
    if prefix:
        filters.append({"prefix": {"key": prefix}})
    return {"bool": {"filter": filters}}


def failures_under(bucket: str, prefix: str, code: str | None) -> Clause:
    """Ask for the images that failed, of one error code or of any."""
    query = images_under(bucket, prefix)
    query["bool"]["filter"] += [{"term": {"state": "failed"}}, *([{"term": {"error_code": code}}] if code else [])]
    return query


def page(query: Clause, *, order: Sequence[Mapping[str, str]], size: int, after: Sequence[Any] | None) -> Clause:
    """Ask for the ``size`` hits that follow the one whose sort values are ``after``, or for the first."""
    body: Clause = {"query": query, "sort": [dict(part) for part in order], "size": size, "track_total_hits": False}
    return body if after is None else {**body, "search_after": list(after)}
