"""Doors of Amazon SQS's queues, by their URLs: AWS Lambda knows them by their ARNs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch_job.adapters.aws_errors import SQS, as_ours
from batch_job.adapters.event_sources import EventSource
from batch_job.ports import Door


@dataclass(frozen=True, slots=True)
class QueueDoor:
    """One queue's; fits ``ports.Door``. Nothing is asked before it is used."""

    queues: Any
    """A client of ``sqs.sqs_client``."""
    functions: Any
    """A client of ``event_sources.lambda_client``."""
    url: str

    @property
    def is_open(self) -> bool:
        """Tell whether messages come, or will in a moment."""
        return self._source().is_open

    def open(self) -> None:
        """Let messages come; see ``ports.Door``."""
        self._source().open()

    def _source(self) -> EventSource:
        with as_ours(SQS, doing=f"looking at {self.url} (needs sqs:GetQueueAttributes)"):
            answer = self.queues.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        return EventSource(self.functions, queue_arn=answer["Attributes"]["QueueArn"])


@dataclass(slots=True)
class MemoryDoor:
    """A door in memory."""

    is_open: bool = True

    def open(self) -> None:
        """Open it."""
        self.is_open = True


if TYPE_CHECKING:
    _fits: type[Door] = QueueDoor
    _fits_too: type[Door] = MemoryDoor
