import hashlib

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from batch_job.adapters.dashboards import import_objects
from batch_job.adapters.opensearch import open_client
from batch_job.adapters.signing import auth_for, domain_auth
from batch_job.errors import AccessError, SettingsError
from batch_job.search.dashboards.saved_objects import Bundle
from tests.fake_domain import FakeDomain
from tests.scripted_server import Request, scripted

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalr/EXAMPLE", "session-token"
REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def only_what_a_test_sets(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


def sent() -> Request:
    with scripted(FakeDomain()) as server:
        client = open_client(server.url, http_auth=domain_auth(region=REGION))
        import_objects(client, Bundle("a.ndjson", b"{}\n"))
        client.close()
        [request] = server.requests
        return request


def signature(request: Request) -> str:
    """What AWS's own library makes of the request as it arrived, at the moment that it names."""
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: request.headers[name] for name in signed}
    again = AWSRequest("POST", f"http://{request.headers['host']}{request.path}", headers=headers, data=request.body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "es", REGION)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return signer.signature(text, again)


def test_a_request_is_signed_for_the_service_of_domains(credentials):
    request = sent()
    day = request.headers["x-amz-date"][:8]
    scope = f"{KEY}/{day}/{REGION}/es/aws4_request"
    assert request.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={scope}, ")
    assert request.headers["x-amz-security-token"] == TOKEN
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()


def test_the_signature_is_of_what_arrives(credentials):
    request = sent()
    assert request.headers["authorization"].endswith(f"Signature={signature(request)}")


def test_without_credentials_it_stops():
    with pytest.raises(AccessError, match="credentials"):
        domain_auth(region=REGION)


def test_without_a_region_it_stops(credentials):
    with pytest.raises(SettingsError, match="Region"):
        domain_auth()


def test_the_region_is_found_as_boto3_finds_it(credentials, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert domain_auth().signer.region == REGION


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://search-x.eu-west-1.es.amazonaws.com", True),
        ("https://vpc-x.eu-west-1.es.amazonaws.com:443/", True),
        ("https://search-x.aos.eu-west-1.on.aws", True),
        ("https://search-x.cn-north-1.es.amazonaws.com.cn", True),
        ("http://127.0.0.1:9200", False),
        ("https://search.example.com", False),
        ("https://amazonaws.com.example.com", False),
    ],
)
def test_requests_to_amazons_domains_alone_are_signed(monkeypatch, url, signed):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert (auth_for(url, region="eu-west-1") is not None) == signed
