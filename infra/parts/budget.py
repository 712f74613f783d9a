"""The table that all workers draw their calls from: ``docs/budget.md``."""

from collections.abc import Sequence

from aws_cdk import RemovalPolicy, aws_dynamodb, aws_iam
from constructs import Construct

from infra.parts.grants import allow

PARTITION_KEY = "budget"
"""As ``batch_job.adapters.dynamodb`` has it."""


class Budget(Construct):
    """One small item; losing it costs one block of calls."""

    def __init__(self, scope: Construct, construct_id: str, *, removal: RemovalPolicy) -> None:
        """Make the table."""
        super().__init__(scope, construct_id)
        self.table = aws_dynamodb.Table(
            self,
            "Table",
            partition_key=aws_dynamodb.Attribute(name=PARTITION_KEY, type=aws_dynamodb.AttributeType.STRING),
            billing_mode=aws_dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=aws_dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=removal,
        )

    def grant_draw(self, grantees: Sequence[aws_iam.IRole]) -> None:
        """Let workers draw."""
        for grantee in grantees:
            allow(grantee, ["dynamodb:GetItem", "dynamodb:UpdateItem"], on=[self.table.table_arn])
