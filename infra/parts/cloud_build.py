"""The image built by CodeBuild during the deployment, for those without docker."""

from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, aws_codebuild, aws_ecr, aws_iam, aws_logs, aws_s3_assets
from constructs import Construct

from infra.parts.grants import allow
from infra.parts.image_built import LOG_RETENTION, ImageBuilt
from infra.parts.nag import acknowledge

MAX_BUILD = Duration.minutes(30)
"""It takes about three; a base image that comes slowly is waited for."""
KEPT_IMAGES = 10
"""A deployment that is rolled back needs the image of before; no more than some deployments are ever rolled back."""

AMAZONS_COPIES = "public.ecr.aws/docker/library/"
"""Of Docker's official images: Docker itself turns away builders that share an address, as CodeBuild's do."""

COMMANDS = (
    'aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY%%/*}"',
    "BASE=$(sed -n 's/^ARG BASE=//p' Dockerfile)",
    'docker build --platform "$PLATFORM" --build-arg "BASE=$COPIES$BASE" --tag "$REPOSITORY:$TAG" .',
    'docker push "$REPOSITORY:$TAG"',
)

_PUSH = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]
"""As the ECR guide lists them for pushing to one repository."""


class CloudBuild(Construct):
    """A repository, a project that fills it, and a custom resource that is there once the image is."""

    def __init__(self, scope: Construct, construct_id: str, *, project: Path, platform: str) -> None:
        """Make them.

        Args:
            scope: Where.
            construct_id: Named how.
            project: Folder of the Dockerfile; what ``.dockerignore`` leaves is uploaded, and its hash is the tag.
            platform: As docker names it.
        """
        super().__init__(scope, construct_id)
        source = aws_s3_assets.Asset(
            self, "Source", path=str(project), exclude=docker_ignores(project), ignore_mode=IgnoreMode.DOCKER
        )
        self.repository = aws_ecr.Repository(
            self,
            "Repository",
            image_scan_on_push=True,
            image_tag_mutability=aws_ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[aws_ecr.LifecycleRule(max_image_count=KEPT_IMAGES)],
            empty_on_delete=True,
            removal_policy=RemovalPolicy.DESTROY,  # whatever else is kept: a build brings it back
        )
        builder = Builder(self, "Builder", source=source, repository=self.repository, platform=platform)
        built = ImageBuilt(
            self,
            "Built",
            project=builder.project,
            repository=self.repository,
            tag=source.asset_hash,
            max_build=MAX_BUILD,
        )
        built.resource.node.add_dependency(builder)  # on its role's policy too: a build of before may do nothing
        self.tag = built.tag
        """A token: whoever runs the image waits for it."""


def docker_ignores(project: Path) -> list[str]:
    """Read what is no part of the image; docker always takes the Dockerfile, so it is kept."""
    lines = (project / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [*(line for line in lines if line and not line.startswith("#")), "!Dockerfile"]


class Builder(Construct):
    """Runs docker on the source and pushes; its role may do that and write its log."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: aws_s3_assets.Asset,
        repository: aws_ecr.IRepository,
        platform: str,
    ) -> None:
        """Make project, role and log group."""
        super().__init__(scope, construct_id)
        logs = aws_logs.LogGroup(self, "Logs", retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY)
        role = aws_iam.Role(self, "Role", assumed_by=aws_iam.ServicePrincipal("codebuild.amazonaws.com"))
        logs.grant_write(role)
        allow(role, _PUSH, on=[repository.repository_arn])
        allow(role, ["ecr:GetAuthorizationToken"], on=["*"], because="It knows no resources.")
        allow(
            role,
            ["s3:GetObject", "s3:GetObjectVersion"],
            on=[source.bucket.arn_for_objects(source.s3_object_key)],
        )
        allow(role, ["s3:GetBucketAcl", "s3:GetBucketLocation"], on=[source.bucket.bucket_arn])
        variables = {
            "REPOSITORY": repository.repository_uri,
            "TAG": source.asset_hash,
            "PLATFORM": platform,
            "COPIES": AMAZONS_COPIES,
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # with them it pushes an index, which Lambda refuses
        }
        self.project = aws_codebuild.Project(
            self,
            "Project",
            description="Builds the container image that Batch and the Lambdas run",
            source=aws_codebuild.Source.s3(bucket=source.bucket, path=source.s3_object_key),
            role=role.without_policy_updates(),  # the CDK would grant more
            environment=aws_codebuild.BuildEnvironment(
                build_image=aws_codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
                compute_type=aws_codebuild.ComputeType.SMALL,
                privileged=True,
            ),
            environment_variables={
                name: aws_codebuild.BuildEnvironmentVariable(value=value) for name, value in variables.items()
            },
            build_spec=aws_codebuild.BuildSpec.from_object(
                {"version": "0.2", "phases": {"build": {"on-failure": "ABORT", "commands": list(COMMANDS)}}}
            ),
            logging=aws_codebuild.LoggingOptions(
                cloud_watch=aws_codebuild.CloudWatchLoggingOptions(log_group=logs),
            ),
            timeout=MAX_BUILD,
        )
        acknowledge(
            self.project,
            {
                "AwsSolutions-CB3": "docker in a build needs it; the machine is thrown away after the build.",
                "AwsSolutions-CB4": "There are no artifacts: the image goes to the repository, and is encrypted there.",
            },
        )
