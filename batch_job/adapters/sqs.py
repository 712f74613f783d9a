"""Amazon SQS: sends messages. Receiving is Lambda's business."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from batch_job.adapters.aws_errors import SQS, as_ours
from batch_job.adapters.clients import Where, connect
from batch_job.errors import UnavailableError
from batch_job.ports import MessageQueue

ATTEMPTS = 5
BATCH_ENTRIES = 10
"""SendMessageBatch takes no more (Amazon SQS quotas)."""


def sqs_client(**where: Unpack[Where]) -> Any:
    """Make a client of Amazon SQS; see ``clients.connect``."""
    return connect("sqs", SQS, attempts=ATTEMPTS, **where)


class SqsMessageQueue:
    """One queue; fits ``ports.MessageQueue``."""

    def __init__(self, client: Any, *, url: str) -> None:
        """Take a client of ``sqs_client``."""
        self._client, self._url = client, url

    def send(self, bodies: Iterable[str]) -> None:
        """Send all, ten at a time; see ``ports.MessageQueue``."""
        pulled = iter(bodies)
        while batch := list(itertools.islice(pulled, BATCH_ENTRIES)):
            self._send(batch)

    def _send(self, bodies: Sequence[str]) -> None:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        with as_ours(SQS, doing=f"sending {len(bodies)} messages to {self._url} (needs sqs:SendMessage)"):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        refused = answer.get("Failed", ())
        if refused:
            why = f"{refused[0].get('Code')}: {refused[0].get('Message')}"
            raise UnavailableError(f"{self._url} refused {len(refused)} of {len(bodies)} messages: {why}")


if TYPE_CHECKING:
    _fits: type[MessageQueue] = SqsMessageQueue
