"""The live path on the emulator: a world's bucket, rule, queue, function, mapping and Batch queue, by a small template.

What the product's own template says of these is tested in ``tests/unit/infra``; here the parts work together.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from batch_job.settings import JobSettings, LiveSettings
from local.emulator import KEY, REGION
from tests.end_to_end.user import World

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1"
MAX_LIVE_BYTES = 400_000
"""A picture of the usual size is under it."""
MAX_RECEIVES = 20
"""As the product has it."""
WITHIN_S = 60.0


@dataclass(frozen=True)
class Live:
    """A world whose bucket's events are worked on."""

    world: World
    outputs: dict[str, str]
    clients: dict[str, Any]

    def send(self, body: str) -> None:
        """Put a message into the live queue as if a service had."""
        self.clients["sqs"].send_message(QueueUrl=self.outputs["Messages"], MessageBody=body)

    def dead_letters(self) -> int:
        return self._messages("DeadLetters")

    def waiting(self) -> int:
        """How many messages are in the queue, or under way."""
        return self._messages("Messages")

    def is_open(self) -> bool:
        """Tell whether messages are delivered."""
        found = self.clients["lambda"].get_event_source_mapping(UUID=self.outputs["Mapping"])
        return bool(found["State"] == "Enabled")

    def open(self) -> None:
        self.clients["lambda"].update_event_source_mapping(UUID=self.outputs["Mapping"], Enabled=True)

    def jobs(self) -> list[str]:
        """The states of all jobs that were submitted."""
        batch = self.clients["batch"]
        states = ("SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
        found = (batch.list_jobs(jobQueue=self.outputs["Queue"], jobStatus=state) for state in states)
        return [job["status"] for page in found for job in page["jobSummaryList"]]

    def _messages(self, name: str) -> int:
        asked = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        told = self.clients["sqs"].get_queue_attributes(QueueUrl=self.outputs[name], AttributeNames=asked)
        return sum(map(int, told["Attributes"].values()))


def until(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@contextmanager
def live(world: World) -> Iterator[Live]:
    """Deploy the path for a world; its indices must stand."""
    names = ("sqs", "lambda", "batch", "cloudformation")
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
    clients = {
        name: boto3.client(name, endpoint_url=world.s3_endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]
        for name in names
    }
    world.s3.put_bucket_notification_configuration(
        Bucket=world.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    stack = f"live-{world.prefix}"
    cloudformation = clients["cloudformation"]
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template(world)))

    def described() -> dict[str, Any]:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]

    until(lambda: not described()["StackStatus"].endswith("IN_PROGRESS"))
    assert described()["StackStatus"] == "CREATE_COMPLETE", described()
    outputs = {one["OutputKey"]: one["OutputValue"] for one in described()["Outputs"]}
    yield Live(world, outputs, clients)
    cloudformation.delete_stack(StackName=stack)
    for client in clients.values():
        client.close()


def template(world: World) -> dict[str, Any]:
    """The parts of the live path around a bucket that stands."""
    places = {
        "runs_uri": f"s3://{world.archive}/runs-of-all",
        "archive_uri": f"s3://{world.archive}/paid",
        "index_url": world.index_url,
        "index_prefix": world.prefix,
        "detector": f"rekognition@{world.rekognition_url}",
    }
    names = {"live_job_queue": f"live-{world.prefix}", "live_job_definition": f"live-{world.prefix}"}
    door = LiveSettings.load(bucket=world.bucket, max_live_bytes=MAX_LIVE_BYTES, **names, **places)
    job = JobSettings.load(lane="live", **places).to_env()
    del job["BACKFILL_LIVE_QUEUE_URL"]
    variables: dict[str, Any] = {**job, "BACKFILL_LIVE_QUEUE_URL": {"Ref": "Messages"}}
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "DeadLetters": {"Type": "AWS::SQS::Queue"},
        "Messages": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "VisibilityTimeout": 960,
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
                    "maxReceiveCount": MAX_RECEIVES,
                },
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created", "Object Deleted", "Object Restore Completed"],
                    "detail": {"bucket": {"name": [world.bucket]}},
                },
                "Targets": [{"Id": "live", "Arn": {"Fn::GetAtt": ["Messages", "Arn"]}}],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "PackageType": "Image",
                "Code": {"ImageUri": IMAGE},
                "ImageConfig": {"Command": ["lambdas.on_object.handler"]},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": 900,
                "Environment": {"Variables": door.to_env()},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Messages", "Arn"]},
                "FunctionName": {"Ref": "Function"},
                "BatchSize": 5,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 2},
            },
        },
        "Environment": {
            "Type": "AWS::Batch::ComputeEnvironment",
            "Properties": {
                "Type": "MANAGED",
                "ComputeResources": {
                    "Type": "FARGATE",
                    "MaxvCpus": 1,
                    "Subnets": ["subnet-1"],
                    "SecurityGroupIds": ["sg-1"],
                },
            },
        },
        "Queue": {
            "Type": "AWS::Batch::JobQueue",
            "Properties": {
                "JobQueueName": names["live_job_queue"],
                "Priority": 1,
                "ComputeEnvironmentOrder": [{"Order": 1, "ComputeEnvironment": {"Ref": "Environment"}}],
            },
        },
        "Definition": {
            "Type": "AWS::Batch::JobDefinition",
            "Properties": {
                "JobDefinitionName": names["live_job_definition"],
                "Type": "container",
                "PlatformCapabilities": ["FARGATE"],
                "ContainerProperties": {
                    "Image": IMAGE,
                    "Command": ["Ref::task", "Ref::what"],
                    "Environment": [{"Name": name, "Value": value} for name, value in variables.items()],
                    "ResourceRequirements": [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": "2048"}],
                },
            },
        },
    }
    return {"Resources": resources, "Outputs": {name: {"Value": {"Ref": name}} for name in resources}}
