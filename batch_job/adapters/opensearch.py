"""The OpenSearch client, its errors as ours, and the making of the indices."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import opensearchpy
from opensearchpy import OpenSearch

from batch_job.adapters.urls import shown_url
from batch_job.errors import (
    AccessError,
    BackfillError,
    ConflictError,
    GeometryError,
    SettingsError,
    SetUpError,
    UnavailableError,
)
from batch_job.search.mappings import IMAGE_FIELDS, LABEL_FIELDS, IndexNames, index_body, mapping

TIMEOUT_S = 30.0
"""For one request; a bulk of 3 MiB takes a second, a page of 1,000 hits a tenth."""

CONNECTIONS = 16
"""At least as many as threads use one client, or they queue for sockets."""

ALREADY_EXISTS = "resource_already_exists_exception"

INDEX_IS_MISSING = "index_not_found_exception"
"""Also the answer when a write asks for an alias and there is an index, or nothing, under that name."""

REBUILT = "rebuilt"
"""In the images index's ``_meta``: the texts with which it was made anew."""

_BY_TYPE: Mapping[str, type[BackfillError]] = {
    INDEX_IS_MISSING: SetUpError,
    "strict_dynamic_mapping_exception": SetUpError,  # the index is older than this code
    "invalid_alias_name_exception": SetUpError,
    "cluster_block_exception": UnavailableError,  # 403, but of a full disk or a closed index, not of permissions
    "search_context_missing_exception": UnavailableError,  # 404: the point in time ran out
}
"""Errors whose status says too little."""

_BY_STATUS: Mapping[int, type[BackfillError]] = {
    400: GeometryError,
    401: AccessError,
    403: AccessError,
    404: SetUpError,
    408: UnavailableError,
    409: ConflictError,
    413: GeometryError,
    429: UnavailableError,
}

_CURES: Mapping[type[BackfillError], str] = {
    SetUpError: " (were the indices made by this version's set-up?)",
    AccessError: " (may this identity read and write the indices?)",
}


def open_client(url: str, *, http_auth: Any = None, timeout_s: float = TIMEOUT_S) -> OpenSearch:
    """Open a client that several threads may share; close it after use.

    Args:
        url: ``http://host:port`` or ``https://host``.
        http_auth: Signs requests; (user, password), or what opensearch-py takes in its place. None: unsigned.
        timeout_s: For connecting, and for each answer.

    Raises:
        SettingsError: this is no address.
    """
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"the index's address must start with http:// or https://, not {shown_url(url)}")
    try:
        return OpenSearch(
            hosts=[url],
            http_auth=http_auth,
            timeout=timeout_s,
            max_retries=0,  # retries are ours, where they are counted and may be late
            retry_on_timeout=False,
            pool_maxsize=CONNECTIONS,
        )
    except (ValueError, opensearchpy.ImproperlyConfigured) as error:
        raise SettingsError(f"{shown_url(url)} is no address of an index") from error


def error_for(status: int, kind: str) -> type[BackfillError]:
    """Say which of our errors OpenSearch's answer is, by its HTTP status and its ``error.type``."""
    return _BY_TYPE.get(kind) or _BY_STATUS.get(status) or (UnavailableError if status >= 500 else SetUpError)


@contextmanager
def as_ours(doing: str) -> Iterator[None]:
    """Turn what the client raises into our errors; ``doing`` says what was being done, to what."""
    try:
        yield
    except opensearchpy.SSLError as error:
        raise SetUpError(f"{doing}: no secure connection: {error.info}") from error
    except opensearchpy.ConnectionError as error:
        raise UnavailableError(f"{doing}: OpenSearch does not answer: {error.info}") from error
    except opensearchpy.TransportError as error:
        status = error.status_code if isinstance(error.status_code, int) else 0
        kind, reason = read_error(error.info)
        ours = error_for(status, kind or str(error.error))
        raise ours(f"{doing}: OpenSearch answered {status}: {reason or error.error}{_CURES.get(ours, '')}") from error
    except opensearchpy.SerializationError as error:
        raise UnavailableError(f"{doing}: what answered is not OpenSearch: {error}") from error


def read_error(answer: Any) -> tuple[str, str]:
    """Give type and reason of an error as OpenSearch describes it, outermost first; empty texts when it does not.

    The type is that of a cause where the table knows it: ``all shards failed`` says nothing.
    """
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, Mapping):
        return "", str(error or "")
    chain = [error]
    while isinstance(cause := chain[-1].get("caused_by"), Mapping):
        chain.append(cause)
    kinds = [str(one.get("type", "")) for one in chain]
    reasons = dict.fromkeys(str(one.get("reason")) for one in chain)
    return next((kind for kind in kinds if kind in _BY_TYPE), kinds[0]), ": ".join(reasons)


def create_indices(client: OpenSearch, names: IndexNames, *, shards: int = 1) -> None:
    """Make both indices behind their aliases; what is there already gets the fields that it lacks.

    Raises:
        SetUpError: something else has one of the names; an index is too old to take the new fields; or one of the two
            was lost, and they can only be made anew together.
    """
    _check_that_none_was_lost(client, names)
    for alias, fields in ((names.images, IMAGE_FIELDS), (names.labels, LABEL_FIELDS)):
        index = names.behind(alias)
        with as_ours(f"making the index {index}"):
            try:
                client.indices.create(index=index, body=index_body(fields, alias=alias, shards=shards))
            except opensearchpy.RequestError as error:
                if read_error(error.info)[0] != ALREADY_EXISTS:
                    raise SetUpError(f"making the index {index}: {read_error(error.info)[1]}") from error
                _bring_up_to_date(client, index, alias=alias, body=mapping(fields))


def rebuild_indices(client: OpenSearch, names: IndexNames, asked: str, *, shards: int = 1) -> None:
    """Delete both indices and make them anew, once for each text that is asked with; the archive fills them.

    The texts are kept in the images index: a deployment that is rolled back asks again what an older one asked.
    """
    index = names.behind(names.images)
    with as_ours(f"looking how often {index} was made anew"):
        found = client.indices.get_mapping(index=index, params={"ignore_unavailable": "true"})
    before = found.get(index, {}).get("mappings", {}).get("_meta", {}).get(REBUILT, [])
    if asked in before:
        return
    _delete_indices(client, names)
    create_indices(client, names, shards=shards)
    with as_ours(f"writing down that {index} was made anew"):
        client.indices.put_mapping(index=index, body={"_meta": {REBUILT: [*before, asked]}})


def _delete_indices(client: OpenSearch, names: IndexNames) -> None:
    for alias in (names.labels, names.images):
        index = names.behind(alias)
        with as_ours(f"deleting the index {index}"):
            client.indices.delete(index=index, params={"ignore_unavailable": "true"})


def _check_that_none_was_lost(client: OpenSearch, names: IndexNames) -> None:
    """Refuse to go on with half of what belongs together: labels that no ledger lists, or a ledger of lost labels."""
    images, labels = names.behind(names.images), names.behind(names.labels)
    with as_ours("looking for the indices"):
        there = [index for index in (images, labels) if client.indices.exists(index=index)]
        if len(there) != 1 or client.count(index=there[0])["count"] == 0:
            return
    lost = labels if there == [images] else images
    raise SetUpError(
        f"the index {lost} is gone, and {there[0]} alone is of no use: delete it too (deployed: -c rebuild_index=TEXT) "
        f"and run again; everything is indexed anew from the archive, without paying"
    )


def _bring_up_to_date(client: OpenSearch, index: str, *, alias: str, body: Mapping[str, Any]) -> None:
    try:
        client.indices.put_mapping(index=index, body=body)
        client.indices.put_alias(index=index, name=alias, body={"is_write_index": True})
    except opensearchpy.RequestError as error:
        raise SetUpError(f"the index {index} cannot be used: {read_error(error.info)[1]}") from error


def refresh(client: OpenSearch, names: IndexNames) -> None:
    """Let searches see all that was written until now; for demos and tests, as it is dear."""
    with as_ours("refreshing the indices"):
        client.indices.refresh(index=f"{names.images},{names.labels}")
