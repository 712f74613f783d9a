"""From an inventory that has arrived to jobs: the report's checksum, a queue, the planning Lambda."""

from collections.abc import Mapping

from aws_cdk import RemovalPolicy, aws_events, aws_iam, aws_lambda, aws_logs, aws_s3
from constructs import Construct

from infra.parts.door import QueueDoor
from infra.parts.grants import allow
from infra.parts.queue import WorkQueue

ANNOUNCEMENT = "manifest.checksum"
"""Ends the key of what S3 writes last (S3 guide, inventory notifications)."""
MEMORY_MIB = 1769
"""One whole vCPU (Lambda guide): planning is parsing."""
BATCH_SIZE = 1
"""A CSV may take minutes."""
MAX_CONCURRENCY = 4
"""Planners at once: enough for an inventory of many CSVs, few enough for the index that each reads from."""


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
        role: aws_iam.Role,
        environment: Mapping[str, str],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make what is on both sides of the queue."""
        super().__init__(scope, construct_id)
        self.door = QueueDoor(
            self,
            "Door",
            queue=queue,
            pattern=aws_events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [reports.bucket_name]}, "object": {"key": [{"suffix": ANNOUNCEMENT}]}},
            ),
            code=code,
            role=role,
            memory_mib=MEMORY_MIB,
            environment=environment,
            batch_size=BATCH_SIZE,
            max_concurrency=MAX_CONCURRENCY,
            log_retention=log_retention,
            removal=removal,
        )


def grant_reports(grantee: aws_iam.IRole, *, reports: aws_s3.IBucket) -> None:
    """Let whoever plans read what is planned."""
    allow(
        grantee,
        ["s3:GetObject"],
        on=[reports.arn_for_objects("*")],
        because="Reports' names are S3's to choose; the bucket holds nothing else.",
    )
    allow(grantee, ["s3:ListBucket"], on=[reports.bucket_arn])  # or a missing object answers 403
