"""An emulator with a project of its own (a Dockerfile, a job, a Lambda), and a small stack deployed to it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
import pytest

from local.emulator import KEY, PROCESSES_VARIABLE, PROJECT_VARIABLE, REGION, emulator
from local.servers import Servers

JOB = """\
import json, os, signal, subprocess, sys, time

match sys.argv[1:]:
    case ["exit", code]:
        print("exiting with", code)
        sys.exit(int(code))
    case ["fail", "until", attempt]:
        sys.exit(0 if os.environ["AWS_BATCH_JOB_ATTEMPT"] == attempt else 75)
    case ["tell", *words]:
        print(json.dumps({"words": words, "cwd": os.getcwd(), **os.environ}))
    case ["sleep"]:
        print(os.getpid(), subprocess.Popen(["sleep", "60"]).pid, flush=True)
        time.sleep(60)
    case ["odd"]:
        sys.exit(int(os.environ["AWS_BATCH_JOB_ARRAY_INDEX"]) % 2)
    case ["leave", "orphan"]:
        print(subprocess.Popen(["sleep", "60"]).pid)
    case ["on", "term"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
        print("up", flush=True)
        time.sleep(60)
"""
HANDLER = """\
import json, os, boto3

def handler(event, context):
    if "Records" not in event:
        return {"told": event, "variable": os.environ["OWN"], "given": os.environ["GIVEN"]}
    failed = [one["messageId"] for one in event["Records"] if one["body"] == "poison"]
    s3 = boto3.client("s3")
    for one in event["Records"]:
        if one["messageId"] not in failed:
            s3.put_object(Bucket=os.environ["BUCKET"], Key=f"seen/{one['body']}")
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
"""
MAX_PROCESSES = 8
WITHIN_S = 30.0
"""An idle machine needs a second for anything here."""

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}
DEFINITION = {
    "Type": "container",
    "PlatformCapabilities": ["FARGATE"],
    "Parameters": {"word": "from the definition"},
    "Tags": {"Owner": "tests"},
    "RetryStrategy": {
        "Attempts": 3,
        "EvaluateOnExit": [{"OnExitCode": "75", "Action": "RETRY"}, {"OnExitCode": "*", "Action": "EXIT"}],
    },
    "ContainerProperties": {
        "Image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1",
        "Command": ["tell", "Ref::word"],
        "Environment": [{"Name": "OWN", "Value": "definition"}],
        "ResourceRequirements": [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": "2048"}],
        "LogConfiguration": {
            "LogDriver": "awslogs",
            "Options": {"awslogs-group": "/jobs", "awslogs-stream-prefix": "job"},
        },
    },
}


def template(**definition: Any) -> dict[str, Any]:
    """A stack with one of each type that is not ministack's own; ``definition`` replaces properties of the job's."""
    image = {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1"}
    resources: dict[str, Any] = {
        "Role": ROLE,
        "Environment": {
            "Type": "AWS::Batch::ComputeEnvironment",
            "Properties": {
                "Type": "MANAGED",
                "ComputeResources": {
                    "Type": "FARGATE",
                    "MaxvCpus": 3,
                    "Subnets": ["subnet-1"],
                    "SecurityGroupIds": ["sg-1"],
                },
            },
        },
        "Queue": {
            "Type": "AWS::Batch::JobQueue",
            "Properties": {
                "Priority": 1,
                "ComputeEnvironmentOrder": [{"Order": 1, "ComputeEnvironment": {"Ref": "Environment"}}],
            },
        },
        "Definition": {"Type": "AWS::Batch::JobDefinition", "Properties": {**DEFINITION, **definition}},
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "InventoryConfigurations": [
                    {
                        "Id": "daily",
                        "Enabled": True,
                        "IncludedObjectVersions": "Current",
                        "ScheduleFrequency": "Daily",
                        "OptionalFields": ["Size", "ETag"],
                        "Destination": {"BucketArn": "arn:aws:s3:::elsewhere", "Format": "CSV", "Prefix": "inv"},
                    }
                ]
            },
        },
        "Budget": {
            "Type": "AWS::Budgets::Budget",
            "Properties": {
                "Budget": {
                    "BudgetName": "monthly",
                    "BudgetType": "COST",
                    "TimeUnit": "MONTHLY",
                    "BudgetLimit": {"Amount": 100, "Unit": "USD"},
                }
            },
        },
        "Messages": {"Type": "AWS::SQS::Queue"},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "PackageType": "Image",
                "Code": image,
                "ImageConfig": {"Command": ["handlers.example.handler"]},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": 20,
                "Environment": {"Variables": {"OWN": "template", "BUCKET": {"Ref": "Bucket"}}},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Messages", "Arn"]},
                "FunctionName": {"Ref": "Function"},
                "BatchSize": 10,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
        "News": {"Type": "AWS::SQS::Queue"},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.batch"],
                    "detail-type": ["Batch Job State Change"],
                    "detail": {"jobName": ["announced"]},
                },
                "Targets": [{"Id": "news", "Arn": {"Fn::GetAtt": ["News", "Arn"]}}],
            },
        },
    }
    outputs = {name: {"Value": {"Ref": name}} for name in resources}
    return {"Resources": resources, "Outputs": outputs}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of jobs and Lambdas."""
    project = tmp_path_factory.mktemp("project")
    (project / "Dockerfile").write_text('FROM base\nENTRYPOINT ["python", "-m", "job"]\n')
    (project / "job.py").write_text(JOB)
    (project / "handlers").mkdir()
    (project / "handlers" / "example.py").write_text(HANDLER)
    return project


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Iterator[str]:
    """An emulator whose jobs and Lambdas are those above."""
    recipe = emulator(
        {PROJECT_VARIABLE: str(project), PROCESSES_VARIABLE: str(MAX_PROCESSES), "GIVEN": "by the starter"}
    )
    with Servers((recipe,), tmp_path_factory.mktemp("emulator")) as servers:
        yield servers.url(recipe)


@pytest.fixture(scope="session")
def aws(endpoint: str) -> Iterator[Callable[[str], Any]]:
    """Makes clients of the emulator, one a service."""
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(
                service,
                endpoint_url=endpoint,
                region_name=REGION,
                aws_access_key_id=KEY,
                aws_secret_access_key=KEY,
            )
        return made[service]

    yield client
    for one in made.values():
        one.close()


@pytest.fixture(scope="session")
def deploy(aws: Callable[[str], Any]) -> Callable[..., dict[str, str]]:
    """Creates or updates a stack, and gives its outputs."""

    def deploy(name: str, body: dict[str, Any], *, kind: str = "create") -> dict[str, str]:
        cloudformation = aws("cloudformation")
        getattr(cloudformation, f"{kind}_stack")(StackName=name, TemplateBody=json.dumps(body))

        def stack() -> dict[str, Any]:
            found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            return found

        until(lambda: not stack()["StackStatus"].endswith("IN_PROGRESS"))
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [one.get("ResourceStatusReason") for one in events if one["ResourceStatus"].endswith("FAILED")]
        assert stack()["StackStatus"] == f"{kind.upper()}_COMPLETE", reasons
        return {one["OutputKey"]: one["OutputValue"] for one in stack()["Outputs"]}

    return deploy


@pytest.fixture(scope="session")
def stack(deploy: Callable[..., dict[str, str]]) -> MappingProxyType[str, str]:
    """The stack's outputs: the physical id of each resource."""
    return MappingProxyType(deploy("example", template()))


@pytest.fixture
def submit(aws: Callable[[str], Any], stack: MappingProxyType[str, str]) -> Callable[..., str]:
    """Submits a job by its command, and gives its id."""

    def submit(*command: str, name: str = "test", **more: Any) -> str:
        overrides = {"containerOverrides": {"command": list(command)}} if command else {}
        asked = {"jobQueue": stack["Queue"], "jobDefinition": stack["Definition"], **overrides, **more}
        job_id: str = aws("batch").submit_job(jobName=name, **asked)["jobId"]
        return job_id

    return submit


@pytest.fixture
def ended(aws: Callable[[str], Any]) -> Callable[..., dict[str, Any]]:
    """Waits for a job to reach a status, and describes it."""

    def ended(job_id: str, *statuses: str) -> dict[str, Any]:
        def described() -> dict[str, Any]:
            job: dict[str, Any] = aws("batch").describe_jobs(jobs=[job_id])["jobs"][0]
            return job

        wanted = statuses or ("SUCCEEDED", "FAILED")
        until(lambda: described()["status"] in wanted)
        return described()

    return ended


@pytest.fixture
def output(aws: Callable[[str], Any]) -> Callable[[dict[str, Any]], list[str]]:
    """Reads the lines that a job's newest attempt wrote."""

    def output(job: dict[str, Any]) -> list[str]:
        stream = job["container"]["logStreamName"]
        events = aws("logs").get_log_events(logGroupName="/jobs", logStreamName=stream, startFromHead=True)["events"]
        return [one["message"] for one in events]

    return output


def until(condition: Callable[[], bool]) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool]], None]:
    """``until``, for tests."""
    return until
