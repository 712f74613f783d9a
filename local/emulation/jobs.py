"""Batch jobs as values: what was asked, what each attempt came to, and whether another one follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any


class Status(StrEnum):
    """Where a job stands, in the service's words and order."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


ENDED = frozenset({Status.SUCCEEDED, Status.FAILED})
WAITING = frozenset({Status.SUBMITTED, Status.PENDING, Status.RUNNABLE})

EXITED = "Essential container in task exited"
"""The service's status reason for every container that ended by itself; retry rules may match it."""
TIMED_OUT = "Job attempt duration exceeded timeout"


class Action(StrEnum):
    """What a retry rule says."""

    RETRY = auto()
    EXIT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job's container."""

    exit_code: int | None
    """None when the container never ran."""
    status_reason: str
    reason: str = ""
    """What went wrong with the container itself; mostly empty."""
    log_stream: str
    started_ms: int
    stopped_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRule:
    """An entry of ``evaluateOnExit``; a pattern that ends with ``*`` matches what begins like it."""

    action: Action
    on_exit_code: str = "*"
    on_reason: str = "*"
    on_status_reason: str = "*"

    def matches(self, attempt: Attempt) -> bool:
        """Tell whether all three patterns match."""
        code = "" if attempt.exit_code is None else str(attempt.exit_code)
        return (
            _matches(self.on_exit_code, code)
            and _matches(self.on_reason, attempt.reason)
            and _matches(self.on_status_reason, attempt.status_reason)
        )


def _matches(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all attempts of a job run, fixed at its submission; children of an array share it."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    vcpus: float
    attempts: int = 1
    """At most so many in all."""
    rules: tuple[ExitRule, ...] = ()
    timeout_s: float | None = None
    """Of one attempt."""
    role_arn: str = ""
    log_group: str
    log_prefix: str
    described: Mapping[str, Any] = field(default_factory=dict)
    """The rest of what DescribeJobs repeats: ``container``, ``parameters``, ``retryStrategy``, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands; a change makes a new one."""

    job_id: str
    arn: str
    name: str
    queue_arn: str
    definition_arn: str
    created_ms: int
    plan: Plan
    status: Status = Status.SUBMITTED
    status_reason: str = ""
    started_ms: int = 0
    stopped_ms: int = 0
    log_stream: str = ""
    attempts: tuple[Attempt, ...] = ()
    array_size: int = 0
    """Number of children; 0 for a plain job and for a child."""
    parent_id: str = ""
    index: int = 0
    """Which child of its parent."""
    ended_by_user: str = ""
    """Why somebody cancelled or terminated it; empty if nobody did."""

    @property
    def root_id(self) -> str:
        """The id that was given to whoever submitted it."""
        return self.parent_id or self.job_id


def is_retried(plan: Plan, attempts: tuple[Attempt, ...]) -> bool:
    """Tell whether a failed attempt is followed by another: the first rule that matches decides, none means retry."""
    if len(attempts) >= plan.attempts:
        return False
    actions = (rule.action for rule in plan.rules if rule.matches(attempts[-1]))
    return next(actions, Action.RETRY) is Action.RETRY
