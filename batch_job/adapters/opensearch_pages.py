"""All hits of a question, however many: a point in time, read page by page."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import NotFoundError, OpenSearch, OpenSearchException

from batch_job.adapters.opensearch import as_ours, read_error
from batch_job.search.queries import page

PAGE = 1000
"""Hits a request; more gains nothing on our documents of about a kilobyte."""

KEEP_ALIVE = "5m"
"""How long whoever pulls may think about one page before the index as of one moment is let go."""

CONTEXT_IS_MISSING = "search_context_missing_exception"

Hits = list[dict[str, Any]]


def pages(
    client: OpenSearch, alias: str, query: Mapping[str, Any], *, order: Sequence[Mapping[str, str]], size: int = PAGE
) -> Iterator[Hits]:
    """Yield the hits, at most ``size`` at a time, as of one moment; only one page is alive.

    Whoever takes longer than ``KEEP_ALIVE`` over a page gets the pages after it as of then. ``order`` gives every hit
    a place of its own, so none is lost or repeated, unless it was written meanwhile.

    The point in time is closed when the last page was pulled, and when the iterator is closed before.
    """
    moment = _PointInTime(client, alias)
    after: Sequence[Any] | None = None
    try:
        while True:
            hits = moment.search(page(dict(query), order=order, size=size, after=after))
            if hits:
                yield hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
    finally:
        moment.close()


class _PointInTime:
    """The index as of one moment; opened when it is first asked for, and again when it ran out."""

    def __init__(self, client: OpenSearch, alias: str) -> None:
        self._client, self._alias, self._id = client, alias, ""

    def search(self, body: Mapping[str, Any]) -> Hits:
        """Read a page."""
        with as_ours(f"searching {self._alias}"):
            if self._id:
                with contextlib.suppress(_RanOutError):
                    return self._search(body)
            self._open()
            return self._search(body)

    def _open(self) -> None:
        opened: dict[str, Any] = self._client.create_pit(index=self._alias, params={"keep_alive": KEEP_ALIVE})
        self._id = opened["pit_id"]

    def _search(self, body: Mapping[str, Any]) -> Hits:
        try:
            answer = self._client.search(
                body={**body, "pit": {"id": self._id, "keep_alive": KEEP_ALIVE}, "seq_no_primary_term": True},
                params={"allow_partial_search_results": "false"},  # a shard that is away is no shard without hits
            )
        except NotFoundError as error:
            if read_error(error.info)[0] != CONTEXT_IS_MISSING:
                raise
            raise _RanOutError(error.status_code, error.error, error.info) from error
        self._id = answer.get("pit_id", self._id)
        hits: Hits = answer["hits"]["hits"]
        return hits

    def close(self) -> None:
        if self._id:
            with contextlib.suppress(OpenSearchException):  # it ends by itself; the first error is what matters
                self._client.delete_pit(body={"pit_id": [self._id]})


class _RanOutError(NotFoundError):
    """The point in time is over: nobody asked for longer than ``KEEP_ALIVE``, or the server was started again."""
