"""From an inventory that has arrived to jobs: the report's checksum, a queue, the planning Lambda."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, aws_events, aws_iam, aws_lambda, aws_lambda_event_sources, aws_logs, aws_s3
from constructs import Construct

from infra.parts.function import ImageFunction
from infra.parts.grants import allow
from infra.parts.queue import WorkQueue

ANNOUNCEMENT = "manifest.checksum"
"""Ends the key of what S3 writes last (S3 guide, inventory notifications)."""
MEMORY_MIB = 1769
"""One whole vCPU (Lambda guide): planning is parsing."""
TIMEOUT = Duration.minutes(15)
"""Lambda's longest; a CSV that would take longer is planned by a job."""
VISIBILITY_TIMEOUT = Duration.minutes(16)
"""Past the timeout. Not six times, as is advised for functions that others throttle: a planner that was killed
would be replaced hours later."""
MAX_RECEIVE_COUNT = 5
MAX_CONCURRENCY = 4
"""Planners at once: enough for a large inventory of many CSVs, few enough for the index that each reads from."""


class Planner(Construct):
    """Plans every inventory and listing that arrives in the reports bucket."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queue: WorkQueue,
        reports: aws_s3.IBucket,
        code: aws_lambda.DockerImageCode,
        role: aws_iam.IRole,
        environment: Mapping[str, str],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make the rule and the function on both sides of the queue."""
        super().__init__(scope, construct_id)
        aws_events.Rule(
            self,
            "Delivered",
            description="An inventory, or a listing of ours, is complete",
            event_pattern=aws_events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [reports.bucket_name]}, "object": {"key": [{"suffix": ANNOUNCEMENT}]}},
            ),
            targets=[queue.as_target()],
        )
        self.function = ImageFunction(
            self,
            "Plan",
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
                queue.queue, batch_size=1, report_batch_item_failures=True, max_concurrency=MAX_CONCURRENCY
            )
        )


def grant_planning(grantee: aws_iam.IRole, *, queue: WorkQueue, reports: aws_s3.IBucket) -> None:
    """Let the Lambda, and a job that plans what takes longer, read reports and pass on their CSVs."""
    allow(
        grantee,
        ["s3:GetObject"],
        on=[reports.arn_for_objects("*")],
        because="Reports' names are S3's to choose; the bucket holds nothing else.",
    )
    allow(grantee, ["s3:ListBucket"], on=[reports.bucket_arn])  # or a missing object answers 403
    allow(grantee, ["sqs:SendMessage"], on=[queue.queue.queue_arn])
