"""Custom resource: what searching needs, in a domain that just came up or was changed.

Speaks the protocol of CDK's ``custom_resources.Provider``, which answers CloudFormation; an exception fails the
deployment with its message. ``BACKFILL_INDEX_URL`` replaces the template's address where the domain is a stand-in.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from batch_job import logs
from batch_job.settings import PREFIX
from batch_job.values.set_up import LeftOut
from batch_job.wiring.set_up_search import Wanted, set_up_search

MAX_REPORT_CHARS = 900
"""CloudFormation takes 4,096 bytes of answer in all, and a character has up to four."""

SetUp = Callable[[Wanted], tuple[LeftOut, ...]]


def handle(
    event: Mapping[str, Any], run: SetUp, *, index_url: str | None = None, clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Set up on Create and Update; on Delete leave everything: the domain, if it goes, takes it along.

    Indices are deleted, and made anew, where an Update brings another ``Rebuild``.

    Args:
        event: The provider's.
        run: Sets up, and says what it could not make.
        index_url: In place of the property ``IndexUrl``.
        clock: Gives seconds since the epoch.

    Returns:
        ``Data.LeftOut``: what could not be made, one line each; empty when all is there. ``Data.Revision``: when this
        ran, seconds since the epoch; workers take it for ``settings_revision``, so it changes only with the properties.

    Raises:
        BackfillError: indices or roles could not be made.
    """
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    properties = dict(event["ResourceProperties"]) | {"Rebuild": _to_rebuild(event)}
    if index_url:
        properties["IndexUrl"] = index_url
    wanted = Wanted.from_properties(properties)
    report = "\n".join(map(str, run(wanted)))
    return {
        # the same id: another one would have CloudFormation delete what it takes for the old resource
        "PhysicalResourceId": f"search-{wanted.index_prefix}",
        "Data": {"LeftOut": report[:MAX_REPORT_CHARS], "Revision": str(int(clock()))},
    }


def _to_rebuild(event: Mapping[str, Any]) -> str:
    """Give the text that asks for new indices; empty: none, as it was asked before, or there is no before."""
    if event["RequestType"] != "Update":
        return ""
    asked = str(event["ResourceProperties"].get("Rebuild", ""))
    return "" if asked == event.get("OldResourceProperties", {}).get("Rebuild", "") else asked


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer the provider."""
    logs.configure()
    return handle(event, set_up_search, index_url=os.environ.get(f"{PREFIX}INDEX_URL"))
