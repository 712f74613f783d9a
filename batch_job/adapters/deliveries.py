"""Messages of Amazon SQS that come to a Lambda, as the Lambda itself can slow them down or stop them."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import SQS, as_ours, error_code
from batch_job.adapters.event_sources import EventSource, lambda_client
from batch_job.adapters.sqs import sqs_client
from batch_job.ports import Deliveries

_BACK_ALREADY = ("MessageNotInflight", "ReceiptHandleIsInvalid")
"""It waits in the queue again, or somebody else has it: there is nothing to postpone."""

log = structlog.get_logger()


class SqsDeliveries:
    """One queue's messages; fits ``ports.Deliveries``. Connects when it is needed, which is seldom."""

    def __init__(
        self, queue_arn: str, *, sqs: Callable[[], Any] = sqs_client, functions: Callable[[], Any] = lambda_client
    ) -> None:
        """Take the queue's ARN, and what makes the clients of Amazon SQS and AWS Lambda."""
        self._queue_arn, self._connect, self._functions = queue_arn, sqs, functions

    @cached_property
    def _sqs(self) -> Any:
        return self._connect()

    @cached_property
    def _url(self) -> str:
        account, name = self._queue_arn.split(":")[-2:]
        with as_ours(SQS, doing=f"looking for {self._queue_arn} (needs sqs:GetQueueUrl)"):
            answer = self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        return str(answer["QueueUrl"])

    def postpone(self, receipt: str, *, wait_s: int) -> None:
        """Have a message come again after so many seconds; see ``ports.Deliveries``."""
        with as_ours(SQS, doing=f"postponing a message of {self._queue_arn} (needs sqs:ChangeMessageVisibility)"):
            try:
                self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=wait_s)
            except ClientError as error:
                if error_code(error) not in _BACK_ALREADY:
                    raise
                log.info("message.not_postponed", error=str(error))

    def stop(self) -> None:
        """Shut the queue's event source; see ``ports.Deliveries``."""
        EventSource(self._functions(), queue_arn=self._queue_arn).shut()


if TYPE_CHECKING:
    _fits: type[Deliveries] = SqsDeliveries
