import gzip
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.backfill.inventory import parse_manifest, read_rows
from batch_job.errors import InventoryError
from batch_job.values.inventory import NIGHTLY, DataFile, InventoryRow, Manifest, Request, Scope, UnreadableRow
from batch_job.values.work import Redo
from tests.golden_files import cases, check, load
from tests.unit.backfill.inventories import csv_gz, data_file, manifest_json, manifest_of, md5

Row = InventoryRow | UnreadableRow
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
triples = st.tuples(keys, st.integers(min_value=0, max_value=2**50), st.text("0123456789abcdef-", min_size=1))


def read(body: bytes, manifest: Manifest, file: DataFile | None = None) -> list[Row]:
    return list(read_rows(io.BytesIO(body), file or data_file("data/1.csv.gz", body), manifest))


def outcome(given: dict[str, Any]) -> object:
    body = gzip.compress("".join(line + "\n" for line in given.get("lines", ())).encode())
    facts = given["manifest"]
    if isinstance(facts, dict):
        facts.setdefault("files", [{"key": "d/1.csv.gz", "size": len(body), "MD5checksum": md5(body).upper()}])
    text = json.dumps(facts).encode()
    try:
        manifest = parse_manifest(text, checksum=f"{md5(text)}\n".encode())
    except InventoryError as error:
        return {"error": str(error)}
    rows = [asdict(row) for file in manifest.files for row in read(body, manifest, file)]
    return {"run_id": manifest.run_id[:17], "from": manifest.destination_bucket, "rows": rows}


@pytest.mark.parametrize("case", cases("inventory"), ids=lambda path: path.name)
def test_an_inventory_says(case: Path):
    check(case, outcome(load(case)))


@given(rows=st.lists(triples, max_size=20))
def test_every_row_comes_back_as_it_was_written(rows: list[tuple[str, int, str]]):
    found = read(csv_gz(rows, bucket="b"), manifest_of(bucket="b"))
    assert found == [InventoryRow(key=key, size=size, etag=etag, readable=True) for key, size, etag in rows]


@given(lines=st.lists(st.binary(max_size=40), max_size=8))
def test_no_bytes_in_a_row_spoil_the_rows_after_it(lines: list[bytes]):
    noise = b"".join(line.replace(b'"', b"").replace(b"\n", b"").replace(b"\r", b"") + b"\n" for line in lines)
    good = gzip.decompress(csv_gz([("a.tif", 1, "e")], bucket="b"))
    *_, last = read(gzip.compress(noise + good), manifest_of(bucket="b"))
    assert last == InventoryRow(key="a.tif", size=1, etag="e", readable=True)


@pytest.mark.parametrize(
    "row", [b'"b","\xff.tif","1","d","e","STANDARD"\n', b'"b","a.tif","1","d","\xff","STANDARD"\n']
)
def test_bytes_that_are_no_utf8_spoil_their_row_alone(row: bytes):
    good = gzip.decompress(csv_gz([("a.tif", 1, "e")], bucket="b"))
    rows = read(gzip.compress(row + good), manifest_of(bucket="b"))
    assert [type(found) for found in rows] == [UnreadableRow, InventoryRow]


def test_an_endless_field_ends():
    good = gzip.decompress(csv_gz([("a.tif", 1, "e")], bucket="b"))
    rows = read(gzip.compress(b'"' + b"x" * 200_000 + b'"\n' + good), manifest_of(bucket="b"))
    assert [type(row) for row in rows] == [UnreadableRow, InventoryRow]


def test_a_checksum_of_another_manifest_is_refused():
    body = manifest_json([], bucket="b")
    with pytest.raises(InventoryError, match=rf"has the MD5 {md5(body)}, manifest.checksum says 'abc'"):
        parse_manifest(body, checksum=b"abc")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"fileFormat": "CSV"}', b"\xff"])
def test_what_is_no_manifest_is_refused(body: bytes):
    with pytest.raises(InventoryError, match=r"manifest\.json"):
        parse_manifest(body, checksum=md5(body).encode())


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("redo", Redo)
def test_a_listing_of_ours_says_what_is_asked_for(scope: Scope, redo: Redo):
    body = manifest_json([], bucket="b", request={"scope": str(scope), "redo": str(redo)})
    manifest = parse_manifest(body, checksum=md5(body).encode())
    assert manifest.request == Request(scope=scope, redo=redo)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_an_inventory_of_s3_asks_for_nothing():
    body = manifest_json([], bucket="b")
    assert parse_manifest(body, checksum=md5(body).encode()).request == NIGHTLY


@pytest.mark.parametrize("request_", [{}, [], "part", {"scope": "part"}, {"scope": "all", "redo": "nothing"}])
def test_what_cannot_be_understood_is_not_planned_as_something_else(request_: object):
    body = manifest_json([], bucket="b", request=request_)
    with pytest.raises(InventoryError, match="no inventory manifest"):
        parse_manifest(body, checksum=md5(body).encode())


def test_a_file_that_is_not_the_listed_one_is_refused_at_its_end():
    body = csv_gz([("a.tif", 1, "e")], bucket="b")
    rows = read_rows(io.BytesIO(body), DataFile("k.csv.gz", len(body), md5(b"another")), manifest_of(bucket="b"))
    assert next(rows)
    with pytest.raises(InventoryError, match=r"k\.csv\.gz has the MD5"):
        list(rows)


@pytest.mark.parametrize("cut", [1, 5, 12, 40])
def test_half_a_file_is_refused(cut: int):
    body = csv_gz([(f"{number}.tif", 1, "e") for number in range(100)], bucket="b")[:-cut]
    with pytest.raises(InventoryError, match="no whole gzip file"):
        read(body, manifest_of(bucket="b"), DataFile("k.csv.gz", 1, "0" * 32))


def test_what_is_no_gzip_is_refused():
    with pytest.raises(InventoryError, match="no whole gzip file"):
        read(b"Bucket,Key\n", manifest_of(bucket="b"))


def test_runs_sort_by_the_time_of_their_scans():
    early, late = manifest_of(bucket="b", created_ms=1000), manifest_of(bucket="b", created_ms=10**12)
    assert early.run_id == "19700101T000001Z-00000000"
    assert early.run_id < late.run_id


def test_a_file_is_found_by_its_id():
    files = [DataFile(f"data/{name}.csv.gz", 1, "") for name in "abc"]
    manifest = manifest_of(files, bucket="b")
    assert [manifest.file(file.id) for file in files] == files
    assert manifest.file("none") is None
