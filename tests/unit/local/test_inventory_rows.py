import csv
import io
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from batch_job.errors import SetUpError
from local.inventory import read_order
from local.inventory_rows import COLUMNS, to_fields

ENTRY = {
    "Key": "a b/é+1%.tif",
    "Size": 7,
    "ETag": '"8eabe9d6-2"',
    "LastModified": datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC),
    "StorageClass": "GLACIER",
}
MARKER = {"Key": "k", "IsDeleteMarker": True, "VersionId": "v", "IsLatest": True, "LastModified": ENTRY["LastModified"]}
CONFIGURATION = {
    "Id": "daily",
    "IsEnabled": True,
    "IncludedObjectVersions": "All",
    "Filter": {"Prefix": "scenes/"},
    "Schedule": {"Frequency": "Daily"},
    "OptionalFields": ["Size", "ETag"],
    "Destination": {
        "S3BucketDestination": {
            "Bucket": "arn:aws:s3:::to",
            "Format": "CSV",
            "Prefix": "inv/",
            "Encryption": {"SSEKMS": {"KeyId": "arn:key"}},
        }
    },
}


@given(key=st.text(min_size=1, max_size=50))
def test_any_key_comes_back_from_its_field(key):
    (field,) = to_fields({"Key": key}, ["Key"], bucket="b")
    assert unquote_plus(field) == key
    assert field.isascii()


def test_keys_are_encoded_as_forms_are():
    assert to_fields(ENTRY, ["Key"], bucket="b") == ["a+b/%C3%A9%2B1%25.tif"]


def test_fields_are_written_as_s3_writes_them():
    columns = ["Bucket", "Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ReplicationStatus"]
    assert to_fields(ENTRY, columns, bucket="b") == [
        "b",
        "7",
        "2026-01-02T03:04:05.006Z",
        "8eabe9d6-2",
        "GLACIER",
        "true",
        "",
    ]


def test_a_delete_marker_has_neither_size_nor_etag():
    columns = ["VersionId", "IsLatest", "IsDeleteMarker", "Size", "ETag", "StorageClass"]
    assert to_fields(MARKER, columns, bucket="b") == ["v", "true", "true", "", "", ""]


def test_an_unversioned_object_has_an_empty_version():
    assert to_fields({**ENTRY, "VersionId": "null"}, ["VersionId"], bucket="b") == [""]


def test_an_unknown_column_is_refused():
    with pytest.raises(SetUpError, match="Colour"):
        to_fields(ENTRY, ["Key", "Colour"], bucket="b")


def test_every_optional_field_of_the_service_is_known():
    fields = Session().get_service_model("s3").shape_for("InventoryOptionalField").enum
    assert set(fields) <= set(COLUMNS)


def test_a_configuration_says_where_and_what():
    order = read_order(CONFIGURATION, source="from")
    assert order.folder == "inv/from/daily"
    assert order.destination == "to"
    assert order.listed == "scenes/"
    assert order.columns == ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "ETag")
    assert order.encryption == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:key"}


def test_what_s3_would_not_deliver_is_refused():
    with pytest.raises(SetUpError, match="disabled"):
        read_order({**CONFIGURATION, "IsEnabled": False}, source="from")


def test_other_formats_than_csv_are_refused():
    destination = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::to", "Format": "Parquet"}}
    with pytest.raises(SetUpError, match="Parquet"):
        read_order({**CONFIGURATION, "Destination": destination}, source="from")


def test_a_key_with_a_quote_and_a_line_break_is_one_field():
    row = to_fields({"Key": 'a"b\nc'}, ["Bucket", "Key"], bucket="b")
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(row)
    (read,) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert unquote_plus(read[1]) == 'a"b\nc'
