"""Amazon SQS: sends messages. Receiving is Lambda's business."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from batch_job.adapters.aws_errors import SQS, as_ours
from batch_job.errors import UnavailableError
from batch_job.ports import MessageQueue

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS = 5
BATCH_ENTRIES = 10
"""SendMessageBatch takes no more (Amazon SQS quotas)."""


def sqs_client(
    *, endpoint_url: str | None = None, region: str | None = None, session: boto3.Session | None = None
) -> Any:
    """Make a client; what is None comes from ``session``, or from the environment, as always with AWS.

    Raises:
        SettingsError, AccessError: the environment names what is not there, a profile say.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    with as_ours(SQS, doing="connecting to Amazon SQS"):
        return (session or boto3).client("sqs", endpoint_url=endpoint_url, region_name=region, config=config)


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
