"""Batch jobs that failed for good: kept as log lines, and counted."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack, aws_cloudwatch, aws_events, aws_iam, aws_logs
from constructs import Construct

OF_NO_CONCERN = (
    "Array Child Job failed",  # Batch's word for the parent of a child that failed, whose own event says why
    "a newer inventory is planned",  # our own, for waiting jobs of a run that is superseded
)
"""Reasons of jobs that end as failed, and are none of an alarm's business."""


class FailedJobs(Construct):
    """A log of the events, which outlives what Batch remembers of jobs, and its metric.

    Straight to a topic, 10,000 children of one array that fail alike would be 10,000 mails.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_queues: Sequence[str],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Listen.

        Args:
            scope: Around it.
            construct_id: Its name there.
            job_queues: ARNs of the queues whose jobs these are.
            log_retention: How long the events are kept.
            removal: What becomes of them with the stack.
        """
        super().__init__(scope, construct_id)
        self.log_group = aws_logs.LogGroup(self, "Events", retention=log_retention, removal_policy=removal)
        # the L2's target makes its policy by a Lambda with an SDK of its own
        rule = aws_events.CfnRule(
            self,
            "Rule",
            description="Batch jobs of the stack that failed for good",
            event_pattern={
                "source": ["aws.batch"],
                "detail-type": ["Batch Job State Change"],
                "detail": {
                    "status": ["FAILED"],
                    "jobQueue": list(job_queues),
                    "statusReason": [{"anything-but": list(OF_NO_CONCERN)}, {"exists": False}],
                },
            },
            targets=[aws_events.CfnRule.TargetProperty(id="Log", arn=self._log_group_arn())],
        )
        rule.node.add_dependency(self._let_write())
        self._rule_name = rule.ref

    def metric(self) -> aws_cloudwatch.Metric:
        """Count them; EventBridge counts what a rule sends on, whether or not it arrives."""
        return aws_cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="Invocations",
            dimensions_map={"RuleName": self._rule_name},
            statistic="Sum",
            period=Duration.minutes(5),
        )

    def _log_group_arn(self) -> str:
        # without the ":*" that the group's own attribute ends with: EventBridge refuses that
        name = self.log_group.log_group_name
        return Stack.of(self).format_arn(service="logs", resource=f"log-group:{name}")

    def _let_write(self) -> aws_logs.ResourcePolicy:
        return aws_logs.ResourcePolicy(
            self,
            "Policy",
            policy_statements=[
                aws_iam.PolicyStatement(
                    principals=[
                        aws_iam.ServicePrincipal("events.amazonaws.com"),
                        aws_iam.ServicePrincipal("delivery.logs.amazonaws.com"),
                    ],
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[self.log_group.log_group_arn],
                )
            ],
        )
