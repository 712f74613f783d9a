"""A client and indices of a test's own, on the session's OpenSearch server."""

import uuid
from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch

from batch_job.adapters.opensearch import create_indices, open_client, refresh
from batch_job.search.mappings import IndexNames


@pytest.fixture(scope="session")
def client(opensearch_url: str) -> Iterator[OpenSearch]:
    """A client without faults."""
    client = open_client(opensearch_url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def _emptied_names(client: OpenSearch) -> Iterator[IndexNames]:
    names = IndexNames(f"test-{uuid.uuid4().hex[:12]}")
    create_indices(client, names)
    yield names
    _drop(client, names)


@pytest.fixture
def names(client: OpenSearch, _emptied_names: IndexNames) -> Iterator[IndexNames]:
    """Empty indices; emptied after each test, as that takes a tenth of the time of making new ones."""
    yield _emptied_names
    refresh(client, _emptied_names)
    client.delete_by_query(
        index=f"{_emptied_names.images},{_emptied_names.labels}",
        body={"query": {"match_all": {}}},
        params={"refresh": "true"},
    )


@pytest.fixture(scope="module")
def shared_names(client: OpenSearch) -> Iterator[IndexNames]:
    """Indices that the tests of one module read together."""
    names = IndexNames(f"test-{uuid.uuid4().hex[:12]}")
    create_indices(client, names)
    yield names
    _drop(client, names)


def _drop(client: OpenSearch, names: IndexNames) -> None:
    for alias in (names.images, names.labels):
        client.indices.delete(index=names.behind(alias))
