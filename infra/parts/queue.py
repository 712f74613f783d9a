"""A queue, and where its messages end that nobody could take."""

from aws_cdk import Duration, aws_events_targets, aws_sqs
from constructs import Construct

RETENTION = Duration.days(14)
"""SQS keeps nothing longer: whoever reads the alarm has two weeks to redrive."""


class WorkQueue(Construct):
    """Encrypted, over TLS only; at rest only what failed is in ``dead_letters``."""

    def __init__(
        self, scope: Construct, construct_id: str, *, visibility_timeout: Duration, max_receive_count: int
    ) -> None:
        """Make both queues."""
        super().__init__(scope, construct_id)
        self.dead_letters = aws_sqs.Queue(
            self,
            "DeadLetters",
            encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
        )
        self.queue = aws_sqs.Queue(
            self,
            "Queue",
            encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=aws_sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=max_receive_count),
        )

    def as_target(self) -> aws_events_targets.SqsQueue:
        """Take a rule's events; those that cannot be delivered for a day are dead letters too."""
        return aws_events_targets.SqsQueue(self.queue, dead_letter_queue=self.dead_letters)
