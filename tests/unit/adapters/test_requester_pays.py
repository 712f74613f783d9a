"""Who pays is said with every request to the bucket with the imagery, and with no other; as the server hears it."""

import pytest

from batch_job.adapters.s3 import S3ArchiveStore
from batch_job.settings import JobSettings
from batch_job.values.image import ImageRef
from batch_job.wiring.deployed import open_services
from batch_job.wiring.endpoints import Credentials, Endpoints
from batch_job.wiring.run import open_buckets
from tests.end_to_end.user import imagery_backfill
from tests.scripted_server import Request, Response, scripted

IMAGE = ImageRef("imagery", "a.tif")
LISTING = (
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>imagery</Name>'
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)
FACTS = {"ETag": '"v1"', "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT", "Content-Range": "bytes 0-4/5"}


def bucket(request: Request) -> Response:
    if request.method == "GET" and "list-type" in request.path:
        return Response(200, LISTING, {"Content-Type": "application/xml"})
    if request.method == "HEAD":
        return Response(200, b"", FACTS | {"Content-Length": "5"})
    if request.method == "PUT":
        return Response(200, b"", {"ETag": '"v1"'})
    return Response(206 if "range" in request.headers else 200, b"01234", FACTS)


def payers(requests) -> list[str | None]:
    return [request.headers.get("x-amz-request-payer") for request in requests]


@pytest.mark.parametrize(("requester_pays", "said"), [(True, "requester"), (False, None)])
def test_every_request_for_imagery_says_who_pays(requester_pays, said):
    with scripted(bucket) as server:
        credentials = Credentials("k", "s")
        buckets = open_buckets(
            Endpoints(
                s3_endpoint=server.url, region="us-east-1", credentials=credentials, requester_pays=requester_pays
            )
        )
        buckets.store.head(IMAGE)
        assert list(buckets.store.list("imagery", "a/")) == []
        buckets.open_raster.objects.read_range(IMAGE, etag=None, start=0, length=5)
        buckets.open_raster.objects.read_range(IMAGE, etag="v1", start=0, length=5)
        assert payers(server.requests) == [said] * 4
        assert "if-match" in server.requests[3].headers
        archive = S3ArchiveStore(buckets.client, "archive", "paid")
        archive.get("k")
        archive.put("k", b"")
        assert list(archive.keys("p")) == []
        assert payers(server.requests[4:]) == [None] * 3
        buckets.client.close()


@pytest.fixture
def environment(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return monkeypatch


def test_workers_obey_the_setting(environment):
    with scripted(bucket) as server:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        settings = JobSettings.load(
            index_url="http://127.0.0.1:9",
            runs_uri="s3://data",
            archive_uri="s3://data",
            detector="http@http://127.0.0.1:9",
            requester_pays=True,
        )
        services = open_services(settings, run_id="r")
        services.buckets.store.head(IMAGE)
        assert payers(server.requests) == ["requester"]
        services.buckets.client.close()


def test_the_command_line_obeys_the_setting(tmp_path):
    with scripted(bucket) as server:
        done = imagery_backfill(
            *("run", "s3://imagery/", "--to", tmp_path / "x.geojson", "--s3-endpoint", server.url),
            *("--detector", "http@http://127.0.0.1:9"),
            env={"BACKFILL_REQUESTER_PAYS": "true"},
        )
        assert (done.exit_code, payers(server.requests)) == (2, ["requester"])
