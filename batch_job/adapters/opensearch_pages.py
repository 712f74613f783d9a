"""All hits of a question, however many: a point in time, read page by page."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch, OpenSearchException

from batch_job.adapters.opensearch import as_ours
from batch_job.search.queries import page

PAGE = 1000
"""Hits a request; more gains nothing on our documents of about a kilobyte."""

KEEP_ALIVE = "5m"
"""How long whoever pulls may think about one page."""

Hits = list[dict[str, Any]]


def pages(
    client: OpenSearch, alias: str, query: Mapping[str, Any], *, order: Sequence[Mapping[str, str]], size: int = PAGE
) -> Iterator[Hits]:
    """Yield the hits, at most ``size`` at a time, as of one moment; only one page is alive.

    The point in time is closed when the last page was pulled, and when the iterator is closed before.
    """
    doing = f"searching {alias}"
    with as_ours(doing):
        opened: dict[str, Any] = client.create_pit(index=alias, params={"keep_alive": KEEP_ALIVE})
    pit: str = opened["pit_id"]
    after: Sequence[Any] | None = None
    try:
        while True:
            body = page(dict(query), order=order, size=size, after=after)
            with as_ours(doing):
                answer = client.search(
                    body={**body, "pit": {"id": pit, "keep_alive": KEEP_ALIVE}, "seq_no_primary_term": True},
                    params={"allow_partial_search_results": "false"},  # a shard that is away is no shard without hits
                )
            hits: Hits = answer["hits"]["hits"]
            pit = answer.get("pit_id", pit)
            if hits:
                yield hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
    finally:
        with contextlib.suppress(OpenSearchException):  # it ends by itself; the first error is what matters
            client.delete_pit(body={"pit_id": [pit]})
