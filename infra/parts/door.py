"""A door into the pipeline: events, a queue, and a Lambda that shuts the door while no message would succeed."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, aws_events, aws_iam, aws_lambda, aws_lambda_event_sources, aws_logs
from constructs import Construct

from infra.parts.function import ImageFunction
from infra.parts.nag import acknowledge
from infra.parts.queue import WorkQueue

TIMEOUT = Duration.minutes(15)
"""Lambda's longest."""
VISIBILITY_TIMEOUT = Duration.minutes(20)
"""Past the timeout: only what a killed invocation held waits for so long, as the Lambda sets the wait of what it hands
back. Not six times the timeout, as is advised for functions that others throttle: the next try would be hours later."""
MAX_RECEIVE_COUNT = 20
"""With the waits of ``lambdas.batches``, no outage under eleven hours makes a dead letter."""


class QueueDoor(Construct):
    """A rule before a queue, a function behind it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queue: WorkQueue,
        pattern: aws_events.EventPattern,
        code: aws_lambda.DockerImageCode,
        role: aws_iam.Role,
        memory_mib: int,
        environment: Mapping[str, str],
        batch_size: int,
        max_concurrency: int,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make all but the queue, which others are told of before."""
        super().__init__(scope, construct_id)
        aws_events.Rule(self, "Rule", event_pattern=pattern, targets=[queue.as_target()])
        self.function = ImageFunction(
            self,
            "Function",
            code=code,
            role=role,
            memory_mib=memory_mib,
            timeout=TIMEOUT,
            environment=environment,
            log_retention=log_retention,
            removal=removal,
        ).function
        source = aws_lambda_event_sources.SqsEventSource(
            queue.queue, batch_size=batch_size, report_batch_item_failures=True, max_concurrency=max_concurrency
        )
        self.function.add_event_source(source)
        self._source_arn = source.event_source_mapping_arn
        self.grant_shut_and_open("Own", role)

    def grant_shut_and_open(self, construct_id: str, grantee: aws_iam.IRole) -> None:
        """Let a role disable and enable the event source.

        In a policy of its own: the function waits for its role's, which cannot name what comes after the function.
        """
        policy = aws_iam.Policy(
            self,
            f"{construct_id}Steering",
            roles=[grantee],
            statements=[
                aws_iam.PolicyStatement(actions=["lambda:ListEventSourceMappings"], resources=["*"]),
                aws_iam.PolicyStatement(actions=["lambda:UpdateEventSourceMapping"], resources=[self._source_arn]),
            ],
        )
        acknowledge(policy, {"AwsSolutions-IAM5[Resource::*]": "Lambda knows no resources for listing event sources."})
