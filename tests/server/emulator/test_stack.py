import json

import pytest
from botocore.exceptions import ClientError

from tests.server.emulator.conftest import DEFINITION, template

pytestmark = pytest.mark.server


def test_an_image_function_runs_the_handler_that_its_command_names(aws, stack):
    answer = aws("lambda").invoke(FunctionName=stack["Function"], Payload=json.dumps({"a": 1}))
    assert json.loads(answer["Payload"].read()) == {
        "told": {"a": 1},
        "variable": "template",
        "given": "by the starter",
    }


def test_messages_reach_the_function_and_only_what_it_hands_back_stays(aws, stack, until):
    sqs, s3 = aws("sqs"), aws("s3")
    sqs.set_queue_attributes(QueueUrl=stack["Messages"], Attributes={"VisibilityTimeout": "20"})
    for body in ("one", "poison", "two"):
        sqs.send_message(QueueUrl=stack["Messages"], MessageBody=body)
    until(lambda: s3.list_objects_v2(Bucket=stack["Bucket"], Prefix="seen/")["KeyCount"] == 2)

    def left():
        asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = sqs.get_queue_attributes(QueueUrl=stack["Messages"], AttributeNames=asked)["Attributes"]
        return sum(map(int, told.values()))

    until(lambda: left() == 1)
    sqs.purge_queue(QueueUrl=stack["Messages"])


def test_a_template_s_inventory_is_the_bucket_s(aws, stack):
    (found,) = aws("s3").list_bucket_inventory_configurations(Bucket=stack["Bucket"])["InventoryConfigurationList"]
    assert found == {
        "Id": "daily",
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["Size", "ETag"],
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::elsewhere", "Format": "CSV", "Prefix": "inv"}},
    }


def test_a_definition_keeps_all_that_the_template_says(aws, stack):
    (found,) = aws("batch").describe_job_definitions(jobDefinitions=[stack["Definition"]])["jobDefinitions"]
    assert found["retryStrategy"]["evaluateOnExit"][0] == {"onExitCode": "75", "action": "RETRY"}
    assert found["platformCapabilities"] == ["FARGATE"]
    assert found["tags"] == {"Owner": "tests"}
    assert found["parameters"] == {"word": "from the definition"}
    options = found["containerProperties"]["logConfiguration"]["options"]
    assert options == {"awslogs-group": "/jobs", "awslogs-stream-prefix": "job"}


def test_the_environment_s_ceiling_is_the_template_s(aws, stack):
    asked = {"computeEnvironments": [stack["Environment"]]}
    (found,) = aws("batch").describe_compute_environments(**asked)["computeEnvironments"]
    assert found["computeResources"]["maxvCpus"] == 3


def test_a_budget_is_made(aws, stack):
    found = aws("budgets").describe_budget(AccountId="000000000000", BudgetName=stack["Budget"])["Budget"]
    assert found["BudgetLimit"]["Unit"] == "USD"


def test_an_update_makes_a_revision_and_a_deletion_leaves_nothing(aws, deploy):
    batch, cloudformation = aws("batch"), aws("cloudformation")
    body = {"Resources": {}, "Outputs": {}}
    for name in ("Environment", "Queue", "Definition"):
        body["Resources"][name] = template()["Resources"][name]
        body["Outputs"][name] = {"Value": {"Ref": name}}
    first = deploy("other", body)
    body["Resources"]["Definition"]["Properties"] = {**DEFINITION, "Timeout": {"AttemptDurationSeconds": 600}}
    body["Resources"]["Environment"]["Properties"]["ComputeResources"]["MaxvCpus"] = 5
    second = deploy("other", body, kind="update")
    assert second["Environment"] == first["Environment"]
    assert second["Definition"].endswith(":2")
    asked = [first["Definition"], second["Definition"]]
    old, new = batch.describe_job_definitions(jobDefinitions=asked)["jobDefinitions"]
    assert (old["status"], new["status"], new["timeout"]) == ("INACTIVE", "ACTIVE", {"attemptDurationSeconds": 600})
    with pytest.raises(ClientError, match="no active job definition"):
        batch.submit_job(jobName="x", jobQueue=first["Queue"], jobDefinition=first["Definition"])
    cloudformation.delete_stack(StackName="other")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="other", WaiterConfig={"Delay": 1})
    assert batch.describe_job_queues(jobQueues=[first["Queue"]])["jobQueues"] == []
    assert batch.describe_compute_environments(computeEnvironments=[first["Environment"]])["computeEnvironments"] == []


def test_an_unknown_type_is_refused_by_name(aws, deploy):
    with pytest.raises((ClientError, AssertionError), match="AWS::Batch::SchedulingPolicy"):
        deploy("refused", {"Resources": {"A": {"Type": "AWS::Batch::SchedulingPolicy"}}, "Outputs": {}})
