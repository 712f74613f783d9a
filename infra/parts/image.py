"""The one container image of Batch and of all Lambdas: built by docker here, or by CodeBuild there."""

from pathlib import Path

from aws_cdk import aws_ecr, aws_ecr_assets, aws_ecs, aws_lambda
from constructs import Construct

from batch_job.settings import Build
from infra.parts.cloud_build import CloudBuild

PROJECT = Path(__file__).parents[2]
"""Where the Dockerfile stands; its ``.dockerignore`` says what the image, and so its tag, depends on."""
PLATFORM = aws_ecr_assets.Platform.LINUX_AMD64
"""Of Fargate and Lambda as the stack asks for them; what builds on another machine must build for it too."""
LAMBDA_ENTRYPOINT = ("python", "-m", "awslambdaric")


class Image(Construct):
    """Gives the image to whoever runs it; all run the same."""

    def __init__(self, scope: Construct, construct_id: str, *, build: Build) -> None:
        """Make what builds it: nothing of the stack's with docker, a project and a repository with CodeBuild."""
        super().__init__(scope, construct_id)
        self._repository, self._tag = _BUILDS[build](self)

    @property
    def container(self) -> aws_ecs.ContainerImage:
        """For a Batch job; its command is ``TASK WHAT``."""
        return aws_ecs.ContainerImage.from_ecr_repository(self._repository, self._tag)

    def code(self, handler: str) -> aws_lambda.DockerImageCode:
        """For a Lambda.

        Args:
            handler: ``lambdas.NAME.handler``.
        """
        return aws_lambda.DockerImageCode.from_ecr(
            self._repository, tag_or_digest=self._tag, entrypoint=list(LAMBDA_ENTRYPOINT), cmd=[handler]
        )


def _build_here(scope: Construct) -> tuple[aws_ecr.IRepository, str]:
    """The CDK's command line builds it before it deploys; synthesis needs no docker."""
    asset = aws_ecr_assets.DockerImageAsset(scope, "Asset", directory=str(PROJECT), platform=PLATFORM)
    return asset.repository, asset.image_tag


def _build_there(scope: Construct) -> tuple[aws_ecr.IRepository, str]:
    build = CloudBuild(scope, "CloudBuild", project=PROJECT, platform="linux/amd64")
    return build.repository, build.tag


_BUILDS = {Build.LOCAL: _build_here, Build.CODEBUILD: _build_there}
