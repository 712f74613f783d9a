"""What workers may do with the data bucket and the detector: read and keep answers, follow orders, keep runs."""

from aws_cdk import aws_iam, aws_s3

from infra.parts.grants import allow

ANSWERS = "answers/"
RUNS, ACTIVE = "runs/", "active/"
"""What becomes of each run, and which of them is each bucket's."""
CONTROL = "control/"
"""Operators' orders; these and the runs stand below ``runs_uri``."""

_BY_BUCKET = "It is named by the imagery's bucket; nothing else stands below."
_READ = ["s3:GetObject"]
_READ_WRITE = ["s3:GetObject", "s3:PutObject"]


def grant_work(grantee: aws_iam.IRole, *, data: aws_s3.IBucket) -> None:
    """Let a worker call the detector, keep what it answers, and see whether it is to pause."""
    allow(
        grantee,
        ["rekognition:DetectLabels"],
        on=["*"],
        because="Rekognition's labels know no resources.",
    )
    allow(
        grantee,
        _READ_WRITE,
        on=[data.arn_for_objects(f"{ANSWERS}*")],
        because="An answer's key is made of the image's; nothing else stands below.",
    )
    _grant_orders(grantee, data)


def grant_runs(grantee: aws_iam.IRole, *, data: aws_s3.IBucket) -> None:
    """Let the planner and its jobs keep the record of runs, and see which is the active one."""
    allow(
        grantee,
        _READ_WRITE,
        on=[data.arn_for_objects(f"{RUNS}*")],
        because="Records are named by run and shard; nothing else stands below.",
    )
    allow(grantee, _READ, on=[data.arn_for_objects(f"{ACTIVE}*")], because=_BY_BUCKET)
    _grant_orders(grantee, data)


def grant_activating(grantee: aws_iam.IRole, *, data: aws_s3.IBucket) -> None:
    """Let the planner say which run is the active one."""
    allow(grantee, ["s3:PutObject"], on=[data.arn_for_objects(f"{ACTIVE}*")], because=_BY_BUCKET)


def _grant_orders(grantee: aws_iam.IRole, data: aws_s3.IBucket) -> None:
    """Let somebody read orders, and see that there are none."""
    allow(
        grantee,
        _READ,
        on=[data.arn_for_objects(f"{CONTROL}*")],
        because="All orders that stand below; they are read alone.",
    )
    allow(grantee, ["s3:ListBucket"], on=[data.bucket_arn])  # without it, a missing object answers 403
