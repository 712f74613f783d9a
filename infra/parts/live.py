"""Between two inventories: the imagery bucket's events, a queue, the Lambda that reconciles each object."""

from collections.abc import Mapping

from aws_cdk import RemovalPolicy, aws_events, aws_iam, aws_lambda, aws_logs, aws_s3
from constructs import Construct

from infra.parts.door import QueueDoor
from infra.parts.queue import WorkQueue

DETAIL_TYPES = ("Object Created", "Object Deleted", "Object Restore Completed")
MEMORY_MIB = 3008
"""Several times what an image of ``max_live_bytes`` takes, decoded in one piece, and 1.7 vCPUs to do it."""
BATCH_SIZE = 1
"""An image may take all the time that there is. What waits behind it would be handed back untried, and counted as
received: where images take minutes and many came at once, some would be dead letters that nobody ever tried."""
MIN_CONCURRENCY = 2
"""Lambda takes no less."""


class Live(Construct):
    """Reconciles what was created, overwritten, deleted or restored."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queue: WorkQueue,
        imagery: aws_s3.IBucket,
        code: aws_lambda.DockerImageCode,
        role: aws_iam.Role,
        environment: Mapping[str, str],
        max_concurrency: int,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make what is on both sides of the queue; the bucket must send its events already."""
        super().__init__(scope, construct_id)
        self.door = QueueDoor(
            self,
            "Door",
            queue=queue,
            pattern=aws_events.EventPattern(
                source=["aws.s3"],
                detail_type=list(DETAIL_TYPES),
                detail={"bucket": {"name": [imagery.bucket_name]}},
            ),
            code=code,
            role=role,
            memory_mib=MEMORY_MIB,
            environment=environment,
            batch_size=BATCH_SIZE,
            max_concurrency=max(MIN_CONCURRENCY, max_concurrency),
            log_retention=log_retention,
            removal=removal,
        )
