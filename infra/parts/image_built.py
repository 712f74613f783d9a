"""A resource of the template that is there once the image is."""

from pathlib import Path

from aws_cdk import (
    CustomResource,
    Duration,
    RemovalPolicy,
    Stack,
    aws_codebuild,
    aws_ecr,
    aws_iam,
    aws_lambda,
    aws_logs,
    custom_resources,
)
from constructs import Construct, IConstruct

from infra.parts.grants import allow, spelled
from infra.parts.nag import acknowledge

HANDLER = Path(__file__).with_name("image_built_handler.py")
RUNTIME = aws_lambda.Runtime.PYTHON_3_14
TIMEOUT = Duration.minutes(1)
"""Of a handler, which makes two calls."""
POLL = Duration.seconds(15)
LOG_RETENTION = aws_logs.RetentionDays.ONE_MONTH


class ImageBuilt(Construct):
    """Starts a build of a tag that the repository lacks, and is there at its end; a failed one fails the deployment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        project: aws_codebuild.IProject,
        repository: aws_ecr.IRepository,
        tag: str,
        max_build: Duration,
    ) -> None:
        """Make the resource and what stands behind it."""
        super().__init__(scope, construct_id)
        self._logs = aws_logs.LogGroup(self, "Logs", retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY)
        starter, looker = self._role("Starter"), self._role("Looker")
        allow(starter, ["ecr:DescribeImages"], on=[repository.repository_arn])
        allow(starter, ["codebuild:StartBuild"], on=[project.project_arn])
        allow(looker, ["codebuild:BatchGetBuilds"], on=[project.project_arn])
        provider = self._provider(
            start=self._function("Start", "on_event", starter),
            look=self._function("Look", "is_complete", looker),
            max_build=max_build,
        )
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::ContainerImage",
            service_token=provider.service_token,
            properties={"Repository": repository.repository_name, "Project": project.project_name, "Tag": tag},
        )
        self.tag = self.resource.get_att_string("Tag")
        """A token, known once the image is there."""

    def _role(self, construct_id: str) -> aws_iam.Role:
        role = aws_iam.Role(self, construct_id, assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        self._logs.grant_write(role)
        return role

    def _function(self, construct_id: str, name: str, role: aws_iam.IRole) -> aws_lambda.IFunction:
        return aws_lambda.Function(
            self,
            construct_id,
            runtime=RUNTIME,
            handler=f"index.{name}",  # what Lambda calls the text of a template
            code=aws_lambda.Code.from_inline(HANDLER.read_text(encoding="utf-8")),
            role=role,
            timeout=TIMEOUT,
            log_group=self._logs,
        )

    def _provider(
        self, *, start: aws_lambda.IFunction, look: aws_lambda.IFunction, max_build: Duration
    ) -> custom_resources.Provider:
        began, ended = self._role("ProviderBegins"), self._role("ProviderEnds")
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=start,
            is_complete_handler=look,
            query_interval=POLL,
            total_timeout=max_build,
            log_group=self._logs,
            # the CDK's own may write to every log group of the account
            framework_on_event_role=began,
            framework_complete_and_timeout_role=ended,
            disable_waiter_state_machine_logging=True,
        )
        _acknowledge_versions(began, start, look)
        _acknowledge_versions(ended, start, look)
        waiter = provider.node.find_child("waiter-state-machine")
        functions = (provider.node.find_child(f"framework-{name}") for name in ("isComplete", "onTimeout"))
        _acknowledge_versions(waiter, *(one for one in functions if isinstance(one, aws_lambda.Function)))
        acknowledge(
            waiter,
            {
                "AwsSolutions-SF1": "It asks one Lambda again and again, and that one logs.",
                "AwsSolutions-SF2": "It runs for minutes, once in a deployment that changes the image.",
            },
        )
        return provider


def _acknowledge_versions(construct: IConstruct, *functions: aws_lambda.IFunction) -> None:
    names = [spelled(Stack.of(construct).resolve(f"{one.function_arn}:*")) for one in functions]
    because = "The CDK grants every version of these functions."
    acknowledge(construct, {f"AwsSolutions-IAM5[Resource::{name}]": because for name in names})
