"""AWS Lambda's event source mappings: what carries messages from a queue to a function, and can be shut."""

from collections.abc import Sequence
from typing import Any, Unpack

from batch_job.adapters.aws_errors import LAMBDA, as_ours
from batch_job.adapters.clients import Where, connect
from batch_job.errors import SetUpError

ATTEMPTS = 5

_ON = ("Enabled", "Enabling", "Creating", "Updating")


def lambda_client(**where: Unpack[Where]) -> Any:
    """Make a client of AWS Lambda; see ``clients.connect``."""
    return connect("lambda", LAMBDA, attempts=ATTEMPTS, **where)


class EventSource:
    """What carries one queue's messages to its function."""

    def __init__(self, client: Any, *, queue_arn: str) -> None:
        """Take a client of ``lambda_client``."""
        self._client, self._queue_arn = client, queue_arn

    @property
    def is_open(self) -> bool:
        """Tell whether messages come, or will in a moment."""
        return all(mapping["State"] in _ON for mapping in self._mappings())

    def open(self) -> None:
        """Let messages come.

        Raises:
            ConflictError: another change of it is under way; try again in some seconds.
        """
        self._set(enabled=True)

    def shut(self) -> None:
        """Let no more messages come; those that came are still worked on. Raises as ``open``."""
        self._set(enabled=False)

    def _set(self, *, enabled: bool) -> None:
        for mapping in self._mappings():
            doing = f"setting the event source of {self._queue_arn} (needs lambda:UpdateEventSourceMapping)"
            with as_ours(LAMBDA, doing=doing):
                self._client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    def _mappings(self) -> Sequence[Any]:
        doing = f"looking for what {self._queue_arn} is the event source of (needs lambda:ListEventSourceMappings)"
        with as_ours(LAMBDA, doing=doing):
            found = self._client.list_event_source_mappings(EventSourceArn=self._queue_arn)["EventSourceMappings"]
        if not found:
            raise SetUpError(f"{doing}: of nothing")
        return list(found)
