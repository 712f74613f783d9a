"""The image in the template: one for all, built by docker here or by CodeBuild there."""

import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aws_cdk import App, Stack, aws_iam, aws_lambda

from batch_job.settings import Build
from infra.parts.cloud_build import AMAZONS_COPIES, KEPT_IMAGES
from infra.parts.image import Image
from infra.parts.image_built import HANDLER
from infra.parts.job import Job
from tests.unit.infra.small import KEPT, findings, properties, resources, spelled, statements, template_of

MAX_INLINE_CHARS = 4096
"""Lambda's limit for code that stands in a template."""
HANDLERS = {"lambdas.plan_inventory.handler", "lambdas.on_object.handler"}


def build(stack, *, by):
    image = Image(stack, "Image", build=by)
    for handler in sorted(HANDLERS):
        role = aws_iam.Role(stack, f"Role {handler}", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        aws_lambda.DockerImageFunction(stack, handler, code=image.code(handler), role=role)
    worker = aws_iam.Role(stack, "Worker", assumed_by=aws_iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    Job(stack, "Job", name="x-backfill", image=image.container, role=worker, environment={}, **KEPT)


here = partial(build, by=Build.LOCAL)
there = partial(build, by=Build.CODEBUILD)
ways = pytest.mark.parametrize("variant", [here, there])


def images(template):
    """What Lambdas and jobs are told to run."""
    lambdas = [one["Code"]["ImageUri"] for one in properties(template, "AWS::Lambda::Function") if "ImageConfig" in one]
    [job] = properties(template, "AWS::Batch::JobDefinition")
    return {spelled(one) for one in [*lambdas, job["ContainerProperties"]["Image"]]}


def files(variant):
    """The folder that is built, by what stands in it."""
    with TemporaryDirectory() as folder:
        app = App(analytics_reporting=False, outdir=folder)
        variant(Stack(app, "Small"))
        app.synth()
        [source] = [one for one in Path(folder).glob("asset.*") if (one / "Dockerfile").exists()]
        return {str(one.relative_to(source)) for one in source.rglob("*") if one.is_file()}


@ways
def test_batch_and_every_lambda_run_one_image(variant):
    assert len(images(template_of(variant))) == 1


@ways
def test_lambdas_differ_in_their_handler_alone(variant):
    configured = [
        one["ImageConfig"] for one in properties(template_of(variant), "AWS::Lambda::Function") if "ImageConfig" in one
    ]
    assert {tuple(one["EntryPoint"]) for one in configured} == {("python", "-m", "awslambdaric")}
    assert {one["Command"][0] for one in configured} == HANDLERS


@ways
def test_nothing_but_what_is_in_the_image_is_built_from(variant):
    found = files(variant)
    wanted = {"Dockerfile", "batch_job", "lambdas", "requirements-image.lock"}
    assert {one.partition("/")[0] for one in found} - {".dockerignore"} == wanted
    assert not [one for one in found if one.startswith("batch_job/cli/") or "__pycache__" in one]
    assert {"batch_job/__main__.py", "batch_job/py.typed", "lambdas/on_object.py"} <= found
    assert any(one.endswith(".ndjson") for one in found)


def test_docker_builds_for_the_processors_that_lambda_and_fargate_have():
    with TemporaryDirectory() as folder:
        app = App(analytics_reporting=False, outdir=folder)
        here(Stack(app, "Small"))
        app.synth()
        assets = json.loads((Path(folder) / "Small.assets.json").read_text())
    [image] = assets["dockerImages"].values()
    assert image["source"]["platform"] == "linux/amd64"


@ways
def test_cdk_nag_finds_nothing(variant):
    assert findings(variant) == []


def test_docker_here_leaves_no_trace_in_the_stack():
    kinds = {one["Type"] for one in template_of(here).to_json()["Resources"].values()}
    assert not {kind for kind in kinds if "ECR" in kind or "CodeBuild" in kind or kind.startswith("Custom")}


class TestCodeBuild:
    """The image built during the deployment."""

    template = property(lambda _self: template_of(there))

    def test_images_are_scanned_kept_for_a_rollback_and_go_with_the_stack(self):
        [one] = resources(self.template, "AWS::ECR::Repository")
        held = one["Properties"]
        assert one["DeletionPolicy"] == "Delete"
        assert held["EmptyOnDelete"] is True
        assert held["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert held["ImageTagMutability"] == "IMMUTABLE"
        [rule] = json.loads(held["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert rule["selection"]["countNumber"] == KEPT_IMAGES > 1

    def test_the_tag_names_the_content_and_whoever_runs_it_waits_for_the_build(self):
        [(name, built)] = self.template.find_resources("Custom::ContainerImage").items()
        [project] = properties(self.template, "AWS::CodeBuild::Project")
        variables = {one["Name"]: one["Value"] for one in project["Environment"]["EnvironmentVariables"]}
        assert built["Properties"]["Tag"] == variables["TAG"]
        assert len(variables["TAG"]) == 64
        assert spelled(project["Source"]["Location"]).endswith(f"/{variables['TAG']}.zip")
        [image] = images(self.template)
        assert image.endswith(f":<{name}.Tag>")

    def test_no_build_starts_before_it_may_do_its_work(self):
        [built] = resources(self.template, "Custom::ContainerImage")
        [project] = properties(self.template, "AWS::CodeBuild::Project")
        policies = {
            name
            for name, policy in self.template.find_resources("AWS::IAM::Policy").items()
            if f"<{policy['Properties']['Roles'][0]['Ref']}.Arn>" == spelled(project["ServiceRole"])
        }
        assert len(policies) == 1
        assert policies <= set(built["DependsOn"])

    def test_the_base_comes_from_amazons_copies_and_the_image_is_no_index(self):
        [project] = properties(self.template, "AWS::CodeBuild::Project")
        variables = {one["Name"]: one["Value"] for one in project["Environment"]["EnvironmentVariables"]}
        assert variables["COPIES"] == AMAZONS_COPIES
        assert variables["PLATFORM"] == "linux/amd64"
        assert variables["BUILDX_NO_DEFAULT_ATTESTATIONS"] == "1"
        assert project["Environment"]["PrivilegedMode"] is True

    def test_a_command_that_fails_ends_the_build(self):
        [project] = properties(self.template, "AWS::CodeBuild::Project")
        phase = json.loads(project["Source"]["BuildSpec"])["phases"]["build"]
        assert phase["on-failure"] == "ABORT"
        assert phase["commands"][-1].startswith("docker push ")

    def test_the_builder_may_push_to_this_repository_and_write_its_log(self):
        [(name, _)] = self.template.find_resources("AWS::ECR::Repository").items()
        pushing = [one for one in statements(self.template) if "ecr:PutImage" in one["Action"]]
        assert [spelled(one["Resource"]) for one in pushing] == [f"<{name}.Arn>"]
        actions = {
            action
            for one in statements(self.template)
            for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        }
        assert not [action for action in actions if "*" in action]
        assert not actions & {"logs:CreateLogGroup", "s3:PutObject", "codebuild:CreateReport"}

    def test_whoever_starts_a_build_starts_no_other_project(self):
        [(name, _)] = self.template.find_resources("AWS::CodeBuild::Project").items()
        found = [one for one in statements(self.template) if "codebuild:" in spelled(one["Action"])]
        assert {spelled(one["Action"]) for one in found} == {"codebuild:StartBuild", "codebuild:BatchGetBuilds"}
        assert {spelled(one["Resource"]) for one in found} == {f"<{name}.Arn>"}

    def test_the_handler_needs_no_image(self):
        text = HANDLER.read_text(encoding="utf-8")
        assert len(text) < MAX_INLINE_CHARS
        inline = [one for one in properties(self.template, "AWS::Lambda::Function") if "ZipFile" in one["Code"]]
        assert {one["Handler"] for one in inline} == {"index.on_event", "index.is_complete"}
        assert {one["Code"]["ZipFile"] for one in inline} == {text}
