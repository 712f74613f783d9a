"""What ``imagery-backfill --stack`` does: look at all, start, pause, resume, retry; change nothing that stands."""

from collections.abc import Sequence

from aws_cdk import aws_iam, aws_s3

from infra.parts.grants import allow
from infra.parts.lane import Lane
from infra.parts.queue import WorkQueue
from infra.parts.work import ACTIVE, CONTROL, RUNS

LISTINGS = "listings/"
"""Below this, listings of ours stand among the reports: whoever writes one starts a run."""


def grant_operating(
    operator: aws_iam.IRole,
    *,
    data: aws_s3.IBucket,
    reports: aws_s3.IBucket,
    queues: Sequence[WorkQueue],
    lane: Lane,
) -> None:
    """Let a role operate buckets, queues and the backfill's jobs; imagery and index are granted beside those."""
    _grant_runs(operator, data=data)
    _grant_listings(operator, reports=reports)
    both = (queue for pair in queues for queue in (pair.queue, pair.dead_letters))
    allow(operator, ["sqs:GetQueueAttributes"], on=[queue.queue_arn for queue in both])
    lane.grant_submit(operator)
    allow(
        operator,
        ["batch:DescribeJobs", "batch:ListJobs"],
        on=["*"],
        because="Batch knows no resources for looking.",
    )


def _grant_runs(operator: aws_iam.IRole, *, data: aws_s3.IBucket) -> None:
    allow(
        operator,
        ["s3:GetObject"],
        on=[data.arn_for_objects(f"{prefix}*") for prefix in (RUNS, ACTIVE, CONTROL)],
        because="Records are named by run and shard; nothing else stands below.",
    )
    allow(
        operator,
        ["s3:PutObject"],
        on=[data.arn_for_objects(f"{prefix}*") for prefix in (RUNS, CONTROL)],
        because="Jobs that are submitted again are noted in their run; orders are written.",
    )
    allow(
        operator,
        ["s3:DeleteObject"],
        on=[data.arn_for_objects(f"{CONTROL}*")],
        because="Orders are taken back by deleting them; nothing else stands below.",
    )
    allow(operator, ["s3:ListBucket"], on=[data.bucket_arn])


def _grant_listings(operator: aws_iam.IRole, *, reports: aws_s3.IBucket) -> None:
    allow(
        operator,
        ["s3:PutObject"],
        on=[reports.arn_for_objects(f"{LISTINGS}*")],
        because="A listing is named by its time; nothing else stands below.",
    )
