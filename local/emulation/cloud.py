"""What jobs need of the rest of the emulator: capacity, credentials, a log group, an event bus.

All functions run in the context (account, region) of the request that submitted the job.
"""

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import batch, cloudwatch_logs, eventbridge


@dataclass(frozen=True, slots=True)
class Environment:
    """A compute environment."""

    arn: str
    name: str
    max_vcpus: float


def environments(queue_arn: str) -> tuple[Environment, ...]:
    """Give the environments of a queue in its order; none while it is disabled."""
    queue = batch._job_queues.get(queue_arn.rpartition("/")[2])
    if queue is None or queue["state"] != "ENABLED":
        return ()
    order = sorted(queue["computeEnvironmentOrder"], key=lambda one: int(one["order"]))
    names = [one["computeEnvironment"].rpartition("/")[2] for one in order]
    records = [batch._compute_envs[name] for name in names if name in batch._compute_envs]
    return tuple(
        Environment(one["computeEnvironmentArn"], one["computeEnvironmentName"], _max_vcpus(one))
        for one in records
        if one["state"] == "ENABLED"
    )


def _max_vcpus(environment: Mapping[str, Any]) -> float:
    return float(environment["computeResources"].get("maxvCpus", 0))


def credentials(job_id: str, role_arn: str) -> dict[str, str]:
    """Give a job's credentials: a session of its role where permissions are enforced, else the account's key."""
    name = f"batch-{job_id.replace(':', '-')}"
    arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
    given = lambda_runtime.execution_credentials({"FunctionName": name, "FunctionArn": arn, "Role": role_arn})
    return {name: value for name, value in given.items() if value}


def open_log(group: str, stream: str) -> None:
    """Make a stream, and its group if need be."""
    cloudwatch_logs._create_log_group({"logGroupName": group})  # answers "exists" if it does
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})


def log(group: str, stream: str, line: str) -> None:
    """Append a line; empty ones are left out, as the service refuses them."""
    if line:
        event = {"timestamp": time.time_ns() // 1_000_000, "message": line}
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [event]})


def announce(detail: Mapping[str, Any]) -> None:
    """Send a "Batch Job State Change" to the account's event bus."""
    entry = {
        "Source": "aws.batch",
        "DetailType": "Batch Job State Change",
        "Detail": json.dumps(detail),
        "Resources": [detail["jobArn"]],
    }
    with contextlib.suppress(Exception):  # a rule's target that is gone is no business of the job
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
