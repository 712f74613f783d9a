"""Where imagery is, where the stack keeps what it makes, and where inventories are delivered."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack, aws_iam, aws_s3
from constructs import Construct

from infra.parts.grants import allow
from infra.parts.nag import acknowledge
from infra.parts.work import RUNS

INVENTORIES = "inventories"
"""S3's inventories are delivered under this prefix of the reports bucket, and nothing else is."""
REPORT_DAYS = 30
"""A run reads its inventory within a day or two; the rest is for looking back."""
RUN_DAYS = 365
"""No run is worked on for so long, whatever is done again at however few calls a second; each leaves some 40 bytes an
object, every night."""
ABANDONED_UPLOAD_DAYS = 2
"""The parts of an upload that was broken off are paid for until somebody takes them away."""


class Storage(Construct):
    """The imagery, which nothing here ever deletes, and two buckets of the stack's own."""

    imagery: aws_s3.IBucket
    data: aws_s3.Bucket
    """Paid answers, and runs."""
    reports: aws_s3.Bucket
    """Inventories, S3's and ours."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket_name: str,
        new_bucket: bool,
        kms_key_arns: Sequence[str],
        removal: RemovalPolicy,
        dem: str = "",
    ) -> None:
        """Make the buckets; an existing one with imagery is only told to send its events.

        Args:
            scope: Around it.
            construct_id: Its name there.
            bucket_name: Of the imagery.
            new_bucket: Whether to make that one too.
            kms_key_arns: What objects of an existing bucket are encrypted with.
            removal: What becomes of the stack's own buckets; DESTROY empties them.
            dem: ``s3://BUCKET/KEY`` of heights under the imagery; empty: there are none.
        """
        super().__init__(scope, construct_id)
        self._kms_key_arns = tuple(kms_key_arns)
        self._dem_arn = _arn_of(self, dem) if dem else ""
        self.imagery = self._new_imagery(bucket_name) if new_bucket else self._existing_imagery(bucket_name)
        self.data = self._own("Data", removal=removal, expiry=_expiry(RUN_DAYS, below=RUNS))
        self.reports = self._own("Reports", removal=removal, expiry=_expiry(REPORT_DAYS))
        _send_events(self.reports)
        self._let_s3_deliver()

    @property
    def archive_uri(self) -> str:
        """Where paid answers are kept; the archive's prefix comes behind it."""
        return f"s3://{self.data.bucket_name}"

    @property
    def runs_uri(self) -> str:
        """Where runs, and the pause, are kept."""
        return f"s3://{self.data.bucket_name}"

    def grant_read_imagery(self, grantee: aws_iam.IRole) -> None:
        """Let somebody list the imagery and read it; who may not list is told 403 of a key that is gone."""
        allow(grantee, ["s3:ListBucket"], on=[self.imagery.bucket_arn])
        allow(grantee, ["s3:GetObject"], on=[self.imagery.arn_for_objects("*")], because="any object may be an image")
        if self._kms_key_arns:
            allow(grantee, ["kms:Decrypt"], on=self._kms_key_arns, because="the keys as the settings name them")

    def grant_read_dem(self, grantee: aws_iam.IRole) -> None:
        """Let somebody read the heights under the imagery, that one object."""
        if self._dem_arn:
            allow(grantee, ["s3:GetObject"], on=[self._dem_arn])

    def _new_imagery(self, name: str) -> aws_s3.IBucket:
        bucket = aws_s3.Bucket(
            self,
            "Imagery",
            bucket_name=name,
            versioned=True,
            encryption=aws_s3.BucketEncryption.S3_MANAGED,
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[_no_abandoned_uploads()],
        )
        acknowledge(bucket, {"AwsSolutions-S1": "whose imagery it is decides who is to log what is read of it"})
        _send_events(bucket)
        return bucket

    def _existing_imagery(self, name: str) -> aws_s3.IBucket:
        # the CDK's handler reads the bucket's notifications, adds the flag and writes all back
        role = aws_iam.Role(self, "Notifications", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        arn = Stack.of(self).format_arn(service="s3", region="", account="", resource=name)
        allow(role, ["s3:GetBucketNotification", "s3:PutBucketNotification"], on=[arn])
        bucket = aws_s3.Bucket.from_bucket_attributes(
            self,
            "Imagery",
            bucket_name=name,
            # the CDK would add every bucket of the account, and the logs of every function
            notifications_handler_role=role.without_policy_updates(),
        )
        bucket.enable_event_bridge_notification()
        return bucket

    def _own(self, construct_id: str, *, removal: RemovalPolicy, expiry: aws_s3.LifecycleRule) -> aws_s3.Bucket:
        bucket = aws_s3.Bucket(
            self,
            construct_id,
            encryption=aws_s3.BucketEncryption.S3_MANAGED,
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            lifecycle_rules=[_no_abandoned_uploads(), expiry],
            removal_policy=removal,
            # CloudFormation fails on a bucket that holds anything
            auto_delete_objects=removal is RemovalPolicy.DESTROY,
        )
        acknowledge(bucket, {"AwsSolutions-S1": "holds what can be made again; only the stack's own roles may read it"})
        return bucket

    def _let_s3_deliver(self) -> None:
        """Without it S3 delivers nothing, and says nothing.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html
        """
        self.reports.add_to_resource_policy(
            aws_iam.PolicyStatement(
                principals=[aws_iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[self.reports.arn_for_objects(f"{INVENTORIES}/*")],
                conditions={
                    "ArnLike": {"aws:SourceArn": self.imagery.bucket_arn},
                    "StringEquals": {
                        "aws:SourceAccount": Stack.of(self).account,
                        "s3:x-amz-acl": "bucket-owner-full-control",
                    },
                },
            )
        )


def _arn_of(scope: Construct, uri: str) -> str:
    return Stack.of(scope).format_arn(service="s3", region="", account="", resource=uri.removeprefix("s3://"))


def _no_abandoned_uploads() -> aws_s3.LifecycleRule:
    return aws_s3.LifecycleRule(
        id="abandoned-uploads", abort_incomplete_multipart_upload_after=Duration.days(ABANDONED_UPLOAD_DAYS)
    )


def _expiry(days: int, *, below: str | None = None) -> aws_s3.LifecycleRule:
    return aws_s3.LifecycleRule(id="expire", expiration=Duration.days(days), prefix=below)


def _send_events(bucket: aws_s3.Bucket) -> None:
    # a property of the bucket; the L2's way is a Lambda that may change every bucket
    bucket_l1 = bucket.node.default_child
    if not isinstance(bucket_l1, aws_s3.CfnBucket):
        raise TypeError(f"{bucket.node.path} has no CfnBucket")
    bucket_l1.notification_configuration = aws_s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=aws_s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )
