"""What Batch runs: the image, as ``python -m batch_job TASK WHAT``."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, Size, aws_batch, aws_ecs, aws_iam, aws_logs
from constructs import Construct

from batch_job.errors import BackfillError, DeploymentError, InputError
from infra.parts.nag import acknowledge

VCPUS = 1
"""Eight calls in flight keep less than one busy; small jobs fill ``max_vcpus`` best and lose least to Spot."""
MEMORY = Size.gibibytes(4)
"""Ten times what COGs take (docs/performance.md): the rest is for images whose blocks are huge, which are refused
only beyond it. More would be paid for and idle."""
USER = "1000:1000"
"""The image's own, said again: root in a container is nobody's wish."""
TIMEOUT = Duration.hours(12)
"""A shard is at most some thousand chips; what takes longer hangs, and the next inventory plans it anew."""
ATTEMPTS = 5
"""Of each child; an object that kills three workers is recorded as such before."""

NOT_STARTED, WRONG_USAGE = 1, 2
"""Python's own, when it cannot even import; that of ``python -m batch_job``, asked for what it does not know."""
FINAL_CODES = (
    NOT_STARTED,
    WRONG_USAGE,
    InputError.exit_code,
    BackfillError.exit_code,  # a defect of ours
    DeploymentError.exit_code,
)


def retry_rules() -> list[aws_batch.RetryStrategy]:
    """Say what is final; Batch retries what no rule matches (its user guide, "Automated job retries").

    So a signal is retried, whichever it was: memory that ran out, a library that crashed on an image, which is recorded
    after three of them. So is what has no code at all: Spot took the machine back, or it never came to start the image.
    """
    leave, reason = aws_batch.Action.EXIT, aws_batch.Reason.custom
    return [aws_batch.RetryStrategy.of(leave, reason(on_exit_code=str(int(code)))) for code in FINAL_CODES]


class Job(Construct):
    """A job definition: nobody's root, nothing writable but an empty ``/tmp``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        image: aws_ecs.ContainerImage,
        role: aws_iam.IRole,
        environment: Mapping[str, str],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make definition and log group."""
        super().__init__(scope, construct_id)
        self.log_group = aws_logs.LogGroup(self, "Logs", retention=log_retention, removal_policy=removal)
        container = aws_batch.EcsFargateContainerDefinition(
            self,
            "Container",
            image=image,
            cpu=VCPUS,
            memory=MEMORY,
            command=["Ref::task", "Ref::what"],
            environment=dict(environment),
            job_role=role,
            assign_public_ip=True,  # there is no NAT gateway
            user=USER,
            readonly_root_filesystem=True,
            # PID 1 ignores SIGTERM until Python has a handler for it, which takes a second
            linux_parameters=aws_batch.LinuxParameters(self, "Linux", init_process_enabled=True),
            volumes=[aws_batch.EcsVolume.host(name="tmp", container_path="/tmp")],  # noqa: S108  Fargate has no tmpfs
            # said, or the execution role may not write where Batch sends the output by default
            logging=aws_ecs.LogDriver.aws_logs(stream_prefix=name, log_group=self.log_group),
        )
        acknowledge(
            container.execution_role,
            {"AwsSolutions-IAM5[Resource::*]": "ecr:GetAuthorizationToken knows no resources; pulling is on one."},
        )
        aws_batch.EcsJobDefinition(
            self,
            "Definition",
            job_definition_name=name,
            container=container,
            parameters={"task": "shards", "what": "none"},  # every submission says both
            propagate_tags=True,
            retry_attempts=ATTEMPTS,
            retry_strategies=retry_rules(),
            timeout=TIMEOUT,
        )
