"""Amazon SQS from outside: how many messages wait."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch_job.adapters.aws_errors import SQS, as_ours
from batch_job.ports import QueueDepth
from batch_job.values.queues import Depth

NOTHING = Depth(waiting=0, in_flight=0)

_WAITING = "ApproximateNumberOfMessages"
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
_DELAYED = "ApproximateNumberOfMessagesDelayed"


class SqsQueueDepth:
    """One queue; fits ``ports.QueueDepth``."""

    def __init__(self, client: Any, *, url: str) -> None:
        """Take a client of ``sqs.sqs_client``."""
        self._client, self._url = client, url

    def depth(self) -> Depth:
        """Tell how many messages there are, about."""
        with as_ours(SQS, doing=f"looking at {self._url} (needs sqs:GetQueueAttributes)"):
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=[_WAITING, _IN_FLIGHT, _DELAYED]
            )
        counts = answer["Attributes"]
        return Depth(
            waiting=int(counts[_WAITING]), in_flight=int(counts[_IN_FLIGHT]), delayed=int(counts.get(_DELAYED, 0))
        )


@dataclass(slots=True)
class MemoryQueueDepth:
    """A depth that was given."""

    given: Depth = NOTHING

    def depth(self) -> Depth:
        """Give it."""
        return self.given


if TYPE_CHECKING:
    _fits: type[QueueDepth] = SqsQueueDepth
    _fits_too: type[QueueDepth] = MemoryQueueDepth
