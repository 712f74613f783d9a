"""The two indices: their names, fields and settings. What each field means stands in ``docs/index-fields.md``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAPPING_VERSION = 1
"""Raise when a field changes its type; a field more needs no new index."""

DEFAULT_PREFIX = "imagery"

IGNORE_ABOVE = 8191
"""Characters of a keyword that are indexed: Lucene's limit of 32,766 bytes, at 4 bytes a character.

Longer ones stay in the document and are not found, where without this the whole document would be refused.
"""

_KEYWORD: Mapping[str, Any] = {"type": "keyword", "ignore_above": IGNORE_ABOVE}
_KEPT: Mapping[str, Any] = {"type": "keyword", "index": False, "doc_values": False}
_WORDS: Mapping[str, Any] = {**_KEYWORD, "fields": {"text": {"type": "text"}}}
_KEY: Mapping[str, Any] = {**_KEYWORD, "fields": {"pieces": {"type": "wildcard"}}}
_LONG: Mapping[str, Any] = {"type": "long"}
_INTEGER: Mapping[str, Any] = {"type": "integer"}
_FLOAT: Mapping[str, Any] = {"type": "float"}
_DOUBLE: Mapping[str, Any] = {"type": "double"}
_DATE: Mapping[str, Any] = {"type": "date"}
_BOOLEAN: Mapping[str, Any] = {"type": "boolean"}
_GEO_SHAPE: Mapping[str, Any] = {"type": "geo_shape"}
_GEO_POINT: Mapping[str, Any] = {"type": "geo_point"}


def _object(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"properties": properties}


IMAGE_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "id": _KEYWORD,
    "bucket": _KEYWORD,
    "key": _KEY,
    "uri": _KEYWORD,
    "etag": _KEYWORD,
    "size": _LONG,
    "last_modified": _DATE,
    "time": _DATE,
    "time_source": _KEYWORD,
    "format": _KEYWORD,
    "width": _INTEGER,
    "height": _INTEGER,
    "bands": _INTEGER,
    "dtype": _KEYWORD,
    "crs": _KEYWORD,
    "gsd_m": _DOUBLE,
    "georeference": _KEYWORD,
    "georeference_from": _KEYWORD,
    "georeference_error_m": _DOUBLE,
    "georeference_note": _KEYWORD,
    "footprint": _GEO_SHAPE,
    "center": _GEO_POINT,
    "labels": _WORDS,
    "chips": _object(total=_INTEGER, sent=_INTEGER, blank=_INTEGER, rejected=_INTEGER, skipped=_INTEGER),
    "engine": _KEYWORD,
    "model_version": _KEYWORD,
    "cost_usd": _DOUBLE,
    "run_id": _KEYWORD,
    "indexed_at": _DATE,
    "state": _KEYWORD,
    "error_code": _KEYWORD,
    "error": {"type": "text"},
    "version": _object(
        etag=_KEYWORD,
        side_files=_object(key=_KEPT, etag=_KEPT),
        detection_fingerprint=_KEYWORD,
        index_fingerprint=_KEYWORD,
    ),
    "epoch": _LONG,
    "attempts": _INTEGER,
    "token": _KEPT,
    "lease": _object(owner=_KEYWORD, until_ms=_LONG),
    "live": _object(epoch=_LONG, count=_INTEGER, content=_KEPT),
    "superseded": _object(epoch=_LONG, count=_INTEGER, declared_ms=_LONG),
    "settings_revision": _LONG,
}
"""Fields of the images index: what is known of an image, and its ledger."""

LABEL_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "id": _KEYWORD,
    "image_id": _KEYWORD,
    "bucket": _KEYWORD,
    "key": _KEY,
    "uri": _KEYWORD,
    "epoch": _LONG,
    "ordinal": _INTEGER,
    "label": _WORDS,
    "terms": _WORDS,
    "categories": _WORDS,
    "kind": _KEYWORD,
    "confidence": _FLOAT,
    "pixel_box": {"type": "float", "index": False},
    "pixel_ring": {"type": "float", "index": False, "doc_values": False},
    "geometry": _GEO_SHAPE,
    "center": _GEO_POINT,
    "area_m2": _DOUBLE,
    "length_m": _DOUBLE,
    "width_m": _DOUBLE,
    "chips": _INTEGER,
    "touches_edge": _BOOLEAN,
    "etag": _KEYWORD,
    "time": _DATE,
    "time_source": _KEYWORD,
    "model_version": _KEYWORD,
}
"""Fields of the labels index: one document for each detection."""


@dataclass(frozen=True, slots=True)
class IndexNames:
    """What the indices are called. Everybody uses the aliases; the indices behind them carry a version."""

    prefix: str = DEFAULT_PREFIX

    @property
    def images(self) -> str:
        """The alias of the images index: ``imagery-images``."""
        return f"{self.prefix}-images"

    @property
    def labels(self) -> str:
        """The alias of the labels index: ``imagery-labels``."""
        return f"{self.prefix}-labels"

    @staticmethod
    def behind(alias: str) -> str:
        """Name the index behind an alias: ``imagery-images-v1``."""
        return f"{alias}-v{MAPPING_VERSION}"


SLOW = "5s"
"""What takes longer is in the slow logs, which are empty unless an index says what slow is."""


def index_body(fields: Mapping[str, Mapping[str, Any]], *, alias: str, shards: int = 1) -> dict[str, Any]:
    """Give the body of the request that creates an index, its alias included."""
    return {
        "settings": {
            "index": {
                "number_of_shards": shards,
                "auto_expand_replicas": "0-1",  # a copy where there is a second node, and green where there is not
                "refresh_interval": "5s",  # the ledger is read by id, in real time; only searches see the delay
                "search.slowlog.threshold.query.warn": SLOW,
                "search.slowlog.threshold.fetch.warn": SLOW,
                "indexing.slowlog.threshold.index.warn": SLOW,
            }
        },
        "mappings": mapping(fields),
        "aliases": {alias: {"is_write_index": True}},
    }


def mapping(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Give a mapping that refuses every field it does not name."""
    return {"dynamic": "strict", "properties": dict(fields)}
