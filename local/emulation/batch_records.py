"""Batch's standing records: job definitions with all their properties, queues and environments that can be deleted."""

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import batch

from local.emulation.faults import Answer, RefusedError, Request, answering

KEPT = (
    "type",
    "parameters",
    "containerProperties",
    "retryStrategy",
    "timeout",
    "platformCapabilities",
    "propagateTags",
    "tags",
)
"""What a definition consists of."""
UNKNOWN_KINDS = ("nodeProperties", "eksProperties", "ecsProperties", "consumableResourceProperties")

MAKES_ROOM = (
    "/v1/createjobqueue",
    "/v1/updatejobqueue",
    "/v1/createcomputeenvironment",
    "/v1/updatecomputeenvironment",
)
"""After these, jobs that wait may find a place."""


def register_definition(request: Request) -> dict[str, Any]:
    """Add a revision."""
    if kind := next((name for name in UNKNOWN_KINDS if request.get(name)), None):
        raise RefusedError(f"the local Batch has no {kind}")
    name = request.get("jobDefinitionName", "")
    if not name or "containerProperties" not in request:
        raise RefusedError("jobDefinitionName and containerProperties are required")
    revisions = batch._job_definitions.setdefault(name, [])
    made = {
        "jobDefinitionName": name,
        "jobDefinitionArn": batch._jd_arn(name, len(revisions) + 1),
        "revision": len(revisions) + 1,
        "status": "ACTIVE",
        "type": "container",
        **{key: request[key] for key in KEPT if key in request},
    }
    revisions.append(made)
    return {key: made[key] for key in ("jobDefinitionName", "jobDefinitionArn", "revision")}


def find_definition(reference: str) -> dict[str, Any]:
    """Find an active revision by ARN, ``name:revision`` or ``name`` (then the newest).

    Raises:
        RefusedError: there is none.
    """
    name, _, revision = reference.rpartition("/")[2].partition(":")
    for one in reversed(batch._job_definitions.get(name, [])):
        if one["status"] == "ACTIVE" and revision in ("", str(one["revision"])):
            found: dict[str, Any] = one
            return found
    raise RefusedError(f"no active job definition {reference}")


def describe_definitions(request: Request) -> dict[str, Any]:
    """Find revisions by ARN or ``name:revision``, by name, by status."""
    revisions = [one for known in batch._job_definitions.values() for one in known]
    if references := request.get("jobDefinitions"):
        wanted = {reference.rpartition("/")[2] for reference in references}
        revisions = [one for one in revisions if f"{one['jobDefinitionName']}:{one['revision']}" in wanted]
    if name := request.get("jobDefinitionName"):
        revisions = [one for one in revisions if one["jobDefinitionName"] == name]
    if status := request.get("status"):
        revisions = [one for one in revisions if one["status"] == status]
    return {"jobDefinitions": revisions}


def deregister_definition(request: Request) -> dict[str, Any]:
    """Make a revision inactive; that it is so already is no fault."""
    wanted = request["jobDefinition"].rpartition("/")[2]
    for one in batch._job_definitions.get(wanted.partition(":")[0], []):
        if f"{one['jobDefinitionName']}:{one['revision']}" == wanted:
            one["status"] = "INACTIVE"
    return {}


def find_queue(reference: str) -> dict[str, Any]:
    """Find a queue by name or ARN.

    Raises:
        RefusedError: there is none.
    """
    found: dict[str, Any] | None = batch._job_queues.get(reference.rpartition("/")[2])
    if found is None:
        raise RefusedError(f"no job queue {reference}")
    return found


def update_queue(request: Request) -> dict[str, Any]:
    """Change a queue's state, priority or environments."""
    queue = find_queue(request["jobQueue"])
    queue.update({key: request[key] for key in ("state", "priority", "computeEnvironmentOrder") if key in request})
    return {"jobQueueName": queue["jobQueueName"], "jobQueueArn": queue["jobQueueArn"]}


def delete_queue(request: Request) -> dict[str, Any]:
    """Delete a queue."""
    batch._job_queues.pop(request["jobQueue"].rpartition("/")[2], None)
    return {}


def delete_environment(request: Request) -> dict[str, Any]:
    """Delete an environment that no queue uses."""
    name = request["computeEnvironment"].rpartition("/")[2]
    for queue in batch._job_queues.values():
        if any(one["computeEnvironment"].rpartition("/")[2] == name for one in queue["computeEnvironmentOrder"]):
            raise RefusedError(f"compute environment {name} is used by job queue {queue['jobQueueName']}")
    batch._compute_envs.pop(name, None)
    return {}


def describe_environments(request: Request) -> dict[str, Any]:
    """Find environments by name or ARN; all when none is named."""
    wanted = {reference.rpartition("/")[2] for reference in request.get("computeEnvironments") or []}
    known: Mapping[str, Any] = batch._compute_envs
    return {"computeEnvironments": [one for name, one in known.items() if not wanted or name in wanted]}


def routes(wake: Callable[[], None]) -> dict[str, Callable[[Request], Answer]]:
    """Give the entries of the dispatch table; ``wake`` looks for jobs that can start now."""
    ours = {
        "/v1/registerjobdefinition": answering(register_definition),
        "/v1/describejobdefinitions": answering(describe_definitions),
        "/v1/deregisterjobdefinition": answering(deregister_definition),
        "/v1/updatejobqueue": answering(update_queue),
        "/v1/deletejobqueue": answering(delete_queue),
        "/v1/deletecomputeenvironment": answering(delete_environment),
        "/v1/describecomputeenvironments": answering(describe_environments),
    }
    every = {**batch._DISPATCH, **ours}
    return ours | {path: _waking(every[path], wake) for path in MAKES_ROOM}


def _waking(answer: Callable[[Request], Answer], wake: Callable[[], None]) -> Callable[[Request], Answer]:
    def answer_and_wake(request: Request) -> Answer:
        answered = answer(request)
        wake()
        return answered

    return answer_and_wake
