"""From a job definition and a SubmitJob request to what the attempts run."""

from collections.abc import Mapping
from typing import Any

from local.emulation.faults import RefusedError, Request
from local.emulation.jobs import Action, ExitRule, Plan

DEFAULT_LOG_GROUP = "/aws/batch/job"
REFERENCE = "Ref::"
MAX_ATTEMPTS = 10


def make_plan(definition: Mapping[str, Any], request: Request) -> Plan:
    """Work out what a submitted job runs; the request's words win over the definition's.

    Raises:
        RefusedError: the service would refuse it.
    """
    container, overrides = definition["containerProperties"], request.get("containerOverrides", {})
    retry = request.get("retryStrategy") or definition.get("retryStrategy") or {}
    timeout = request.get("timeout") or definition.get("timeout") or {}
    parameters = {**definition.get("parameters", {}), **request.get("parameters", {})}
    environment = container.get("environment", []) + overrides.get("environment", [])
    resources = {**_resources(container), **_resources(overrides)}
    command = overrides.get("command") or container.get("command", [])
    options = container.get("logConfiguration", {}).get("options", {})
    seconds = timeout.get("attemptDurationSeconds")
    return Plan(
        command=tuple(_substituted(str(word), parameters) for word in command),
        environment={one["name"]: str(one["value"]) for one in environment},
        vcpus=float(resources.get("VCPU", 1)),
        attempts=_attempts(retry),
        rules=tuple(_rule(one) for one in retry.get("evaluateOnExit", [])),
        timeout_s=float(seconds) if seconds else None,
        role_arn=container.get("jobRoleArn", ""),
        log_group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
        log_prefix=options.get("awslogs-stream-prefix", definition["jobDefinitionName"]),
        described={
            "container": {**container, "resourceRequirements": _requirements(resources)},
            "parameters": parameters,
            "retryStrategy": retry,
            "timeout": timeout,
            "platformCapabilities": definition.get("platformCapabilities", []),
            "tags": request.get("tags", {}),
        },
    )


def _substituted(word: str, parameters: Mapping[str, str]) -> str:
    return str(parameters.get(word.removeprefix(REFERENCE), word)) if word.startswith(REFERENCE) else word


def _resources(container: Mapping[str, Any]) -> dict[str, str]:
    given = {one["type"]: str(one["value"]) for one in container.get("resourceRequirements", [])}
    return ({"VCPU": str(container["vcpus"])} if "vcpus" in container else {}) | given


def _requirements(resources: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"type": kind, "value": value} for kind, value in resources.items()]


def _attempts(retry: Mapping[str, Any]) -> int:
    attempts = int(retry.get("attempts", 1))
    if not 1 <= attempts <= MAX_ATTEMPTS:
        raise RefusedError(f"attempts must be between 1 and {MAX_ATTEMPTS}, not {attempts}")
    return attempts


def _rule(entry: Mapping[str, Any]) -> ExitRule:
    try:
        action = Action(str(entry["action"]).lower())
    except (KeyError, ValueError) as error:
        raise RefusedError(f"evaluateOnExit: action must be RETRY or EXIT: {dict(entry)}") from error
    return ExitRule(
        action=action,
        on_exit_code=str(entry.get("onExitCode", "*")),
        on_reason=str(entry.get("onReason", "*")),
        on_status_reason=str(entry.get("onStatusReason", "*")),
    )
