"""Between two inventories: the imagery bucket's events, a queue, the Lambda that reconciles each object."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, aws_events, aws_iam, aws_lambda, aws_lambda_event_sources, aws_logs, aws_s3
from constructs import Construct

from infra.parts.function import ImageFunction
from infra.parts.queue import WorkQueue

DETAIL_TYPES = ("Object Created", "Object Deleted", "Object Restore Completed")
MEMORY_MIB = 2048
"""Five times what an image takes at its worst but for huge blocks, and more than one vCPU."""
TIMEOUT = Duration.minutes(15)
"""Lambda's longest: an image of ``max_live_bytes`` has hundreds of chips, at ``live_calls_per_s``."""
VISIBILITY_TIMEOUT = Duration.minutes(16)
"""Past the timeout. Not six times, as is advised for functions that others throttle: an image that was handed back
would be looked at again hours later."""
MAX_RECEIVE_COUNT = 10
"""An object that another worker holds comes back until its lease is over; a message that cannot be taken ends here."""
BATCH_SIZE = 5
"""Messages at once; what there is no time for is handed back."""
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
        role: aws_iam.IRole,
        environment: Mapping[str, str],
        max_concurrency: int,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make the rule and the function on both sides of the queue; the bucket must send its events already."""
        super().__init__(scope, construct_id)
        aws_events.Rule(
            self,
            "Changed",
            description="An object of the imagery bucket came, changed or went",
            event_pattern=aws_events.EventPattern(
                source=["aws.s3"],
                detail_type=list(DETAIL_TYPES),
                detail={"bucket": {"name": [imagery.bucket_name]}},
            ),
            targets=[queue.as_target()],
        )
        self.function = ImageFunction(
            self,
            "OnObject",
            code=code,
            role=role,
            memory_mib=MEMORY_MIB,
            timeout=TIMEOUT,
            environment=environment,
            log_retention=log_retention,
            removal=removal,
        ).function
        self.function.add_event_source(
            aws_lambda_event_sources.SqsEventSource(
                queue.queue,
                batch_size=BATCH_SIZE,
                report_batch_item_failures=True,
                max_concurrency=max(MIN_CONCURRENCY, max_concurrency),
            )
        )
