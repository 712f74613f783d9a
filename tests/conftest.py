"""Real servers for the tests that need them: each starts once a session, when the first test asks for it."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import structlog
from botocore.client import BaseClient
from hypothesis import settings

from local.emulator import EMULATOR, KEY, REGION
from local.opensearch import OPENSEARCH
from local.recipes import Recipe
from local.servers import REKOGNITION, Servers

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
"""`make test` tries the same examples every time; `make soak` explores."""


def pytest_configure() -> None:
    """End the session in order, servers included, when somebody ends it by SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Put back how events are logged: commands and handlers that a test runs in this process configure it anew."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _serving(recipe: Recipe, folder: Path) -> Iterator[str]:
    with Servers((recipe,), folder) as servers:
        yield servers.url(recipe)


@pytest.fixture(scope="session")
def opensearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real OpenSearch server, empty at first; tests keep apart by ``index_prefix``."""
    yield from _serving(OPENSEARCH, tmp_path_factory.mktemp("opensearch"))


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 endpoint; tests keep apart by ``bucket``."""
    yield from _serving(EMULATOR, tmp_path_factory.mktemp("s3"))


@pytest.fixture(scope="session")
def rekognition_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Rekognition stand-in, without latency, errors or quota."""
    yield from _serving(REKOGNITION, tmp_path_factory.mktemp("rekognition"))


@pytest.fixture
def aws(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and the endpoint in the environment, so that clients made in the test find the S3 endpoint."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


@pytest.fixture(scope="session")
def s3_client(s3_endpoint: str) -> Iterator[BaseClient]:
    """A plain S3 client of the endpoint."""
    client = boto3.client(
        "s3", endpoint_url=s3_endpoint, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=KEY
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3_client: BaseClient) -> str:
    """A new bucket of this test's own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def index_prefix() -> str:
    """A prefix for indices of this test's own."""
    return f"test-{uuid.uuid4().hex[:12]}"
