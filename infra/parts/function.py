"""A Lambda of the container image, with a log group of its own."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, aws_iam, aws_lambda, aws_logs
from constructs import Construct


class ImageFunction(Construct):
    """A handler of the image under a role that may write its logs, and what else others grant it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: aws_lambda.DockerImageCode,
        role: aws_iam.IRole,
        memory_mib: int,
        timeout: Duration,
        environment: Mapping[str, str],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make function and log group; the role is not the CDK's, which may write to every group of the account."""
        super().__init__(scope, construct_id)
        log_group = aws_logs.LogGroup(self, "Logs", retention=log_retention, removal_policy=removal)
        log_group.grant_write(role)
        self.function = aws_lambda.DockerImageFunction(
            self,
            "Function",
            code=code,
            role=role,
            memory_size=memory_mib,
            timeout=timeout,
            environment=dict(environment),
            log_group=log_group,
        )
