"""Permissions, where ``AUTH=true`` asks for them: what deploying needs is let through, each denial is recorded.

What AWS Lambda itself does in a role's name, reading queues and writing logs, ministack does inside and does not check.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import s3

DENIALS_FILE = "denials.ndjson"
"""In the emulator's folder; a line for each call that was refused."""
AUDIT_VARIABLE = "EMULATOR_AUDIT"
"""``true``: what would be refused is recorded and done, so that one run lists all grants that are missing."""

ALLOWED_FILE = "allowed.ndjson"
"""... and one for each call of a role that was let through, if ``ALLOWED_VARIABLE`` is ``true``."""
ALLOWED_VARIABLE = "EMULATOR_NOTE_ALLOWED"

DEPLOYING = ":assumed-role/cdk-"
"""Roles that the CDK's command line takes on; whether they may publish assets is not ours to test."""
BATCHES = {f"sqs:{call}Batch": f"sqs:{call}" for call in ("ChangeMessageVisibility", "DeleteMessage", "SendMessage")}
"""Calls that SQS allows to whoever may do the same to one message; ministack asks for actions that AWS has not."""
SEPARATOR = "\n"
"""Between resources of one call that are all checked; no ARN has it."""
BUCKETS = "arn:aws:s3:::"

Record = Callable[[str, str, str], None]
"""Takes principal, action and resource of a call."""
Enforce = Callable[..., Any]
"""As ministack's ``iam_evaluator.enforce``: gives None for a call that may be made."""


def install(folder: Path) -> None:
    """Set the hooks, if permissions are enforced at all."""
    if not app.AUTH:
        return
    _take_loopback_for_tls()
    _let_deploying_through()
    iam_actions.extract_resource_arn = _with_batch(iam_actions.extract_resource_arn)
    iam_actions.extract_iam_action = _with_event_sources(iam_actions.extract_iam_action)
    enforce = _recording(iam_evaluator.enforce, _recorder(folder / DENIALS_FILE))
    if _is_set(ALLOWED_VARIABLE):
        enforce = _noting_allowed(enforce, _recorder(folder / ALLOWED_FILE))
    checked = _checking_each(_hiding_what_is_missing(enforce))
    iam_evaluator.enforce = _letting_pass(checked) if _is_set(AUDIT_VARIABLE) else checked


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() == "true"


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


def _with_event_sources(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """Name the action of changing an event source mapping, which ministack lets anybody do."""

    def extract(service: str, method: str, path: str, *rest: Any) -> str | None:
        if service == "lambda" and method == "PUT" and "/event-source-mappings/" in path:
            return "lambda:UpdateEventSourceMapping"
        return original(service, method, path, *rest)

    return extract


def _recorder(file: Path) -> Record:
    def record(principal: str, action: str, resource: str) -> None:
        line = json.dumps({"principal": principal, "action": action, "resource": resource})
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")

    return record


def _recording(enforce: Enforce, record: Record) -> Enforce:
    """Write down what is denied."""

    def enforce_recorded(key: str, action: str, *given: Any, resource_arn: str = "*", **named: Any) -> Any:
        denied = enforce(key, action, *given, resource_arn=resource_arn, **named)
        if isinstance(denied, iam_evaluator.EvalResult):
            record(denied.principal_arn, action, resource_arn)
        return denied

    return enforce_recorded


def _noting_allowed(enforce: Enforce, record: Record) -> Enforce:
    """Write down what is allowed, but for what root does."""

    def enforce_noted(key: str, action: str, *given: Any, resource_arn: str = "*", **named: Any) -> Any:
        denied = enforce(key, action, *given, resource_arn=resource_arn, **named)
        principal = None if denied else iam_evaluator.resolve_principal(key or "", responses.get_account_id())
        if isinstance(principal, iam_evaluator.PrincipalInfo) and principal.policies is not None:
            record(principal.arn, action, resource_arn)
        return denied

    return enforce_noted


def _hiding_what_is_missing(enforce: Enforce) -> Enforce:
    """Answer as S3 does who reads a key that is not there: 404 only to those who may list the bucket.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """

    def enforce_hiding(key: str, action: str, *given: Any, resource_arn: str = "*", **named: Any) -> Any:
        denied = enforce(key, action, *given, resource_arn=resource_arn, **named)
        if denied or action != "s3:GetObject" or _is_there(resource_arn):
            return denied
        bucket, _, _ = resource_arn.partition("/")
        return enforce(key, "s3:ListBucket", *given, resource_arn=bucket, **named)

    return enforce_hiding


def _is_there(arn: str) -> bool:
    bucket, _, key = arn.removeprefix(BUCKETS).partition("/")
    held = s3._buckets.get(bucket)
    return held is None or key in held["objects"]  # of a bucket that is not there, S3 says just that


def _checking_each(enforce: Enforce) -> Enforce:
    def enforce_each(key: str, action: str, *given: Any, resource_arn: str = "*", **named: Any) -> Any:
        action = BATCHES.get(action, action)
        checks = (enforce(key, action, *given, resource_arn=arn, **named) for arn in resource_arn.split(SEPARATOR))
        return next((denied for denied in checks if denied), None)

    return enforce_each


def _letting_pass(enforce: Enforce) -> Enforce:
    """Refuse only who cannot say who he is."""

    def audit(*given: Any, **named: Any) -> Any:
        denied = enforce(*given, **named)
        return None if isinstance(denied, iam_evaluator.EvalResult) else denied

    return audit
