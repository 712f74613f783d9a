"""Searching the indices; labels that their image no longer counts as its own are left out."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from batch_job.adapters.opensearch import as_ours
from batch_job.adapters.opensearch_pages import Hits, pages
from batch_job.errors import ErrorCode, SetUpError
from batch_job.ports import FailureList, SearchIndex
from batch_job.search.mappings import IndexNames
from batch_job.search.queries import BY_CONFIDENCE, BY_KEY, failures_under, images_under, to_query
from batch_job.values.documents import LabelDocument
from batch_job.values.ledger import LedgerEntry
from batch_job.values.query import LabelQuery

_ALL_CODES = {"field": "error_code", "size": 100}
"""More than there are."""


class OpenSearchSearch:
    """Both indices, for reading."""

    def __init__(self, client: OpenSearch, names: IndexNames) -> None:
        self._client = client
        self._names = names

    def search(self, query: LabelQuery) -> Iterator[LabelDocument]:
        """Yield the labels asked for, the most confident first; at most 1,000 are alive.

        A label counts when its epoch is its image's live epoch at the moment its page is read.
        """
        return islice(self._search(query), query.limit)

    def _search(self, query: LabelQuery) -> Iterator[LabelDocument]:
        for hits in pages(self._client, self._names.labels, to_query(query), order=BY_CONFIDENCE):
            live = self._live_epochs(sorted({hit["_source"]["image_id"] for hit in hits}))
            yield from _current(hits, live)

    def _live_epochs(self, image_ids: Sequence[str]) -> dict[str, int | None]:
        with as_ours(f"reading {len(image_ids)} images of {self._names.images}"):
            answer = self._client.mget(
                index=self._names.images, body={"ids": list(image_ids)}, params={"_source_includes": "live.epoch"}
            )
        return {one["_id"]: _live_epoch(one) for one in answer["docs"]}

    def images(self, bucket: str, prefix: str = "") -> Iterator[LedgerEntry]:
        """Yield the images of a bucket whose keys start with ``prefix``, with what is known of them, by key."""
        yield from self._entries(images_under(bucket, prefix))

    def failures(self, bucket: str, prefix: str = "", code: ErrorCode | None = None) -> Iterator[LedgerEntry]:
        """Yield the images that failed, by key; at most 1,000 are alive."""
        yield from self._entries(failures_under(bucket, prefix, code))

    def failure_counts(self, bucket: str) -> dict[str, int]:
        """Count the images that failed by error code, the most frequent first."""
        asked = {"size": 0, "query": failures_under(bucket, "", None), "aggs": {"codes": {"terms": _ALL_CODES}}}
        with as_ours(f"counting failures in {self._names.images}"):
            answer = self._client.search(index=self._names.images, body=asked)
        return {one["key"]: one["doc_count"] for one in answer["aggregations"]["codes"]["buckets"]}

    def _entries(self, query: dict[str, Any]) -> Iterator[LedgerEntry]:
        for hits in pages(self._client, self._names.images, query, order=BY_KEY):
            for hit in hits:
                yield LedgerEntry.from_source(hit["_source"])


def _current(hits: Hits, live: dict[str, int | None]) -> Iterator[LabelDocument]:
    for hit in hits:
        source = hit["_source"]
        if live.get(source["image_id"]) == source["epoch"]:
            yield LabelDocument.from_source(source)


def _live_epoch(document: dict[str, Any]) -> int | None:
    if "error" in document:
        raise SetUpError(f"reading the image {document['_id']}: {document['error'].get('reason')}")
    epoch: int | None = document.get("_source", {}).get("live", {}).get("epoch")
    return epoch


if TYPE_CHECKING:
    _fits: type[SearchIndex] = OpenSearchSearch
    _lists: type[FailureList] = OpenSearchSearch
