"""What both queue Lambdas do with a batch of messages: what is done is done, the others go back, each with its wait.

Our own rather than Powertools' batch processor: that takes every message whatever the one before it met, so a refused
deployment would burn a receive of each; it knows no waits, nor what time is left; and importing it takes as long as
importing boto3 does, which the planner's bar has no room for.

A message that goes back waits 10 s at first, then twice as long after each receive, up to an hour: with a queue that
gives up after 20 receives, no outage under eleven hours puts anything into the dead-letter queue. What can never be
read goes there at once. Where nothing would fare better, because the deployment refuses or the lane is paused, the
Lambda shuts its own event source; messages then wait in the queue until a person opens it (``docs/live.md``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self

import structlog

from batch_job.errors import BackfillError, DeploymentError, HandedBackError, InputError
from batch_job.ports import Deliveries
from batch_job.wiring.deliveries import open_deliveries

FIRST_WAIT_S, MAX_WAIT_S = 10, 3600
MOST_REFUSALS = 5
"""Receives of a refused message before the source is shut, two and a half minutes: a new grant, or a deployment that
is not through, takes one or two to be seen everywhere."""
BEGIN_S = 60.0
"""No message is begun with less time left: a small image takes a few seconds, one that calls wait for longer."""

log = structlog.get_logger()


class Context(Protocol):
    """As much of Lambda's context as we use."""

    def get_remaining_time_in_millis(self) -> int:
        """Tell how long this invocation may go on."""
        ...


def time_left_s(context: Context) -> float:
    """Tell how long an invocation may go on."""
    return context.get_remaining_time_in_millis() / 1000


def answer(event: Mapping[str, Any], context: Context, take: Callable[[str], object]) -> dict[str, Any]:
    """Take the messages of a call by Lambda, with ``take`` for each body; see ``Batch.answer``."""
    records = event["Records"]
    if not records:
        return {"batchItemFailures": []}
    deliveries = open_deliveries(records[0]["eventSourceARN"])
    return Batch(take=take, deliveries=deliveries, time_left_s=partial(time_left_s, context)).answer(event)


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as Lambda gets it."""

    id: str
    body: str
    receipt: str
    receives: int
    """How often it was received, this time included; about."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Read a record of an SQS event."""
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        return cls(record["messageId"], record["body"], record["receiptHandle"], receives)

    @property
    def wait_s(self) -> int:
        """How long it waits for its next try."""
        return int(min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** (self.receives - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The messages of one invocation."""

    take: Callable[[str], object]
    """Does what a message's body asks for."""
    deliveries: Deliveries
    time_left_s: Callable[[], float]

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Take the messages of an SQS event one after the other; give Lambda's partial batch response.

        Raises:
            DeploymentError: every message would fail in the same way; all go back to the queue.
        """
        messages = [Message.of(record) for record in event["Records"]]
        left: list[Message] = []
        for number, message in enumerate(messages):
            rest = messages[number:]
            if self.time_left_s() < BEGIN_S:
                left += self._hand_back(rest, wait_s=0)
                break
            try:
                if not self._is_done(message):
                    left.append(message)
            except (HandedBackError, DeploymentError) as error:
                left += self._hand_back(rest)
                self._stop(message, error)
                if isinstance(error, DeploymentError):
                    raise
                break
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in left]}

    def _is_done(self, message: Message) -> bool:
        """Take a message; hand it back when that fails for reasons of its own.

        Raises:
            HandedBackError, DeploymentError: no other would fare better.
        """
        try:
            self.take(message.body)
        except (HandedBackError, DeploymentError):
            raise
        except InputError as error:
            log.warning("message.rejected", message_id=message.id, receives=message.receives, error=_said(error))
            self._hand_back([message], wait_s=0)
        except BackfillError as error:
            log.warning("message.left", message_id=message.id, receives=message.receives, error=_said(error))
            self._hand_back([message])
        except Exception:  # also a defect of ours is one message's matter
            log.exception("message.defect", message_id=message.id, receives=message.receives)
            self._hand_back([message])
        else:
            return True
        return False

    def _hand_back(self, messages: Sequence[Message], *, wait_s: int | None = None) -> Sequence[Message]:
        """Set how long messages wait; where that fails, they wait for as long as the queue says."""
        for message in messages:
            try:
                self.deliveries.postpone(message.receipt, wait_s=message.wait_s if wait_s is None else wait_s)
            except BackfillError as error:
                log.warning("message.not_postponed", message_id=message.id, error=_said(error))
        return messages

    def _stop(self, message: Message, reason: BackfillError) -> None:
        """Shut the source, unless a little patience may help."""
        log.warning("queue.stopped", message_id=message.id, receives=message.receives, error=_said(reason))
        if isinstance(reason, DeploymentError) and message.receives < MOST_REFUSALS:
            return
        try:
            self.deliveries.stop()
        except BackfillError as error:
            log.warning("queue.not_shut", error=_said(error))
        else:
            log.warning("queue.shut", reason=_said(reason))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
