import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest

from batch_job.adapters.sqs import SqsMessageQueue
from batch_job.adapters.sqs_depth import SqsQueueDepth
from batch_job.errors import SetUpError
from batch_job.settings import Output
from batch_job.values.queues import Depth, Messages
from batch_job.wiring.memory_operator import memory_deployment
from batch_job.wiring.operator import find_stack, open_operator
from local.emulator import REGION

pytestmark = pytest.mark.server

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


def template(bucket: str) -> dict[str, Any]:
    """A stack with the queues and the role that an operator needs, and an output of every name."""
    queues = (Output.PLAN_QUEUE_URL, Output.PLAN_DEAD_LETTERS_URL, Output.LIVE_QUEUE_URL, Output.LIVE_DEAD_LETTERS_URL)
    resources: dict[str, Any] = {str(queue): {"Type": "AWS::SQS::Queue"} for queue in queues}
    resources["Role"] = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    values: dict[Output, Any] = {
        **{queue: {"Ref": str(queue)} for queue in queues},
        Output.OPERATOR_ROLE: {"Fn::GetAtt": ["Role", "Arn"]},
        Output.IMAGERY_BUCKET: bucket,
        Output.RUNS_URI: f"s3://{bucket}/below",
        Output.INDEX_URL: "http://127.0.0.1:9",
        Output.SETTINGS: memory_deployment().settings,
    }
    outputs = {str(output): {"Value": values.get(output, f"the {output}")} for output in Output}
    return {"Resources": resources, "Outputs": outputs}


@pytest.fixture
def stack(aws: None, s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a stack that stands."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    client = boto3.client("cloudformation", region_name=REGION)
    client.create_stack(StackName=bucket, TemplateBody=json.dumps(template(bucket)))
    client.get_waiter("stack_create_complete").wait(StackName=bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    yield bucket
    client.delete_stack(StackName=bucket)
    client.close()


def test_a_stack_is_found_by_its_name_and_its_role_assumed(stack: str):
    found = find_stack(stack, region=REGION)
    assert (found.deployment.name, found.deployment.region) == (stack, REGION)
    assert found.deployment.runs_uri == f"s3://{stack}/below"
    credentials = found.session.get_credentials().get_frozen_credentials()
    assert credentials.token
    sts = found.session.client("sts")
    assert ":assumed-role/" in sts.get_caller_identity()["Arn"]
    sts.close()


def test_a_stack_that_is_not_there_is_said_to_be_elsewhere(stack: str):
    with pytest.raises(SetUpError, match=f"there is no stack Nobodys in {REGION}, .*--region"):
        find_stack("Nobodys", region=REGION)


def test_messages_of_the_stacks_queues_are_counted(stack: str):
    with open_operator(stack, region=REGION) as operator:
        url = operator.deployment.plan_queue_url
        sqs = boto3.client("sqs", region_name=REGION)
        SqsMessageQueue(sqs, url=url).send(["one", "two", "three"])
        assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
        sqs.close()
        assert operator.depths[Messages.PLAN].depth() == Depth(waiting=2, in_flight=1)
        assert operator.depths[Messages.PLAN_DEAD_LETTERS].depth() == Depth(waiting=0, in_flight=0)


def test_a_queue_that_is_gone_is_said_to_be(stack: str):
    with open_operator(stack, region=REGION) as operator:
        depth = operator.depths[Messages.PLAN]
        assert isinstance(depth, SqsQueueDepth)
        gone = dataclasses.replace(operator.deployment, plan_queue_url=f"{operator.deployment.plan_queue_url}-gone")
        with pytest.raises(SetUpError, match=r"looking at .*-gone \(needs sqs:GetQueueAttributes\): "):
            SqsQueueDepth(depth._client, url=gone.plan_queue_url).depth()


def test_runs_are_listed_with_their_times_and_folders(stack: str):
    with open_operator(stack, region=REGION) as operator:
        for key in ("runs/a/manifest.json", "runs/a/done/x.json", "runs/b/manifest.json", "runs/loose"):
            operator.runs.put(key, b"{}")
        assert list(operator.runs.folders("runs/")) == ["runs/a/", "runs/b/"]
        [listed] = operator.runs.listed("runs/a/done/")
        assert (listed.key, listed.size) == ("runs/a/done/x.json", 2)
        assert listed.last_modified.endswith("Z")
        assert abs(operator.clock.now_ms() - _ms(listed.last_modified)) < 60_000


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000
