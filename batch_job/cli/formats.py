"""How search results are printed; every format but the table streams."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from batch_job.search.geojson import label_feature
from batch_job.values.documents import LabelDocument

TABLE_ROWS = 50
"""Rows of a table for reading; who wants more wants another format, or says --limit."""
_PIPED_COLUMNS = 200

_CSV_FIELDS = (
    *("label", "confidence", "kind", "uri", "min_col", "min_row", "max_col", "max_row", "lon", "lat"),
    *("length_m", "width_m", "area_m2", "chips", "touches_edge", "time", "terms", "categories", "id"),
)

Hits = Iterable[LabelDocument]


def print_table(hits: Hits, limit: int | None) -> None:
    """Print the first hits for reading, and say whether there are more."""
    rows = limit or TABLE_ROWS
    found = list(islice(hits, rows + 1))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("label", "confidence", "length m", "lon", "lat", "image", "pixel box"):
        table.add_column(name, justify="left" if name in ("label", "image") else "right", overflow="fold")
    for label in found[:rows]:
        table.add_row(*_cells(label))
    console = Console(highlight=False, markup=False)
    console.width = console.width if console.is_terminal else _PIPED_COLUMNS
    console.print(table)
    if len(found) > rows:
        sys.stderr.write(f"the first {rows}; for all of them: --format ndjson, geojson or csv\n")
    elif not found:
        sys.stderr.write("nothing found\n")


def print_ndjson(hits: Hits, _limit: int | None) -> None:
    """Print a document a line."""
    for label in hits:
        _write(orjson.dumps(label.to_source()) + b"\n")


def print_json(hits: Hits, _limit: int | None) -> None:
    """Print one JSON list."""
    _write_list(b"[", (label.to_source() for label in hits), b"\n]\n")


def print_geojson(hits: Hits, _limit: int | None) -> None:
    """Print one FeatureCollection."""
    _write_list(b'{"type":"FeatureCollection","features":[', map(label_feature, hits), b"\n]}\n")


def print_csv(hits: Hits, _limit: int | None) -> None:
    """Print a header and a row for each hit; lists are joined with ``;``."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_CSV_FIELDS)
    for label in hits:
        fields = label.to_source()
        fields.update(zip(("min_col", "min_row", "max_col", "max_row"), fields["pixel_box"], strict=True))
        fields.update(fields.get("center", {}))
        fields.update({name: ";".join(fields[name]) for name in ("terms", "categories")})
        writer.writerow([fields.get(name, "") for name in _CSV_FIELDS])


FORMATS: dict[str, Callable[[Hits, int | None], None]] = {
    "table": print_table,
    "json": print_json,
    "ndjson": print_ndjson,
    "geojson": print_geojson,
    "csv": print_csv,
}


def _cells(label: LabelDocument) -> Iterator[str]:
    yield label.label if label.kind == "object" else f"{label.label} ({label.kind})"
    yield f"{label.confidence:.1f}"
    yield "" if label.length_m is None else f"{label.length_m:,.1f}"
    yield "" if label.center is None else f"{label.center.lon:.6f}"
    yield "" if label.center is None else f"{label.center.lat:.6f}"
    yield label.image.uri
    yield ",".join(f"{edge:.0f}" for edge in label.pixel_box)


def _write_list(head: bytes, items: Iterable[dict[str, Any]], tail: bytes) -> None:
    _write(head)
    separator = b"\n"
    for item in items:
        _write(separator + orjson.dumps(item))
        separator = b",\n"
    _write(tail)


def _write(body: bytes) -> None:
    sys.stdout.buffer.write(body)
