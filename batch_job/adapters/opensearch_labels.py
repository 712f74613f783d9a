"""The labels index, for writing: bulk requests in which every document succeeds or fails alone."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from opensearchpy import OpenSearch, TransportError

from batch_job.adapters.opensearch import INDEX_IS_MISSING, as_ours, error_for, read_error
from batch_job.errors import BackfillError, GeometryError, LateError, UnavailableError
from batch_job.ports import Clock, LabelIndex
from batch_job.search.mappings import IndexNames
from batch_job.values.documents import LabelDocument, label_id
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet

MAX_BODY_BYTES = 3 * 1024**2
"""The service advises 3 to 5 MiB a bulk; its small instances refuse bodies over 10 MiB."""
MAX_DOCUMENTS = 1000

MAX_GEOMETRY_BYTES = 1024**2
"""Of a document with one. The server cuts shapes into triangles: a bad one of 0.9 MB takes 8 s, larger ones minutes.

The union of 22,500 chips has 0.4 MB and takes a second.
"""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 16.0
RETRIES = 10
"""Of what the index had no room for (429, 503): about two minutes in all, under the time of a lease."""

NO_ROOM = (429, 503)
TOO_LARGE = 413

log = structlog.get_logger()

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class _Line:
    """One action of a bulk request."""

    body: bytes
    """One or two lines of NDJSON, their ends included."""
    what: str
    """For messages."""
    without_geometry: bytes | None = None
    """The same document without what the index may refuse."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """An action that the index did not do."""

    line: _Line
    status: int
    kind: str
    reason: str


class OpenSearchLabelIndex:
    """Labels in bulk. A document whose geometry the index refuses is written without it; its center stays."""

    def __init__(self, client: OpenSearch, names: IndexNames, clock: Clock, *, sleep: Sleep = time.sleep) -> None:
        self._client = client
        self._alias = names.labels
        self._clock = clock
        self._sleep = sleep

    def write(self, labels: Iterable[LabelDocument], *, until_ms: int) -> None:
        """Write all, over what has the same id.

        Raises:
            LateError: a request would have been signed after ``until_ms``, by the store's clock.
            GeometryError: the index refuses a document for good.
            UnavailableError: some may be written, some not.
        """

        def check() -> None:
            late_ms = self._clock.now_ms() - until_ms
            if late_ms > 0:
                raise LateError(
                    f"writing to {self._alias}: {late_ms} ms too late; the labels are declared too long ago"
                )

        for lines in _portions(map(_index_line, labels)):
            self._write(lines, check)

    def delete(self, image: ImageRef, labels: LabelSet) -> None:
        """Delete by id; that there is none is no error. Raises as ``write``, but is never late."""
        ids = (label_id(image, epoch=labels.epoch, ordinal=ordinal) for ordinal in range(labels.count))
        for lines in _portions(_delete_line(one, image) for one in ids):
            for refused in self._send_patiently(lines, _no_check):
                raise _as_error(refused)

    def _write(self, lines: Sequence[_Line], check: Callable[[], None]) -> None:
        again = []
        for refused in self._send_patiently(lines, check):
            plain = refused.line.without_geometry
            if plain is None or error_for(refused.status, refused.kind) is not GeometryError:
                raise _as_error(refused)
            log.warning("index.geometry_refused", label=refused.line.what, error=refused.reason)
            again.append(replace(refused.line, body=plain, without_geometry=None))
        if again:
            self._write(again, check)

    def _send_patiently(self, lines: Sequence[_Line], check: Callable[[], None]) -> list[_Refused]:
        """Send until the index has had room for all; give what it refuses for another reason."""
        final: list[_Refused] = []
        for attempt in range(RETRIES + 1):
            refused = self._send(lines, check)
            final += [one for one in refused if one.status not in NO_ROOM]
            no_room = [one for one in refused if one.status in NO_ROOM]
            if not no_room:
                return final
            lines = [one.line for one in no_room]
            if attempt < RETRIES:
                self._sleep(_wait_s(attempt))
        raise UnavailableError(
            f"writing to {self._alias}: no room for {len(lines)} documents after {RETRIES} retries: "
            f"{no_room[0].status} {no_room[0].reason}"
        )

    def _send(self, lines: Sequence[_Line], check: Callable[[], None]) -> list[_Refused]:
        check()
        with as_ours(f"writing {len(lines)} documents to {self._alias}"):
            try:
                answer = self._client.bulk(
                    index=self._alias, body=b"".join(line.body for line in lines), params=_BULK_PARAMETERS
                )
            except TransportError as error:
                if error.status_code == TOO_LARGE and len(lines) > 1:
                    half = len(lines) // 2
                    return self._send(lines[:half], check) + self._send(lines[half:], check)
                if error.status_code not in (*NO_ROOM, TOO_LARGE):
                    raise
                kind, reason = read_error(error.info)
                return [_Refused(line, int(error.status_code), kind, reason) for line in lines]
        if not answer["errors"]:
            return []
        return list(_refusals(lines, answer["items"]))


_BULK_PARAMETERS: Mapping[str, Any] = {"filter_path": "errors,items.*.status,items.*.error", "require_alias": "true"}
"""Shorter answers; and no service may make a missing index by itself, with guessed fields."""


def _no_check() -> None:
    pass


def _index_line(label: LabelDocument) -> _Line:
    head = orjson.dumps({"index": {"_id": label.id}}, option=orjson.OPT_APPEND_NEWLINE)
    what = f"label {label.label!r} no. {label.ordinal} of {label.image.uri}"
    whole = head + _to_ndjson(label.to_source())
    if label.geometry is None:
        return _Line(whole, what)
    plain = head + _to_ndjson(replace(label, geometry=None).to_source())
    if len(whole) > MAX_GEOMETRY_BYTES:
        log.warning("index.geometry_refused", label=what, error=f"{len(whole)} bytes are too many to index")
        return _Line(plain, what)
    return _Line(whole, what, without_geometry=plain)


def _to_ndjson(source: Mapping[str, Any]) -> bytes:
    return orjson.dumps(source, option=orjson.OPT_APPEND_NEWLINE)


def _delete_line(one: str, image: ImageRef) -> _Line:
    head = orjson.dumps({"delete": {"_id": one}}, option=orjson.OPT_APPEND_NEWLINE)
    return _Line(body=head, what=f"a label of {image.uri}")


def _portions(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    portion: list[_Line] = []
    size = 0
    for line in lines:
        if portion and (size + len(line.body) > MAX_BODY_BYTES or len(portion) == MAX_DOCUMENTS):
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += len(line.body)
    if portion:
        yield portion


def _refusals(lines: Sequence[_Line], items: Sequence[Mapping[str, Any]]) -> Iterator[_Refused]:
    """Match answers with actions; they come in the same order. Deleting what is not there is answered without error."""
    for line, item in zip(lines, items, strict=True):
        (answer,) = item.values()
        if "error" in answer:
            kind, reason = read_error(answer)
            yield _Refused(line, answer["status"], kind, reason)


def _wait_s(attempt: int) -> float:
    longest = min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)
    return random.uniform(longest / 2, longest)  # noqa: S311  so that workers do not come back together


def _as_error(refused: _Refused) -> BackfillError:
    ours = error_for(refused.status, refused.kind)
    hint = " (were the indices made by this version's set-up?)" if refused.kind == INDEX_IS_MISSING else ""
    return ours(f"{refused.line.what}: OpenSearch answered {refused.status}: {refused.reason}{hint}")


if TYPE_CHECKING:
    _fits: type[LabelIndex] = OpenSearchLabelIndex
