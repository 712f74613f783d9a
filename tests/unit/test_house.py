"""docs/architecture.md and README: the house as they draw it is the one that stands."""

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEMPLATE = json.loads((ROOT / "tests/golden/infra/template/out.json").read_text(encoding="utf-8"))

NOUNS = {
    "S3 bucket": "AWS::S3::Bucket",
    "EventBridge rule": "AWS::Events::Rule",
    "SQS queue": "AWS::SQS::Queue",
    "event source mapping": "AWS::Lambda::EventSourceMapping",
    "Lambda function": "AWS::Lambda::Function",
    "custom resource": "Custom::",
    "Batch compute environment": "AWS::Batch::ComputeEnvironment",
    "job queue": "AWS::Batch::JobQueue",
    "job definition": "AWS::Batch::JobDefinition",
    "DynamoDB table": "AWS::DynamoDB::Table",
    "OpenSearch domain": "AWS::OpenSearchService::Domain",
    "Cognito user pool": "AWS::Cognito::UserPool",
    "address": "AWS::Cognito::UserPoolDomain",
    "identity pool": "AWS::Cognito::IdentityPool",
    "VPC": "AWS::EC2::VPC",
    "public subnet": "AWS::EC2::Subnet",
    "security group": "AWS::EC2::SecurityGroup",
    "gateway endpoint": "AWS::EC2::VPCEndpoint",
    "alarm": "AWS::CloudWatch::Alarm",
    "SNS topic": "AWS::SNS::Topic",
    "KMS key": "AWS::KMS::Key",
    "log group": "AWS::Logs::LogGroup",
    "IAM role": "AWS::IAM::Role",
}
GLUE = re.compile(
    r"Polic(y|ies)$|Attachment$|Association$|Route$|RouteTable$|InternetGateway$|UserPoolUser$|Subscription$|Permission$"
)
"""What only ties the others together."""


def modules(room: str) -> set[str]:
    return {path.stem for path in (ROOT / "batch_job" / room).glob("[a-z]*.py")}


@pytest.mark.parametrize("room", ["backfill", "wiring"])
def test_every_module_of_the_large_rooms_is_named(room):
    assert {name for name in modules(room) if f"`{name}`" not in PAGE} == set()


def test_every_room_that_is_named_is_there_and_every_room_is_named():
    named = set(re.findall(r"`(batch_job/[\w./]+?)/?`", PAGE.partition("## Who imports whom")[0]))
    assert {name for name in named if not (ROOT / name).exists()} == set()
    rooms = {f"batch_job/{path.name}" for path in (ROOT / "batch_job").glob("[a-z]*/")}
    assert rooms - named == set()


def test_layers_are_those_that_are_held():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ][0]
    held = [[one.strip().removeprefix("batch_job.") for one in layer.split("|")] for layer in contract["layers"]]
    [drawn] = re.findall(r"Imports point down only:\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert [line.partition("─")[0].split() for line in drawn.splitlines()] == held


def test_hooks_are_left_for_the_image_to_name():
    """docs/image.md says so: a variable of the template would go before the image's."""
    assert not re.search("BACKFILL_(AFTER_MERGING|BEFORE_DETECTION)", json.dumps(TEMPLATE))


def test_the_readme_names_what_a_template_makes():
    table = README.partition("### What is created")[2].partition("###")[0]
    said: Counter[str] = Counter()
    for number, noun in re.findall(r"\b(\d+) ([A-Za-z]\w*(?: [a-z]+)*)", table):
        [kind] = [kind for name, kind in NOUNS.items() if re.match(rf"{name}(s|es)?\b", noun)] or [noun]
        said[kind] += int(number)
    types = Counter(one["Type"] for one in TEMPLATE["Resources"].values())
    made = Counter({kind: n for kind, n in types.items() if not GLUE.search(kind) and not kind.startswith("Custom::")})
    made["Custom::"] = sum(n for kind, n in types.items() if kind.startswith("Custom::"))
    said.pop("days", None)
    assert said == made
