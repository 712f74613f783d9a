"""The stack as a whole."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, aws_sqs

from batch_job.adapters.dynamodb import PARTITION_KEY
from batch_job.settings import Output
from infra.app import build
from tests import golden_files
from tests.unit.infra.conftest import context
from tests.unit.infra.reading import BROUGHT, CHANGED, VARIANTS, reference, resources

HASH = re.compile(r"[0-9a-f]{64}")
REVISION = re.compile(r"([0-9a-f]{16}-){2}[0-9a-f]{16}")


def test_nothing_that_costs_by_the_hour_stands_before_the_network(template_json: Any) -> None:
    template = template_json()
    assert not resources(template, "AWS::EC2::NatGateway")
    assert not resources(template, "AWS::EC2::EIP")
    subnets = resources(template, "AWS::EC2::Subnet")
    assert len(subnets) >= 2
    assert all(one["MapPublicIpOnLaunch"] for one in subnets.values())


def test_buckets_and_table_are_reached_inside_the_network(template_json: Any) -> None:
    endpoints = resources(template_json(), "AWS::EC2::VPCEndpoint").values()
    assert {one["VpcEndpointType"] for one in endpoints} == {"Gateway"}
    services = sorted(one["ServiceName"]["Fn::Join"][1][-1] for one in endpoints)
    assert services == [".dynamodb", ".s3"]


def test_nothing_may_connect_to_a_job_and_a_job_speaks_https_alone(template_json: Any) -> None:
    template = template_json()
    (group,) = resources(template, "AWS::EC2::SecurityGroup").values()
    assert "SecurityGroupIngress" not in group
    assert not resources(template, "AWS::EC2::SecurityGroupIngress")
    assert [(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in group["SecurityGroupEgress"]] == [
        ("tcp", 443, 443)
    ]


def test_the_budgets_table_has_the_key_that_workers_use(template_json: Any) -> None:
    template = template_json()
    table = resources(template, "AWS::DynamoDB::Table")[reference(template["Outputs"]["BudgetTable"]["Value"])]
    assert table["KeySchema"] == [{"AttributeName": PARTITION_KEY, "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": PARTITION_KEY, "AttributeType": "S"}]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


@pytest.mark.parametrize("settings", VARIANTS)
def test_every_output_is_there_under_its_own_name(template_json: Any, settings: dict[str, Any]) -> None:
    outputs = template_json(**settings)["Outputs"]
    assert set(outputs) == {one.value for one in Output}
    assert all(one["Description"] and one["Value"] for one in outputs.values())


MADE = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::OpenSearchService::Domain", "AWS::Cognito::UserPool")


# the first is that of what stays, unless it was made by a deployment that failed
@pytest.mark.parametrize(("settings", "policy"), [({}, "RetainExceptOnCreate"), (CHANGED, "Delete")])
def test_what_the_stack_made_stays_or_goes_as_set(template_json: Any, settings: dict[str, Any], policy: str) -> None:
    found = [one for one in template_json(**settings)["Resources"].values() if one["Type"] in MADE]
    policies = [one["DeletionPolicy"] for one in found if one["Properties"].get("BucketName") != "my-imagery"]
    assert policies == [policy] * 5


@pytest.mark.parametrize("settings", [CHANGED, BROUGHT])
def test_imagery_stays_whatever_is_set(template_json: Any, settings: dict[str, Any]) -> None:
    found = template_json(**settings)["Resources"].values()
    (imagery,) = [one for one in found if one.get("Properties", {}).get("BucketName") == "my-imagery"]
    assert (imagery["DeletionPolicy"], imagery["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_log_groups_never_keep_for_ever(template_json: Any) -> None:
    groups = resources(template_json(), "AWS::Logs::LogGroup").values()
    assert len(list(groups)) >= 6
    assert all(one["RetentionInDays"] == 30 for one in groups)


def test_resources_are_tagged_with_the_deployment(template_json: Any) -> None:
    buckets = resources(template_json(**CHANGED), "AWS::S3::Bucket").values()
    assert all({"Key": "imagery-backfill:stack", "Value": "Two"} in one["Tags"] for one in buckets)


def revision(template: Any) -> str:
    """What runs the search set-up, and so the workers' revision, when it changes."""
    (made,) = resources(template, "Custom::SetUpSearch").values()
    text: str = made["Revision"]
    return text


def test_the_settings_revision_grows_with_fingerprints_and_with_nothing_else(template_json: Any) -> None:
    assert revision(template_json(**BROUGHT)) == revision(template_json())
    assert revision(template_json(**CHANGED)) != revision(template_json())


def test_a_finding_of_cdk_nag_that_nobody_explained_stops_the_synthesis(tmp_path: Path) -> None:
    app = App(context=context(), outdir=str(tmp_path), analytics_reporting=False)
    aws_sqs.Queue(build(app), "Careless")
    with pytest.raises(RuntimeError, match="AwsSolutions-SQS3"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    found = {one["ruleName"] for plugin in report["pluginReports"] for one in plugin["violations"]}
    assert {"AwsSolutions-SQS3", "AwsSolutions-SQS4"} <= found


def test_cfn_lint_has_nothing_to_say(template_json: Any, tmp_path: Path) -> None:
    files = [tmp_path / "default.template.json", tmp_path / "changed.template.json"]
    for file, settings in zip(files, ({}, CHANGED), strict=True):
        file.write_text(json.dumps(template_json(**settings)), encoding="utf-8")
    # W3005: the CDK says dependencies that references say already
    argv = [str(Path(sys.executable).parent / "cfn-lint"), "-i", "W3005", "-t", *map(str, files)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("", 0)


def normalised(value: Any) -> Any:
    """Leave out what changes with every edit of the code, and other people's code."""
    match value:
        case dict():
            return {name: "<code>" if name == "ZipFile" else normalised(one) for name, one in value.items()}
        case list():
            return [normalised(one) for one in value]
        case str():
            return REVISION.sub("<revision>", HASH.sub("<hash>", value))
    return value


def test_the_template_is_as_it_was_looked_at(template_json: Any) -> None:
    golden_files.check(golden_files.GOLDEN / "infra" / "template", normalised(template_json()))
