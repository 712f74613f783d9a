"""Jobs as DescribeJobs, ListJobs and the events tell them."""

from typing import Any

from local.emulation.book import JobBook
from local.emulation.jobs import Attempt, Job


def to_detail(job: Job, book: JobBook) -> dict[str, Any]:
    """Describe a job in full."""
    plan = job.plan
    container = {**plan.described["container"], "command": list(plan.command)}
    container["environment"] = [{"name": name, "value": value} for name, value in plan.environment.items()]
    if job.log_stream:
        container["logStreamName"] = job.log_stream
    if job.attempts and job.attempts[-1].exit_code is not None:
        container["exitCode"] = job.attempts[-1].exit_code
    return {
        **plan.described,
        **to_summary(job, book),
        "jobQueue": job.queue_arn,
        "dependsOn": [],
        "attempts": [_attempt(one) for one in job.attempts],
        "isCancelled": bool(job.ended_by_user),
        "isTerminated": bool(job.ended_by_user),
        "container": container,
    }


def to_summary(job: Job, book: JobBook) -> dict[str, Any]:
    """Describe a job in a line of ListJobs."""
    told: dict[str, Any] = {
        "jobId": job.job_id,
        "jobArn": job.arn,
        "jobName": job.name,
        "jobDefinition": job.definition_arn,
        "createdAt": job.created_ms,
        "status": job.status.value,
    }
    optional = {"statusReason": job.status_reason, "startedAt": job.started_ms, "stoppedAt": job.stopped_ms}
    told |= {name: value for name, value in optional.items() if value}
    if job.array_size:
        told["arrayProperties"] = {"size": job.array_size, "statusSummary": book.summary(job.job_id)}
    elif job.parent_id:
        told["arrayProperties"] = {"index": job.index}
    return told


def _attempt(attempt: Attempt) -> dict[str, Any]:
    container: dict[str, Any] = {"logStreamName": attempt.log_stream}
    if attempt.exit_code is not None:
        container["exitCode"] = attempt.exit_code
    if attempt.reason:
        container["reason"] = attempt.reason
    return {
        "container": container,
        "startedAt": attempt.started_ms,
        "stoppedAt": attempt.stopped_ms,
        "statusReason": attempt.status_reason,
    }
