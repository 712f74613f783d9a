"""Permissions, where ``AUTH=true`` asks for them: what deploying needs is let through, each denial is recorded."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

DENIALS_FILE = "denials.ndjson"
"""In the emulator's folder; a line for each call that was refused."""
AUDIT_VARIABLE = "EMULATOR_AUDIT"
"""``true``: what would be refused is recorded and done, so that one run lists all grants that are missing."""

DEPLOYING = ":assumed-role/cdk-"
"""Roles that the CDK's command line takes on; whether they may publish assets is not ours to test."""
BATCHES = {f"sqs:{call}Batch": f"sqs:{call}" for call in ("ChangeMessageVisibility", "DeleteMessage", "SendMessage")}
"""Calls that SQS allows to whoever may do the same to one message; ministack asks for actions that AWS has not."""
SEPARATOR = "\n"
"""Between resources of one call that are all checked; no ARN has it."""


def install(folder: Path) -> None:
    """Set the hooks, if permissions are enforced at all."""
    if not app.AUTH:
        return
    is_audit = os.environ.get(AUDIT_VARIABLE, "").lower() == "true"
    _take_loopback_for_tls()
    _let_deploying_through()
    iam_actions.extract_resource_arn = _with_batch(iam_actions.extract_resource_arn)
    record = _recorder(folder / DENIALS_FILE)
    checked = _checking_each(iam_evaluator.enforce, record)
    iam_evaluator.enforce = _letting_pass(checked) if is_audit else checked


def _take_loopback_for_tls() -> None:
    pin = app.pin_request_origin
    app.pin_request_origin = lambda address, _secure: pin(address, True)  # noqa: FBT003  ministack's


def _let_deploying_through() -> None:
    resolve = iam_evaluator.resolve_principal

    def resolve_principal(*given: Any, **named: Any) -> Any:
        principal = resolve(*given, **named)
        if DEPLOYING in getattr(principal, "arn", ""):
            return dataclasses.replace(principal, policies=None)
        return principal

    iam_evaluator.resolve_principal = resolve_principal


def _with_batch(original: Callable[..., str]) -> Callable[..., str]:
    """Name the resources of calls to Batch, which ministack checks against ``*``."""

    def extract(service: str, method: str, path: str, *rest: Any) -> str:
        if service != "batch":
            return original(service, method, path, *rest)
        _headers, body, _query, region, account = rest
        return batch_resources(path, json.loads(body or b"{}"), prefix=f"arn:aws:batch:{region}:{account}:")

    return extract


def batch_resources(path: str, request: dict[str, Any], *, prefix: str) -> str:
    """Name what a call to Batch is checked against: queue and definition of a submission, the job of an ending."""

    def arn(kind: str, reference: str) -> str:
        return reference if reference.startswith("arn:") else f"{prefix}{kind}/{reference}"

    match path.rstrip("/").lower().rpartition("/")[2]:
        case "submitjob":
            both = arn("job-definition", request["jobDefinition"]), arn("job-queue", request["jobQueue"])
            return SEPARATOR.join(both)
        case "canceljob" | "terminatejob":
            return arn("job", request["jobId"])
        case _:
            return "*"


def _recorder(file: Path) -> Callable[[str, str, str], None]:
    def record(principal: str, action: str, resource: str) -> None:
        line = json.dumps({"principal": principal, "action": action, "resource": resource})
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")

    return record


def _checking_each(enforce: Callable[..., Any], record: Callable[[str, str, str], None]) -> Callable[..., Any]:
    def enforce_each(key: str, action: str, service: str, region: str, **named: Any) -> Any:
        action = BATCHES.get(action, action)
        for arn in named.pop("resource_arn", "*").split(SEPARATOR):
            denied = enforce(key, action, service, region, resource_arn=arn, **named)
            if isinstance(denied, iam_evaluator.EvalResult):
                record(denied.principal_arn, action, arn)
            if denied:
                return denied
        return None

    return enforce_each


def _letting_pass(enforce: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse only who cannot say who he is."""

    def audit(*given: Any, **named: Any) -> Any:
        denied = enforce(*given, **named)
        return None if isinstance(denied, iam_evaluator.EvalResult) else denied

    return audit
