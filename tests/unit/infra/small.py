"""One part at a time in a stack of its own: synthesised in a second, without assets."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws_cdk import App, RemovalPolicy, Stack, Validations, aws_ecr, aws_lambda, aws_logs
from aws_cdk.assertions import Template
from cdk_nag import AwsSolutionsChecks

MONTH = aws_logs.RetentionDays.ONE_MONTH
KEPT = {"log_retention": MONTH, "removal": RemovalPolicy.RETAIN}
Build = Callable[[Stack], Any]


def code(stack: Stack) -> aws_lambda.DockerImageCode:
    repository = aws_ecr.Repository.from_repository_name(stack, "Repository", "images")
    return aws_lambda.DockerImageCode.from_ecr(repository, tag_or_digest="1")


@cache
def template_of(build: Build) -> Template:
    stack = Stack(App(analytics_reporting=False), "Small")
    build(stack)
    return Template.from_stack(stack)


def findings(build: Build) -> list[str]:
    """What cdk-nag has against a part, and nobody has answered."""
    with TemporaryDirectory() as folder:
        app = App(analytics_reporting=False, outdir=folder)
        build(Stack(app, "Small"))
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        try:
            app.synth()
        except RuntimeError:
            report = json.loads((Path(folder) / "validation-report.json").read_text())
            return [one["ruleName"] for plugin in report["pluginReports"] for one in plugin["violations"]]
        return []


def resources(template: Template, kind: str) -> list[dict[str, Any]]:
    """Whole resources of a type."""
    return list(template.find_resources(kind).values())


def properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [one.get("Properties", {}) for one in resources(template, kind)]


def statements(template: Template, kind: str = "AWS::IAM::Policy") -> list[dict[str, Any]]:
    """All statements of all policies of a type."""
    return [one for policy in properties(template, kind) for one in policy["PolicyDocument"]["Statement"]]


def spelled(value: Any) -> str:
    """Flatten what a template says to a text: references by the names of what they mean."""
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(spelled, parts))
        case list():
            return " ".join(map(spelled, value))
    return str(value)
