"""Who may do what: written out for each role, and what no role may."""

from typing import Any

import pytest

from tests import golden_files
from tests.unit.infra.reading import CHANGED, allowed, function_of, job_of, reference, resources

ROLES = {
    "backfill-job": lambda template: reference(
        job_of(template, "ImageryBackfill-backfill")["ContainerProperties"]["JobRoleArn"]
    ),
    "live-job": lambda template: reference(
        job_of(template, "ImageryBackfill-live")["ContainerProperties"]["JobRoleArn"]
    ),
    "planner": lambda template: reference(function_of(template, "lambdas.plan_inventory.handler")[1]["Role"]),
    "live": lambda template: reference(function_of(template, "lambdas.on_object.handler")[1]["Role"]),
    "operator": lambda template: reference(template["Outputs"]["OperatorRole"]["Value"]),
}
EVERYWHERE = {
    "rekognition:DetectLabels",
    "lambda:ListEventSourceMappings",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ecr:GetAuthorizationToken",
}
"""Actions that know no resources."""


def test_each_role_may_do_what_is_written_here_and_no_more(template_json: Any) -> None:
    template = template_json()
    rights: dict[str, dict[str, list[str]]] = {}
    for name, find in ROLES.items():
        by_action: dict[str, list[str]] = {}
        for action, resource in sorted(allowed(template, find(template))):
            by_action.setdefault(action, []).append(resource)
        rights[name] = by_action
    golden_files.check(golden_files.GOLDEN / "infra" / "rights", rights)


def test_no_action_of_ours_is_a_wildcard_and_few_are_allowed_everywhere(template_json: Any) -> None:
    template = template_json()
    for role in resources(template, "AWS::IAM::Role"):
        for action, resource in allowed(template, role):
            if "CustomResourceProvider" in role:
                continue
            assert "*" not in action, (role, action)
            assert resource != "*" or action in EVERYWHERE, (role, action)


def test_the_keys_of_the_bucket_are_used_by_whoever_reads_it(template_json: Any) -> None:
    template = template_json(**CHANGED)
    using = {
        role
        for role in resources(template, "AWS::IAM::Role")
        if ("kms:Decrypt", CHANGED["bucket_kms_key_arns"]) in allowed(template, role)
    }
    jobs = (job_of(template, f"Two-{lane}")["ContainerProperties"]["JobRoleArn"] for lane in ("backfill", "live"))
    assert using == {*map(reference, jobs), *(ROLES[name](template) for name in ("live", "operator"))}


def test_the_dem_is_read_by_whoever_places_images_and_nothing_beside_it(template_json: Any) -> None:
    template = template_json(**CHANGED)
    dem = {
        role: {(action, resource) for action, resource in allowed(template, role) if ":s3:::maps" in resource}
        for role in resources(template, "AWS::IAM::Role")
    }
    jobs = (job_of(template, f"Two-{lane}")["ContainerProperties"]["JobRoleArn"] for lane in ("backfill", "live"))
    readers = {*map(reference, jobs), ROLES["live"](template)}
    right = ("s3:GetObject", "arn:<AWS::Partition>:s3:::maps/heights/europe.tif")
    assert {role: rights for role, rights in dem.items() if rights} == {role: {right} for role in readers}


@pytest.mark.parametrize("name", list(ROLES))
def test_nobody_may_change_or_delete_imagery(template_json: Any, name: str) -> None:
    template = template_json()
    imagery = [
        action for action, resource in allowed(template, ROLES[name](template)) if ":s3:::my-imagery" in resource
    ]
    assert set(imagery) <= {"s3:GetObject", "s3:ListBucket"}


def test_only_workers_may_write_to_the_index(template_json: Any) -> None:
    template = template_json()
    (asked,) = resources(template, "Custom::SetUpSearch").values()
    roles = {kind: {reference(one) for one in asked[kind]} for kind in ("Writers", "Readers")}
    assert roles == {
        "Writers": {ROLES[name](template) for name in ("backfill-job", "live-job", "live")},
        "Readers": {ROLES[name](template) for name in ("planner", "operator")},
    }


def test_jobs_are_submitted_to_the_own_lane_alone(template_json: Any) -> None:
    template = template_json()
    for name, lane, other in (("planner", "backfill", "live"), ("live", "live", "backfill")):
        on = [text for action, text in allowed(template, ROLES[name](template)) if action == "batch:SubmitJob"]
        ours = f"job-definition/ImageryBackfill-{lane}"
        assert {text.partition(":job-definition/")[2] for text in on if "job-definition" in text} == {
            ours.partition("/")[2],
            f"{ours.partition('/')[2]}:*",
        }
        assert not any(f"-{other}" in text for text in on)


def test_the_operators_role_is_open_to_this_account_alone(template_json: Any) -> None:
    template = template_json()
    role = resources(template, "AWS::IAM::Role")[ROLES["operator"](template)]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert ":iam::" in str(statement["Principal"]["AWS"])
    assert "AWS::AccountId" in str(statement["Principal"]["AWS"])


def test_workers_roles_have_no_managed_policies(template_json: Any) -> None:
    template = template_json()
    roles = resources(template, "AWS::IAM::Role")
    assert not any("ManagedPolicyArns" in roles[find(template)] for find in ROLES.values())


def test_a_run_is_begun_by_the_planner_alone(template_json: Any) -> None:
    template = template_json()
    beginning = {("s3:PutObject", "/active/*"), ("batch:CancelJob", ":job/*"), ("sqs:SendMessage", "<PlanQueue")}

    def begins(role: str) -> set[tuple[str, str]]:
        granted = allowed(template, ROLES[role](template))
        return {(one, end) for one, end in beginning if any(one == action and end in on for action, on in granted)}

    assert {role: begins(role) for role in ROLES if begins(role)} == {"planner": beginning}


def test_the_operator_writes_what_steers_and_no_more(template_json: Any) -> None:
    template = template_json()
    written = {
        (action.removeprefix("s3:"), on.rpartition(">/")[2])
        for action, on in allowed(template, ROLES["operator"](template))
        if action in ("s3:PutObject", "s3:DeleteObject")
    }
    assert written == {
        ("PutObject", "runs/*"),
        ("PutObject", "control/*"),
        ("DeleteObject", "control/*"),
        ("PutObject", "listings/*"),
    }
