import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody
from botocore.stub import Stubber
from urllib3 import HTTPResponse

from batch_job.adapters import s3
from batch_job.adapters.s3 import Payer, S3ArchiveStore, S3Clock, S3ObjectStore, S3Reader, s3_client
from batch_job.errors import (
    AccessError,
    ChangedError,
    SettingsError,
    SetUpError,
    UnavailableError,
    UnreadableImageError,
    UnsupportedImageError,
)
from batch_job.values.image import ImageRef
from batch_job.values.objects import ListedObject, ObjectFacts

KEYS = {"access_key": "k", "secret_key": "s"}
IMAGE = ImageRef("bucket", "a folder/é+%20.tif")
MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEAD = {"ETag": '"abc-2"', "ContentLength": 12, "LastModified": MODIFIED}


@pytest.fixture
def client() -> Iterator[Any]:
    made = s3_client(endpoint_url="http://127.0.0.1:9", region="us-east-1", **KEYS)
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_head_gives_facts_without_quotes(client: Any, stub: Stubber):
    stub.add_response("head_object", HEAD, {"Bucket": "bucket", "Key": IMAGE.key})
    expected = ObjectFacts(etag="abc-2", size=12, last_modified="2026-01-02T03:04:05Z", readable=True)
    assert S3ObjectStore(client).head(IMAGE) == expected


def test_a_missing_object_is_none(client: Any, stub: Stubber):
    stub.add_client_error("head_object", "404", http_status_code=404)
    assert S3ObjectStore(client).head(IMAGE) is None


def test_a_forbidden_object_stops_and_names_the_permissions(client: Any, stub: Stubber):
    stub.add_client_error("head_object", "403", "Forbidden", http_status_code=403)
    with pytest.raises(AccessError, match=r"s3://bucket/a folder/.*s3:GetObject.*s3:ListBucket.*403: Forbidden"):
        S3ObjectStore(client).head(IMAGE)


LISTING = {"Bucket": "bucket", "Prefix": IMAGE.key, "MaxKeys": 1}
LISTED = {"Key": IMAGE.key, "ETag": '"abc"', "Size": 12, "LastModified": MODIFIED}


@pytest.mark.parametrize(("storage", "readable"), [("STANDARD", True), ("GLACIER", False)])
def test_an_object_under_a_customers_key_has_facts_by_the_listing(client: Any, stub: Stubber, storage: str, readable):
    stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400)
    stub.add_response("list_objects_v2", {"Contents": [{**LISTED, "StorageClass": storage}]}, LISTING)
    expected = ObjectFacts(etag="abc", size=12, last_modified="2026-01-02T03:04:05Z", readable=readable)
    assert S3ObjectStore(client).head(IMAGE) == expected


def test_the_listing_in_place_of_a_head_is_at_the_same_expense(client: Any, stub: Stubber):
    asked = {"Bucket": "bucket", "Key": IMAGE.key, "RequestPayer": "requester"}
    stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400, expected_params=asked)
    stub.add_response("list_objects_v2", {}, {**LISTING, "RequestPayer": "requester"})
    assert S3ObjectStore(client, payer=Payer.REQUESTER).head(IMAGE) is None


def test_a_bad_request_about_a_key_that_no_listing_has_is_about_nothing(client: Any, stub: Stubber):
    for contents in ([], [{**LISTED, "Key": IMAGE.key + ".ovr"}]):
        stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400)
        stub.add_response("list_objects_v2", {"Contents": contents}, LISTING)
        assert S3ObjectStore(client).head(IMAGE) is None


def test_credentials_that_expired_before_a_head_stop_the_run(client: Any, stub: Stubber):
    stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400)
    stub.add_client_error("list_objects_v2", "ExpiredToken", "The provided token has expired.", http_status_code=400)
    with pytest.raises(AccessError, match=r"HEAD s3://bucket/.*ExpiredToken"):
        S3ObjectStore(client).head(IMAGE)


def test_reading_an_object_under_a_customers_key_is_that_objects_failure(client: Any, stub: Stubber):
    message = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."
    stub.add_client_error("get_object", "InvalidRequest", message, http_status_code=400)
    with pytest.raises(UnsupportedImageError, match=r"s3://bucket/.*SSE-C"):
        S3Reader(client).read_range(IMAGE, etag="abc", start=0, length=10)


def test_another_invalid_request_stops_the_run(client: Any, stub: Stubber):
    stub.add_client_error("get_object", "InvalidRequest", "Missing required header", http_status_code=400)
    with pytest.raises(SetUpError, match="Missing required header"):
        S3Reader(client).read_range(IMAGE, etag="abc", start=0, length=10)


@pytest.mark.parametrize(
    ("more", "readable"),
    [
        ({}, True),
        ({"StorageClass": "STANDARD_IA"}, True),
        ({"StorageClass": "GLACIER_IR"}, True),
        ({"StorageClass": "GLACIER"}, False),
        ({"StorageClass": "DEEP_ARCHIVE"}, False),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}, False),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="Fri, 1 Jan 2027"'}, True),
        ({"StorageClass": "INTELLIGENT_TIERING"}, True),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, False),
        (
            {
                "StorageClass": "INTELLIGENT_TIERING",
                "ArchiveStatus": "ARCHIVE_ACCESS",
                "Restore": 'ongoing-request="false"',
            },
            True,
        ),
    ],
)
def test_archived_objects_are_not_readable_until_restored(client: Any, stub: Stubber, more: dict[str, str], readable):
    stub.add_response("head_object", {**HEAD, **more})
    facts = S3ObjectStore(client).head(IMAGE)
    assert facts is not None
    assert facts.readable is readable


def test_a_listing_goes_over_all_pages(client: Any, stub: Stubber):
    def row(key: str) -> dict[str, Any]:
        return {"Key": key, "ETag": f'"{key}"', "Size": 3, "LastModified": MODIFIED}

    given = {"Bucket": "bucket", "Prefix": "p/"}
    stub.add_response(
        "list_objects_v2", {"Contents": [row("p/a")], "IsTruncated": True, "NextContinuationToken": "t"}, given
    )
    stub.add_response("list_objects_v2", {"Contents": [row("p/b")]}, {**given, "ContinuationToken": "t"})
    assert list(S3ObjectStore(client).list("bucket", "p/")) == [
        ListedObject(key=key, etag=key, size=3, last_modified="2026-01-02T03:04:05Z") for key in ("p/a", "p/b")
    ]


def test_an_empty_listing_is_empty(client: Any, stub: Stubber):
    stub.add_response("list_objects_v2", {})
    assert list(S3ObjectStore(client).list("bucket", "p/")) == []


def test_a_bucket_that_is_not_there_is_a_matter_of_set_up(client: Any, stub: Stubber):
    stub.add_client_error("list_objects_v2", "NoSuchBucket", http_status_code=404)
    with pytest.raises(SetUpError, match="listing s3://bucket/p"):
        list(S3ObjectStore(client).list("bucket", "p"))


def range_answer(body: bytes, *, content_range: str, etag: str = '"v1"') -> dict[str, Any]:
    return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentRange": content_range, "ETag": etag}


def test_a_range_is_asked_for_under_its_version(client: Any, stub: Stubber):
    asked = {"Bucket": "bucket", "Key": IMAGE.key, "Range": "bytes=10-14", "IfMatch": '"v1"'}
    stub.add_response("get_object", range_answer(b"01234", content_range="bytes 10-14/99"), asked)
    portion = S3Reader(client).read_range(IMAGE, etag="v1", start=10, length=5)
    assert (portion.body, portion.object_size, portion.etag) == (b"01234", 99, "v1")


def test_without_a_version_there_is_no_condition(client: Any, stub: Stubber):
    asked = {"Bucket": "bucket", "Key": IMAGE.key, "Range": "bytes=0-4"}
    stub.add_response("get_object", range_answer(b"01234", content_range="bytes 0-4/5"), asked)
    assert S3Reader(client).read_range(IMAGE, etag=None, start=0, length=5).etag == "v1"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("PreconditionFailed", 412, ChangedError),
        ("NoSuchKey", 404, ChangedError),
        ("InvalidObjectState", 403, ChangedError),
        ("AccessDenied", 403, AccessError),
        ("InternalError", 500, UnavailableError),
    ],
)
def test_a_read_that_fails_says_what_helps(client: Any, stub: Stubber, code: str, status: int, error: type[Exception]):
    stub.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(error, match=f"reading 5 bytes from 0 on of s3://bucket/a folder.*{code}"):
        S3Reader(client).read_range(IMAGE, etag="v1", start=0, length=5)


def test_an_empty_object_is_called_empty(client: Any, stub: Stubber):
    stub.add_client_error("get_object", "InvalidRange", http_status_code=416)
    with pytest.raises(UnreadableImageError, match=r"s3://bucket/a folder/.*: the file is empty"):
        S3Reader(client).read_range(IMAGE, etag="v1", start=0, length=5)


def test_a_body_that_is_cut_off_is_transient(client: Any, stub: Stubber):
    answer = {**range_answer(b"", content_range="bytes 0-4/5"), "Body": StreamingBody(io.BytesIO(b"01"), 5)}
    stub.add_response("get_object", answer)
    with pytest.raises(UnavailableError):
        S3Reader(client).read_range(IMAGE, etag=None, start=0, length=5)


@pytest.mark.parametrize(("prefix", "root"), [("", ""), ("a/b", "a/b/"), ("/a/b/", "a/b/")])
def test_keys_of_the_archive_are_relative_to_its_root(client: Any, stub: Stubber, prefix: str, root: str):
    archive = S3ArchiveStore(client, bucket="kept", prefix=prefix)
    stub.add_response("put_object", {}, {"Bucket": "kept", "Key": f"{root}x/1", "Body": b"one"})
    archive.put("x/1", b"one")
    body = {"Body": StreamingBody(io.BytesIO(b"one"), 3)}
    stub.add_response("get_object", body, {"Bucket": "kept", "Key": f"{root}x/1"})
    assert archive.get("x/1") == b"one"
    stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    assert archive.get("x/2") is None
    row = {"Key": f"{root}x/1", "ETag": '"e"', "Size": 3, "LastModified": MODIFIED}
    stub.add_response("list_objects_v2", {"Contents": [row]}, {"Bucket": "kept", "Prefix": f"{root}x/"})
    assert list(archive.keys("x/")) == ["x/1"]


def test_an_archive_in_a_bucket_that_is_not_there_is_a_matter_of_set_up(client: Any, stub: Stubber):
    stub.add_client_error("get_object", "NoSuchBucket", http_status_code=404)
    with pytest.raises(SetUpError):
        S3ArchiveStore(client, bucket="kept", prefix="").get("x")


def test_nobody_listens_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    client = s3_client(endpoint_url="http://127.0.0.1:9", region="us-east-1", **KEYS)
    with pytest.raises(UnavailableError, match="HEAD s3://bucket/"):
        S3ObjectStore(client).head(IMAGE)
    client.close()


def test_a_bucket_name_that_cannot_be_is_a_setting(client: Any):
    with pytest.raises(SettingsError, match="Invalid bucket name"):
        S3ObjectStore(client).head(ImageRef("no such name!", "k"))


def test_a_profile_that_is_not_there_is_a_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(SettingsError, match="nobody"):
        s3_client()


def test_the_client_has_time_limits_and_a_retry_mode(client: Any):
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 30)
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert config.max_pool_connections >= 32
    assert config.s3["addressing_style"] == "path"


# ---- the clock


class Boot:
    """A boot clock that passes when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 1000
        monkeypatch.setattr(s3, "_boot_ms", lambda: self.ms)

    def pass_by(self, ms: int) -> None:
        self.ms += ms

    def pass_s(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


def answered(client: Any, date: str | None, meanwhile: Callable[[], None] = lambda: None, statuses: str = "200"):
    """Send a HEAD through all of botocore but the network; ``meanwhile`` happens between sending and answer."""
    left = [int(status) for status in statuses.split()]

    def answer(request: Any, **_: Any) -> AWSResponse:
        meanwhile()
        headers = {"Content-Length": "0"} if date is None else {"Content-Length": "0", "Date": date}
        return AWSResponse(request.url, left.pop(0), headers, HTTPResponse(io.BytesIO(), preload_content=False))

    client.meta.events.register("before-send.s3", answer)
    try:
        client.head_object(Bucket="bucket", Key="k")
    finally:
        client.meta.events.unregister("before-send.s3", answer)


def at(second: int) -> str:
    return f"Fri, 02 Jan 2026 03:04:{second:02} GMT"


FIRST_MS = int(datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC).timestamp()) * 1000


def test_before_the_first_answer_nobody_knows_the_time(client: Any):
    clock = S3Clock(client)
    answered(client, None)
    assert clock.reading_age_ms() > 10**15
    with pytest.raises(UnavailableError, match="has not answered yet"):
        clock.now_ms()


def test_the_time_is_the_newest_date_and_what_passed_since(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0))
    assert (clock.now_ms(), clock.reading_age_ms()) == (FIRST_MS, 0)
    boot.ms += 7_500
    assert (clock.now_ms(), clock.reading_age_ms()) == (FIRST_MS + 7_500, 7_500)
    answered(client, at(30))
    assert (clock.now_ms(), clock.reading_age_ms()) == (FIRST_MS + 30_000, 0)


def test_an_older_answer_that_comes_later_changes_nothing(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(30))
    boot.ms += 100
    answered(client, at(10))
    assert (clock.now_ms(), clock.reading_age_ms()) == (FIRST_MS + 30_100, 100)


def test_a_date_cut_to_its_second_does_not_turn_time_back(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0))
    boot.ms += 1_900
    answered(client, at(1))
    assert clock.now_ms() == FIRST_MS + 1_900


def test_a_boot_clock_that_runs_ahead_is_corrected(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0))
    boot.ms += 20_000
    answered(client, at(2))
    assert clock.now_ms() == FIRST_MS + 2_999


def test_one_answer_turns_time_back_by_half_a_minute_at_most(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0))
    boot.ms += 60_000
    answered(client, at(2))
    assert clock.now_ms() == FIRST_MS + 30_000


TWO_HOURS_MS = 2 * 60 * 60 * 1000


def test_an_answer_that_waited_while_the_machine_was_suspended_does_not_turn_time_back(
    client: Any, monkeypatch: pytest.MonkeyPatch
):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0))
    boot.ms += 1_000
    answered(client, at(2), lambda: boot.pass_by(TWO_HOURS_MS))
    assert clock.now_ms() == FIRST_MS + 1_000 + TWO_HOURS_MS
    assert clock.reading_age_ms() == 1_000 + TWO_HOURS_MS


def test_a_first_answer_that_waited_is_no_reading(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0), lambda: boot.pass_by(TWO_HOURS_MS))
    assert clock.now_ms() == FIRST_MS
    assert clock.reading_age_ms() > 10**15
    answered(client, at(30))
    assert (clock.now_ms(), clock.reading_age_ms()) == (FIRST_MS + 30_000, 0)


def test_an_answer_that_took_long_still_shows_that_we_are_behind(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    answered(client, at(0))
    answered(client, at(50), lambda: boot.pass_by(5_000))
    assert (clock.now_ms(), clock.reading_age_ms()) == (FIRST_MS + 50_000, 5_000)


def test_the_answer_to_a_retry_is_as_old_as_the_retry(client: Any, monkeypatch: pytest.MonkeyPatch):
    boot, clock = Boot(monkeypatch), S3Clock(client)
    monkeypatch.setattr(time, "sleep", boot.pass_s)
    answered(client, at(0), lambda: boot.pass_by(1_500), "503 503 200")
    assert boot.ms > 1000 + 3 * 1_500
    assert clock.reading_age_ms() == 1_500
