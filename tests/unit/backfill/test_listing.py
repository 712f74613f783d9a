"""Listings are inventories: what is written is read as it was, whatever the keys."""

import gzip
import io
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.backfill.inventory import parse_manifest, read_rows
from batch_job.backfill.listing import (
    COLUMNS,
    ListingHead,
    data_file,
    data_files,
    encode_key,
    file_of,
    folder_of,
    row_of_entry,
    row_of_object,
    write_checksum,
    write_manifest,
)
from batch_job.values.inventory import NIGHTLY, InventoryRow, Request, Scope
from batch_job.values.objects import ListedObject
from batch_job.values.work import Redo
from tests.unit.backfill.inventories import csv_gz
from tests.unit.ledger.entries import INDEXED

HEAD = ListingHead(source_bucket="imagery", destination_bucket="reports", created_ms=1_795_136_400_123)
MODIFIED = "2026-01-02T03:04:05Z"

hostile = st.text(alphabet=st.sampled_from(" +%\"',\n\r\t\\/=&?#é日\U0001f6f0\x00\x7fa."), min_size=1, max_size=40)
keys = st.one_of(hostile, st.text(min_size=1, max_size=40))
listed = st.builds(
    ListedObject,
    key=keys,
    etag=st.from_regex(r"[0-9a-f]{32}(-[1-9]\d{0,3})?", fullmatch=True),
    size=st.integers(0, 10**14),
    last_modified=st.just(MODIFIED),
    storage_class=st.sampled_from(["STANDARD", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"]),
)


def read(body: bytes) -> list[InventoryRow]:
    file = file_of("k", body)
    manifest_body = write_manifest(HEAD, [file])
    manifest = parse_manifest(manifest_body, checksum=write_checksum(manifest_body))
    rows = list(read_rows(io.BytesIO(body), file, manifest))
    assert all(isinstance(row, InventoryRow) for row in rows), rows
    return rows


def row(found: ListedObject) -> InventoryRow:
    archived = found.storage_class in ("GLACIER", "DEEP_ARCHIVE")
    return InventoryRow(key=found.key, size=found.size, etag=found.etag, readable=not archived)


@settings(deadline=None)
@given(objects=st.lists(listed, max_size=20), max_rows=st.integers(1, 7))
def test_what_was_listed_is_read(objects: list[ListedObject], max_rows: int) -> None:
    bodies = list(data_files((row_of_object(one, bucket="imagery") for one in objects), max_rows=max_rows))
    assert [one for body in bodies for one in read(body)] == [row(one) for one in objects]
    assert len(bodies) == -(-len(objects) // max_rows)


@pytest.mark.parametrize("key", ["é" * 512, "a" * 1024, "%2B+ %", 'a"b\nc,d', "\r\n", " ", "日本/🛰.tif"])
def test_keys_of_any_kind_come_back(key: str) -> None:
    found = ListedObject(key, "e", 1, MODIFIED)
    assert read(data_file([row_of_object(found, bucket="imagery")])) == [row(found)]
    assert encode_key(key).isascii()


def test_a_data_file_is_what_s3_would_deliver() -> None:
    body = data_file([row_of_object(ListedObject("a b+c.tif", "e1", 7, MODIFIED), bucket="imagery")])
    delivered = csv_gz([("a b+c.tif", 7, "e1")], bucket="imagery")
    assert gzip.decompress(body) == gzip.decompress(delivered)


def test_the_same_rows_give_the_same_bytes_and_one_pass_over_them() -> None:
    rows = [row_of_object(ListedObject(f"k{i}", "e", i, MODIFIED), bucket="imagery") for i in range(10)]
    assert list(data_files(iter(rows), max_rows=4)) == list(data_files(iter(rows), max_rows=4))


def test_nothing_listed_makes_no_file() -> None:
    assert list(data_files([])) == []


def test_rows_are_not_gathered() -> None:
    rows = (row_of_object(ListedObject(f"scenes/{i:09}.tif", "e" * 32, i, MODIFIED), bucket="b") for i in range(30_000))
    tracemalloc.start()
    total = sum(map(len, data_files(rows, max_rows=5000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000 < 30_000 * 100  # their text alone
    assert total < 1_000_000


@pytest.mark.parametrize("request_", [Request(scope=Scope.PART, redo=Redo.FAILED), Request(scope=Scope.BUCKET), None])
def test_the_manifest_says_what_was_asked_for(request_: Request | None) -> None:
    file = file_of("listings/x/data/0.csv.gz", b"body")
    body = write_manifest(replace(HEAD, request=request_), [file])
    manifest = parse_manifest(body, checksum=write_checksum(body))
    assert manifest.request == (request_ or NIGHTLY)
    assert manifest.files == (file,)
    assert (manifest.source_bucket, manifest.destination_bucket) == ("imagery", "reports")
    assert (manifest.columns, manifest.created_ms) == (COLUMNS, HEAD.created_ms)


def test_an_entry_of_the_ledger_is_listed_as_it_was_then() -> None:
    bucket, key, size, modified, etag, storage_class = row_of_entry(INDEXED)
    assert (bucket, key, size, etag) == ("imagery", "o/a.tif", "1", "e1")
    assert (modified, storage_class) == ("2026-01-01T00:00:00.000Z", "")
    bare = row_of_entry(replace(INDEXED, described=None))
    assert (bare[2], bare[3]) == ("0", "")


def test_folders_sort_by_time() -> None:
    assert folder_of(HEAD.created_ms, name="ab") == "20261120T010000Z-ab" < folder_of(HEAD.created_ms + 1000, name="aa")
