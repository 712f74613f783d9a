"""What the planner's queue holds: S3's events by way of EventBridge, and the planner's own messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from batch_job.errors import InputError

CHECKSUM = "manifest.checksum"
"""Written last, when an inventory is whole: S3 user guide, "Setting up notifications for inventory completion"."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An inventory is whole: its ``manifest.checksum`` was written."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class PlanFile:
    """One CSV of a run is to be planned."""

    run_id: str
    file_id: str

    def to_json(self) -> str:
        """Encode; ``read_message`` decodes."""
        return orjson.dumps({"run_id": self.run_id, "file_id": self.file_id}).decode()

    def to_text(self) -> str:
        """Encode for a job's parameter."""
        return f"{self.run_id}/{self.file_id}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Decode what ``to_text`` wrote.

        Raises:
            ValueError: it is none.
        """
        run_id, file_id = text.split("/")
        return cls(run_id, file_id)


def read_message(body: str) -> Delivered | PlanFile | None:
    """Read a message; None: an event about another object than a ``manifest.checksum``.

    Raises:
        InputError: it is neither S3's nor ours.
    """
    try:
        facts = orjson.loads(body)
        return PlanFile(facts["run_id"], facts["file_id"]) if "run_id" in facts else _delivered(facts["detail"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a message for the planner: {body[:200]!r}") from error


def _delivered(detail: Mapping[str, Any]) -> Delivered | None:
    bucket, key = detail["bucket"]["name"], detail["object"]["key"]  # EventBridge has keys as they are, not encoded
    return Delivered(bucket, key) if key.rpartition("/")[2] == CHECKSUM else None
