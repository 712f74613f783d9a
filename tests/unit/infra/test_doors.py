"""The two ways in: what starts them, and what becomes of what cannot be taken."""

from typing import Any

import pytest

from tests.unit.infra.reading import CHANGED, allowed, function_of, reference, resources

PLAN, LIVE = "lambdas.plan_inventory.handler", "lambdas.on_object.handler"
DOORS = pytest.mark.parametrize(("handler", "output"), [(PLAN, "PlanQueueUrl"), (LIVE, "LiveQueueUrl")])


def rule_before(template: Any, queue: str) -> dict[str, Any]:
    """The rule whose target is a queue."""
    found = [
        rule
        for rule in resources(template, "AWS::Events::Rule").values()
        if any(target["Arn"].get("Fn::GetAtt", [""])[0] == queue for target in rule["Targets"])
    ]
    assert len(found) == 1
    return found[0]


def source_of(template: Any, handler: str) -> dict[str, Any]:
    """The event source of a function."""
    function, _ = function_of(template, handler)
    found = [
        one
        for one in resources(template, "AWS::Lambda::EventSourceMapping").values()
        if reference(one["FunctionName"]) == function
    ]
    assert len(found) == 1
    return found[0]


@DOORS
def test_a_queue_stands_before_each_function(template_json: Any, handler: str, output: str) -> None:
    template = template_json()
    source, queue = source_of(template, handler), reference(template["Outputs"][output]["Value"])
    assert reference(source["EventSourceArn"]) == queue
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"]["MaximumConcurrency"] >= 2
    assert source.get("Enabled", True)


@DOORS
def test_messages_come_alone_as_each_may_take_minutes(template_json: Any, handler: str, output: str) -> None:
    assert source_of(template_json(), handler)["BatchSize"] == 1


@DOORS
def test_nobody_else_takes_a_message_while_it_is_worked_on(template_json: Any, handler: str, output: str) -> None:
    template = template_json()
    queue = resources(template, "AWS::SQS::Queue")[reference(template["Outputs"][output]["Value"])]
    assert queue["VisibilityTimeout"] > function_of(template, handler)[1]["Timeout"]


@pytest.mark.parametrize("door", ["Plan", "Live"])
def test_what_cannot_be_taken_or_delivered_is_kept_for_two_weeks(template_json: Any, door: str) -> None:
    template = template_json()
    queues = resources(template, "AWS::SQS::Queue")
    queue_id, dead_id = (
        reference(template["Outputs"][f"{door}{kind}Url"]["Value"]) for kind in ("Queue", "DeadLetters")
    )
    redrive = queues[queue_id]["RedrivePolicy"]
    assert reference(redrive["deadLetterTargetArn"]) == dead_id
    assert redrive["maxReceiveCount"] >= 5
    assert queues[dead_id]["MessageRetentionPeriod"] == 14 * 86_400
    target = rule_before(template, queue_id)["Targets"][0]
    assert reference(target["DeadLetterConfig"]["Arn"]) == dead_id


def test_queues_are_encrypted_and_refuse_plain_http(template_json: Any) -> None:
    template = template_json()
    queues = resources(template, "AWS::SQS::Queue")
    assert len(queues) == 4
    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    refusing = {
        reference(queue)
        for policy in resources(template, "AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
        for one in policy["PolicyDocument"]["Statement"]
        if one["Effect"] == "Deny" and one.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    }
    assert refusing == set(queues)


def test_the_planner_starts_when_a_reports_checksum_is_there(template_json: Any) -> None:
    template = template_json()
    pattern = rule_before(template, reference(template["Outputs"]["PlanQueueUrl"]["Value"]))["EventPattern"]
    reports = template["Outputs"]["ReportsBucket"]["Value"]
    assert pattern == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [reports]}, "object": {"key": [{"suffix": "manifest.checksum"}]}},
    }
    bucket = resources(template, "AWS::S3::Bucket")[reference(reports)]
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


@pytest.mark.parametrize("settings", [{}, CHANGED])
def test_the_live_path_takes_what_changes_an_image(template_json: Any, settings: dict[str, Any]) -> None:
    template = template_json(**settings)
    pattern = rule_before(template, reference(template["Outputs"]["LiveQueueUrl"]["Value"]))["EventPattern"]
    assert pattern["source"] == ["aws.s3"]
    assert set(pattern["detail-type"]) == {"Object Created", "Object Deleted", "Object Restore Completed"}
    assert pattern["detail"] == {"bucket": {"name": [template["Outputs"]["ImageryBucket"]["Value"]]}}


@DOORS
def test_a_function_may_shut_its_own_door_alone(template_json: Any, handler: str, output: str) -> None:
    template = template_json()
    _, function = function_of(template, handler)
    rights = allowed(template, reference(function["Role"]))
    updated = [resource for action, resource in rights if action == "lambda:UpdateEventSourceMapping"]
    assert len(updated) == 1
    sources = resources(template, "AWS::Lambda::EventSourceMapping")
    own = next(name for name, one in sources.items() if one == source_of(template, handler))
    assert own in updated[0]


@DOORS
def test_its_log_forgets(template_json: Any, handler: str, output: str) -> None:
    template = template_json(**CHANGED)
    _, function = function_of(template, handler)
    group = resources(template, "AWS::Logs::LogGroup")[reference(function["LoggingConfig"]["LogGroup"])]
    assert group["RetentionInDays"] == 7
    assert function["ImageConfig"]["EntryPoint"] == ["python", "-m", "awslambdaric"]
