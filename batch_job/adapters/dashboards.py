"""Saved objects into OpenSearch Dashboards, which answers at the domain's own address."""

from collections.abc import Mapping
from typing import Any

import opensearchpy
from opensearchpy import OpenSearch
from urllib3 import encode_multipart_formdata

from batch_job.adapters.opensearch_parts import as_set_up, is_absent
from batch_job.errors import SetUpError
from batch_job.search.dashboards.saved_objects import Bundle
from batch_job.values.set_up import LeftOut

IMPORT_PATH = "/_dashboards/api/saved_objects/_import"
MEDIA_TYPE = "application/x-ndjson"

_HEADERS: Mapping[str, str] = {
    "osd-xsrf": "true",  # without it: 400
    "securitytenant": "global",  # without it nobody but the importer sees the objects
}


def import_objects(client: OpenSearch, bundle: Bundle) -> tuple[LeftOut, ...]:
    """Import objects over those with the same ids.

    Returns:
        What was refused, and why; empty: all are there.

    Raises:
        AccessError: we may not import.
        SetUpError: the file is refused as a whole, or what answers is not Dashboards.
        UnavailableError: Dashboards does not answer, or not yet.
    """
    body, content_type = encode_multipart_formdata({"file": (bundle.name, bundle.body, MEDIA_TYPE)})
    with as_set_up(f"importing {bundle.name} into Dashboards"):
        try:
            answer = client.transport.perform_request(
                "POST",
                IMPORT_PATH,
                params={"overwrite": "true"},
                headers={**_HEADERS, "content-type": content_type},
                body=body,
            )
        except opensearchpy.RequestError as error:
            if is_absent(error):
                return (LeftOut(bundle.name, "there is no Dashboards at the index's address"),)
            raise
    return _refused(answer, bundle)


def _refused(answer: Any, bundle: Bundle) -> tuple[LeftOut, ...]:
    """Read the answer; the status 200 alone says nothing."""
    if not isinstance(answer, Mapping) or "success" not in answer:
        raise SetUpError(f"importing {bundle.name} into Dashboards: not an answer of Dashboards: {str(answer)[:300]!r}")
    refused = tuple(_one_refused(error) for error in answer.get("errors") or ())
    if refused or (answer["success"] is True and answer.get("successCount") == bundle.count):
        return refused
    return (LeftOut(bundle.name, f"{answer.get('successCount', 0)} of {bundle.count} objects were imported"),)


def _one_refused(error: Mapping[str, Any]) -> LeftOut:
    why = error.get("error") or {}
    details = {name: value for name, value in why.items() if name != "type"}
    reason = f"{why.get('type', 'unknown')} {details}" if details else str(why.get("type", "unknown"))
    return LeftOut(f"{error.get('type')} {error.get('id')}", reason)
