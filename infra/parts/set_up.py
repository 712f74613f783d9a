"""What CloudFormation cannot make itself: a handler of the image makes it, at each change of its properties."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import CustomResource, Duration, RemovalPolicy, Stack, aws_iam, aws_lambda, aws_logs, custom_resources
from constructs import Construct

from infra.parts.function import ImageFunction
from infra.parts.grants import spelled
from infra.parts.nag import acknowledge

MEMORY_MIB = 512
"""A handler imports boto3, and waits for others."""
ANSWER_MARGIN = Duration.minutes(2)
"""For the provider to start the handler, and to tell CloudFormation."""


class SetUp(Construct):
    """A custom resource of the type ``Custom::NAME``, its handler and what stands between them."""

    resource: CustomResource

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: aws_lambda.DockerImageCode,
        role: aws_iam.Role,
        timeout: Duration,
        environment: Mapping[str, str],
        properties: Mapping[str, Any],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make all; an answer that does not come within ``timeout`` and a little fails the deployment.

        Args:
            scope: Around it.
            construct_id: Its name there, and the resource's type.
            code: Of the handler, which answers the CDK's ``Provider``.
            role: The handler's, with all that it may do.
            timeout: The handler's.
            environment: The handler's.
            properties: What is wanted.
            log_retention: How long logs are kept.
            removal: What becomes of them with the stack.
        """
        super().__init__(scope, construct_id)
        handler = ImageFunction(
            self,
            "Handler",
            code=code,
            role=role,
            memory_mib=MEMORY_MIB,
            timeout=timeout,
            environment=environment,
            log_retention=log_retention,
            removal=removal,
        ).function
        self.resource = CustomResource(
            self,
            "Resource",
            service_token=self._provider(handler, log_retention=log_retention, removal=removal).service_token,
            resource_type=f"Custom::{construct_id}",
            service_timeout=timeout.plus(ANSWER_MARGIN),
            properties=dict(properties),
        )

    def _provider(
        self, handler: aws_lambda.IFunction, *, log_retention: aws_logs.RetentionDays, removal: RemovalPolicy
    ) -> custom_resources.Provider:
        logs = aws_logs.LogGroup(self, "ProviderLogs", retention=log_retention, removal_policy=removal)
        role = aws_iam.Role(self, "ProviderRole", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        logs.grant_write(role)
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=handler,
            log_group=logs,
            # the CDK's own may write to every log group of the account
            framework_on_event_role=role,
        )
        versions = spelled(Stack.of(self).resolve(f"{handler.function_arn}:*"))
        acknowledge(role, {f"AwsSolutions-IAM5[Resource::{versions}]": "the CDK grants every version of the handler"})
        return provider
