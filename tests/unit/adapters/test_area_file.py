"""The file of an area of interest in S3: found, or said what is missing; a planner needs no more than its name."""

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from batch_job.adapters.area_file import read_area
from batch_job.adapters.s3 import s3_client
from batch_job.errors import SettingsError, UnavailableError
from batch_job.settings import PipelineSettings
from batch_job.settings.area import MAX_AREA_BYTES, area_digest
from batch_job.wiring.area import with_area, with_area_digest

URI = "s3://plans/areas/harbour.geojson"
KEYS = {"access_key": "k", "secret_key": "s"}
ASKED = {"Bucket": "plans", "Key": "areas/harbour.geojson"}
BODY = b'{"type": "Polygon", "coordinates": [[[9, 53], [10, 53], [10, 54], [9, 53]]]}'


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


def answer(stub: Stubber, body: bytes, *, length: int | None = None) -> None:
    size = len(body) if length is None else length
    said = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": size}
    stub.add_response("get_object", said, ASKED)


def test_an_object_is_read_whole(client, stub):
    answer(stub, BODY)
    assert read_area(URI, client) == BODY


def test_a_file_is_read_without_the_store(client, stub, tmp_path):
    path = tmp_path / "area.geojson"
    path.write_bytes(BODY)
    assert read_area(str(path), client) == BODY


def test_an_object_that_is_too_large_is_not_read(client, stub):
    answer(stub, b"", length=MAX_AREA_BYTES + 1)
    with pytest.raises(SettingsError, match="16,777,217 bytes"):
        read_area(URI, client)


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("NoSuchKey", 404, "there is no such object"),
        ("AccessDenied", 403, "needs s3:GetObject on it"),
        ("NoSuchBucket", 404, "NoSuchBucket.*needs s3:GetObject on it"),
        ("PermanentRedirect", 301, "PermanentRedirect"),
    ],
)
def test_what_cannot_be_read_is_a_matter_of_settings(client, stub, code, status, words):
    stub.add_client_error("get_object", code, "no", http_status_code=status, expected_params=ASKED)
    with pytest.raises(SettingsError, match=words) as caught:
        read_area(URI, client)
    assert URI in str(caught.value)


def test_a_store_that_does_not_answer_is_asked_again_later(client, stub):
    stub.add_client_error("get_object", "ServiceUnavailable", "later", http_status_code=503)
    with pytest.raises(UnavailableError):
        read_area(URI, client)


def test_settings_are_completed_by_what_the_file_says_and_detection_is_the_same(client, stub):
    plain = PipelineSettings.load(area_of_interest=URI)
    answer(stub, BODY)
    settings, area = with_area(plain, client)
    assert area is not None
    assert area.for_key("any") is not None
    assert settings.area_digest == area_digest(BODY)
    assert settings.index_fingerprint != plain.index_fingerprint
    assert settings.detection_fingerprint == PipelineSettings.load().detection_fingerprint
    answer(stub, BODY)
    assert with_area_digest(plain, client) == settings
    answer(stub, BODY + b" ")
    assert with_area_digest(plain, client).index_fingerprint != settings.index_fingerprint


def test_without_an_area_nothing_is_read_and_the_fingerprints_stay(client, stub):
    plain = PipelineSettings.load()
    assert with_area(plain, client) == (plain, None)
    assert with_area_digest(plain, client) is plain


def test_settings_with_an_area_survive_the_environment():
    settings = PipelineSettings.load(area_of_interest=URI, area_digest=area_digest(BODY))
    env = {name: text for name, text in settings.to_env().items() if text}
    assert env["BACKFILL_AREA_OF_INTEREST"] == URI
    fields = {name.removeprefix("BACKFILL_").lower(): text for name, text in env.items()}
    assert PipelineSettings.load(**fields) == settings


def test_a_planner_tells_areas_apart_without_the_libraries_of_geometry():
    script = "import sys, batch_job.wiring.area; sys.exit('shapely' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
