"""The daily list of the bucket with the imagery."""

from aws_cdk import Duration, RemovalPolicy, Stack, aws_iam, aws_lambda, aws_logs, aws_s3
from constructs import Construct

from infra.parts.grants import allow
from infra.parts.set_up import SetUp
from infra.parts.storage import INVENTORIES

TIMEOUT = Duration.minutes(3)
"""The handler waits half a minute for a fresh policy to hold."""


class Inventory(Construct):
    """One inventory configuration on the bucket, whoever's bucket it is; nothing else of it is touched.

    A bucket of our own gets it in the same way: what is listed then stands in one place, the handler.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        imagery: aws_s3.IBucket,
        reports: aws_s3.Bucket,
        stack: str,
        code: aws_lambda.DockerImageCode,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Order it.

        Args:
            scope: Around it.
            construct_id: Its name there.
            imagery: What is listed.
            reports: Where lists go; its policy lets S3 deliver.
            stack: Names the configuration, and the deployment in metrics.
            code: Of ``lambdas.set_up_inventory.handler``.
            log_retention: How long logs are kept.
            removal: What becomes of them with the stack.
        """
        super().__init__(scope, construct_id)
        role = aws_iam.Role(self, "Role", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        # putting covers deleting; HEAD on the bucket, which is ListBucket, tells its Region
        allow(
            role,
            ["s3:PutInventoryConfiguration", "s3:GetInventoryConfiguration", "s3:ListBucket"],
            on=[imagery.bucket_arn],
        )
        ordered = SetUp(
            self,
            "SetUpInventory",
            code=code,
            role=role,
            timeout=TIMEOUT,
            environment={},
            properties={
                "Bucket": imagery.bucket_name,
                "Id": stack,
                "DestinationBucketArn": reports.bucket_arn,
                "DestinationAccountId": Stack.of(self).account,
                "Prefix": INVENTORIES,
            },
            log_retention=log_retention,
            removal=removal,
        )
        if reports.policy:  # S3 checks nothing when it is ordered, and delivers nothing when it may not
            ordered.resource.node.add_dependency(reports.policy)
        self.resource = ordered.resource
        """When this is there, the inventory is ordered."""
