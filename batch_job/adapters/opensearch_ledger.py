"""The images index as the ledger: read by id, written by compare-and-set."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import opensearchpy
import orjson
import structlog
from opensearchpy import OpenSearch

from batch_job.adapters.opensearch import as_ours
from batch_job.adapters.opensearch_pages import pages
from batch_job.errors import GeometryError, SetUpError
from batch_job.ports import Ledger
from batch_job.search.mappings import IndexNames
from batch_job.search.queries import BY_ID, images_under
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LedgerEntry, Seen, StoredEntry

log = structlog.get_logger()


class OpenSearchLedger:
    """Entries live in the images index, one for each image that was ever seen."""

    def __init__(self, client: OpenSearch, names: IndexNames) -> None:
        self._client = client
        self._alias = names.images

    def get(self, image: ImageRef) -> StoredEntry | None:
        """Read by id, in real time."""
        with as_ours(f"reading the ledger of {image.uri}"):
            try:
                answer = self._client.get(index=self._alias, id=image.id)
            except opensearchpy.NotFoundError as error:
                if _is_absent(error.info):
                    return None
                raise
        return _stored(answer)

    def put(self, entry: LedgerEntry, *, over: Seen | None) -> Seen:
        """Write, if the document is still as it was seen (None: if there is none).

        A footprint that the index refuses is left out; the image then stands there without its place.

        Raises:
            ConflictError: the document is another one.
            UnavailableError: whether it was written is not known.
            GeometryError: the index refuses the document for good.
        """
        source = entry.to_source()
        try:
            return self._put(entry.image, source, over)
        except GeometryError as error:
            if "footprint" not in source:
                raise
            log.warning("index.footprint_refused", image=entry.image.uri, error=str(error))
        return self._put(entry.image, {name: value for name, value in source.items() if name != "footprint"}, over)

    def _put(self, image: ImageRef, source: Mapping[str, Any], over: Seen | None) -> Seen:
        with as_ours(f"writing the ledger of {image.uri}"):
            answer = self._client.index(
                index=self._alias, id=image.id, body=orjson.dumps(source), params={**_only_over(over), **_ALIAS_ONLY}
            )
        return _seen(answer)

    def delete(self, image: ImageRef, *, over: Seen) -> None:
        """Delete a tombstone, if it is still as it was seen. Raises as ``put``; none there is a conflict too."""
        with as_ours(f"deleting the ledger of {image.uri}"):
            self._client.delete(index=self._alias, id=image.id, params=_only_over(over))

    def entries(self, *, bucket: str, prefix: str = "") -> Iterator[StoredEntry]:
        """Yield every entry of a bucket under a prefix, as of about now, in the order of their ids."""
        for hits in pages(self._client, self._alias, images_under(bucket, prefix), order=BY_ID):
            yield from map(_stored, hits)


_ALIAS_ONLY: Mapping[str, Any] = {"require_alias": "true"}
"""Else a service that makes missing indices by itself would make one with guessed fields."""


def _only_over(over: Seen | None) -> Mapping[str, Any]:
    if over is None:
        return {"op_type": "create"}
    return {"if_seq_no": over.seq_no, "if_primary_term": over.primary_term}


def _is_absent(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.get("found") is False


def _seen(answer: Mapping[str, Any]) -> Seen:
    return Seen(seq_no=answer["_seq_no"], primary_term=answer["_primary_term"])


def _stored(hit: Mapping[str, Any]) -> StoredEntry:
    try:
        return StoredEntry(LedgerEntry.from_source(hit["_source"]), _seen(hit))
    except (KeyError, TypeError, ValueError) as error:
        raise SetUpError(f"the document {hit.get('_id')} of the images index is none of ours: {error!r}") from error


if TYPE_CHECKING:
    _fits: type[Ledger] = OpenSearchLedger
