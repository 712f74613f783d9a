"""What the live queue holds: hints that something happened to an object. They repeat, come late and out of order.

What happened, and when, is not read: whoever takes a hint looks at the bucket (``docs/live.md``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson

from batch_job.errors import InputError

_TEST_EVENT = "s3:TestEvent"
"""Sent once when a bucket's notifications are set up (S3 user guide, "Enabling event notifications")."""


@dataclass(frozen=True, slots=True)
class Touched:
    """An object, an image or not, that was written, deleted or restored, perhaps."""

    bucket: str
    key: str
    """As it is, however the channel wrote it."""

    def __post_init__(self) -> None:
        if not (isinstance(self.bucket, str) and isinstance(self.key, str) and self.bucket and self.key):
            raise ValueError(f"not an object: {self}")


def read_hints(body: str) -> tuple[Touched, ...]:
    """Read a message: S3's event by way of EventBridge, S3's own notification, or a ``WorkItem`` that a job gave back.

    None for the test event that S3 sends of itself.

    Raises:
        InputError: it is none of these.
    """
    try:
        facts = orjson.loads(body)
        return tuple(dict.fromkeys(_hints(facts)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not a message about an object: {body[:200]!r}") from error


def _hints(facts: Mapping[str, Any]) -> Iterator[Touched]:
    if "detail" in facts:
        detail = facts["detail"]
        yield Touched(detail["bucket"]["name"], detail["object"]["key"])  # EventBridge has keys as they are
    elif "Records" in facts:
        for record in facts["Records"]:
            # S3's own notifications have them as forms do: S3 user guide, "Event message structure"
            key = unquote_plus(record["s3"]["object"]["key"], errors="strict")
            yield Touched(record["s3"]["bucket"]["name"], key)
    elif facts.get("Event") != _TEST_EVENT:
        yield Touched(facts["bucket"], facts["key"])
