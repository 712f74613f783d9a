"""Worlds: each a bucket, an archive and an index of a test's own, on the session's servers."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from botocore.client import BaseClient
from opensearchpy import OpenSearch

from batch_job.adapters.opensearch import open_client
from tests.end_to_end.user import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "end_to_end" in item.path.parts:
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def index_client(opensearch_url: str) -> Iterator[OpenSearch]:
    client = open_client(opensearch_url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def new_world(
    opensearch_url: str, s3_endpoint: str, rekognition_url: str, s3_client: BaseClient, index_client: OpenSearch
) -> Callable[[], World]:
    """Make worlds."""

    def make() -> World:
        name = uuid.uuid4().hex[:12]
        world = World(
            s3=s3_client,
            s3_endpoint=s3_endpoint,
            index=index_client,
            index_url=opensearch_url,
            rekognition_url=rekognition_url,
            bucket=f"imagery-{name}",
            archive=f"archive-{name}",
            prefix=f"e2e-{name}",
        )
        for bucket in (world.bucket, world.archive):
            s3_client.create_bucket(Bucket=bucket)
        return world

    return make


@pytest.fixture
def world(new_world: Callable[[], World]) -> Iterator[World]:
    world = new_world()
    yield world
    drop(world)


@pytest.fixture(scope="module")
def shared_world(new_world: Callable[[], World]) -> Iterator[World]:
    """A world that the tests of one module look at together."""
    world = new_world()
    yield world
    drop(world)


def drop(world: World) -> None:
    """Delete the indices of a world: each open shard costs the server memory."""
    for alias in (world.names.images, world.names.labels):
        world.index.indices.delete(index=world.names.behind(alias), params={"ignore_unavailable": "true"})
