import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError

from batch_job.backfill.inventory import parse_manifest, read_rows
from batch_job.errors import SetUpError
from local.inventory import deliver

pytestmark = pytest.mark.server

KEYS = ["a b/é+1%.tif", 'quote",comma.tif', "plain.tif", "日本/🛰.tif", "x" * 1000]


def configuration(name, destination, **more):
    return {
        "Id": name,
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["Size", "LastModifiedDate", "ETag", "StorageClass"],
        "Destination": {
            "S3BucketDestination": {"Bucket": f"arn:aws:s3:::{destination}", "Format": "CSV", "Prefix": "inv"}
        },
        **more,
    }


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def bucket(s3):
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=f"{name}-to")
    return name


def put(s3, bucket, name="daily", **more):
    made = configuration(name, f"{bucket}-to", **more)
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id=name, InventoryConfiguration=made)
    return made


def md5(body):
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def read(s3, delivery):
    """Read an inventory back with nothing but S3, json and csv."""

    def body(key):
        return s3.get_object(Bucket=delivery.bucket, Key=key)["Body"].read()

    manifest_text = body(delivery.manifest_key)
    assert body(delivery.checksum_key).decode() == md5(manifest_text)
    manifest = json.loads(manifest_text)
    columns = [name.strip() for name in manifest["fileSchema"].split(",")]
    files = []
    for file in manifest["files"]:
        packed = body(file["key"])
        assert (len(packed), md5(packed)) == (file["size"], file["MD5checksum"])
        text = gzip.decompress(packed).decode()
        assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())
        files.append([dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))])
    return manifest, files


def test_a_configuration_is_kept_as_it_was_put_and_the_bucket_stays(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    made = put(s3, bucket)
    assert s3.get_bucket_inventory_configuration(Bucket=bucket, Id="daily")["InventoryConfiguration"] == made
    put(s3, bucket, "second", Filter={"Prefix": "p/"})
    listed = s3.list_bucket_inventory_configurations(Bucket=bucket)
    assert [one["Id"] for one in listed["InventoryConfigurationList"]] == ["daily", "second"]
    assert listed["IsTruncated"] is False
    s3.delete_bucket_inventory_configuration(Bucket=bucket, Id="daily")
    with pytest.raises(ClientError, match="NoSuchConfiguration"):
        s3.get_bucket_inventory_configuration(Bucket=bucket, Id="daily")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 0
    assert [one["Id"] for one in s3.list_bucket_inventory_configurations(Bucket=bucket)["InventoryConfigurationList"]]


def test_configurations_are_listed_by_the_hundred(s3, bucket):
    for number in range(101):
        put(s3, bucket, f"c{number:03d}")
    first = s3.list_bucket_inventory_configurations(Bucket=bucket)
    assert (len(first["InventoryConfigurationList"]), first["IsTruncated"]) == (100, True)
    token = first["NextContinuationToken"]
    rest = s3.list_bucket_inventory_configurations(Bucket=bucket, ContinuationToken=token)
    assert [one["Id"] for one in rest["InventoryConfigurationList"]] == ["c100"]


def test_a_bucket_that_is_not_there_is_not_made_by_the_way(s3):
    with pytest.raises(ClientError, match="NoSuchBucket"):
        put(s3, "nowhere")
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket="nowhere")


def test_an_inventory_lists_every_object_in_the_layout_of_s3(s3, bucket):
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"].strip('"') for key in KEYS}
    put(s3, bucket)
    delivery = deliver(s3, bucket, began=datetime(2026, 11, 20, 1, 0, tzinfo=UTC))
    folder = f"inv/{bucket}/daily"
    assert delivery.manifest_key == f"{folder}/2026-11-20T01-00Z/manifest.json"
    assert delivery.checksum_key == f"{folder}/2026-11-20T01-00Z/manifest.checksum"
    manifest, files = read(s3, delivery)
    assert manifest["sourceBucket"] == bucket
    assert manifest["destinationBucket"] == f"arn:aws:s3:::{bucket}-to"
    assert manifest["creationTimestamp"] == "1795136400000"
    assert manifest["fileSchema"] == "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass"
    assert [len(file) for file in files] == [2, 2, 1]
    rows = {unquote_plus(row["Key"]): row for file in files for row in file}
    assert {key: row["ETag"] for key, row in rows.items()} == etags
    assert {key: int(row["Size"]) for key, row in rows.items()} == {key: len(key.encode()) for key in KEYS}
    assert {row["StorageClass"] for row in rows.values()} == {"STANDARD"}
    datetime.fromisoformat(rows["plain.tif"]["LastModifiedDate"])


def test_the_planner_reads_the_same_objects(s3, bucket):
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"].strip('"') for key in KEYS}
    put(s3, bucket)
    delivery = deliver(s3, bucket)

    def body(key):
        return s3.get_object(Bucket=delivery.bucket, Key=key)["Body"].read()

    manifest = parse_manifest(body(delivery.manifest_key), checksum=body(delivery.checksum_key))
    assert (manifest.source_bucket, manifest.destination_bucket) == (bucket, delivery.bucket)
    rows = [row for file in manifest.files for row in read_rows(io.BytesIO(body(file.key)), file, manifest)]
    assert {row.key: row.etag for row in rows} == etags
    assert all(row.readable and row.current and row.size == len(row.key.encode()) for row in rows)


def test_the_checksum_comes_last(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    put(s3, bucket)
    deliver(s3, bucket)
    written = s3.list_objects_v2(Bucket=f"{bucket}-to")["Contents"]
    assert max(written, key=lambda one: one["LastModified"])["Key"].endswith("/manifest.checksum")


def test_an_empty_bucket_has_an_inventory_without_files(s3, bucket):
    put(s3, bucket)
    manifest, files = read(s3, deliver(s3, bucket))
    assert (manifest["files"], files) == ([], [])


def test_a_prefix_and_versions_are_heeded(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"22"):
        s3.put_object(Bucket=bucket, Key="in/k", Body=body)
    s3.delete_object(Bucket=bucket, Key="in/k")
    s3.put_object(Bucket=bucket, Key="out/k", Body=b"")
    put(s3, bucket, IncludedObjectVersions="All", Filter={"Prefix": "in/"})
    _, files = read(s3, deliver(s3, bucket, data_files=1))
    rows = sorted((row["IsDeleteMarker"], row["Size"], row["IsLatest"], row["Key"]) for row in files[0])
    assert rows == [("false", "1", "false", "in/k"), ("false", "2", "false", "in/k"), ("true", "", "true", "in/k")]


def test_two_deliveries_share_nothing_but_the_folder(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    put(s3, bucket)
    first, second = (deliver(s3, bucket, began=datetime(2026, 11, day, tzinfo=UTC)) for day in (20, 21))
    assert not set(first.data_keys) & set(second.data_keys)


def test_which_inventory_must_be_clear(s3, bucket):
    with pytest.raises(SetUpError, match="0 inventories"):
        deliver(s3, bucket)
    put(s3, bucket, "one")
    put(s3, bucket, "two")
    with pytest.raises(SetUpError, match="one, two"):
        deliver(s3, bucket)
    assert "/two/" in deliver(s3, bucket, configuration_id="two").manifest_key
    with pytest.raises(SetUpError, match="NoSuchConfiguration"):
        deliver(s3, bucket, configuration_id="three")


def test_the_command_delivers_and_names_the_manifest(s3, bucket, endpoint, run_inventory):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    put(s3, bucket)
    said = run_inventory(bucket, "--files", "1", AWS_ENDPOINT_URL=endpoint)
    assert said.returncode == 0
    assert said.stdout.startswith(f"1 rows in 1 files: s3://{bucket}-to/inv/{bucket}/daily/")


def test_the_command_leaves_real_buckets_alone(run_inventory):
    said = run_inventory("bucket")
    assert said.returncode == 1
    assert "AWS_ENDPOINT_URL is not set" in said.stderr


@pytest.fixture
def run_inventory(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

    def run(*arguments, **variables):
        for name, value in (keys | variables).items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "local.inventory", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run
