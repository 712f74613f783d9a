"""Batch's API of jobs: submit, describe, list, cancel, terminate."""

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from ministack.services import batch

from local.emulation.batch_records import find_definition, find_queue
from local.emulation.detail import to_detail, to_summary
from local.emulation.faults import Answer, RefusedError, Request, answering
from local.emulation.jobs import Job, Status
from local.emulation.plans import make_plan
from local.emulation.scheduler import Scheduler, now_ms

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
ARRAY_SIZES = range(2, 10_001)
DESCRIBED_AT_ONCE = 100
PAGE = 100
NOT_BUILT = ("dependsOn", "nodeOverrides", "eksPropertiesOverride", "ecsPropertiesOverride", "shareIdentifier")
"""Refused loudly, so that nobody takes silence for success."""


class JobsApi:
    """Answers requests about jobs."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._book = scheduler.book

    def routes(self) -> dict[str, Callable[[Request], Answer]]:
        """Give the entries of the dispatch table."""
        return {
            "/v1/submitjob": answering(self.submit),
            "/v1/describejobs": answering(self.describe),
            "/v1/listjobs": answering(self.list),
            "/v1/canceljob": answering(self.cancel),
            "/v1/terminatejob": answering(self.terminate),
        }

    def submit(self, request: Request) -> dict[str, Any]:
        """Check a job, or an array of jobs, and hand it to the scheduler."""
        job = _job(request)
        children = (
            replace(job, job_id=f"{job.job_id}:{n}", arn=f"{job.arn}:{n}", array_size=0, parent_id=job.job_id, index=n)
            for n in range(job.array_size)
        )
        self._scheduler.submit(job, children)
        return {"jobId": job.job_id, "jobName": job.name, "jobArn": job.arn}

    def describe(self, request: Request) -> dict[str, Any]:
        """Describe jobs by id; unknown ones are left out."""
        ids = request.get("jobs", [])
        if len(ids) > DESCRIBED_AT_ONCE:
            raise RefusedError(f"at most {DESCRIBED_AT_ONCE} jobs can be described at once, not {len(ids)}")
        jobs = filter(None, (self._book.get(one.rpartition("/")[2]) for one in ids))
        return {"jobs": [to_detail(job, self._book) for job in jobs]}

    def list(self, request: Request) -> dict[str, Any]:
        """List a page of an array's children, or of a queue's jobs; of those RUNNING unless another status is named."""
        if request.get("filters"):
            raise RefusedError("the local Batch has no filters in ListJobs")
        status = Status(request.get("jobStatus") or Status.RUNNING)
        matching = (job for job in self._listed(request) if job.status is status)
        start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or PAGE)
        found = tuple(islice(matching, start, start + size + 1))
        answer: dict[str, Any] = {"jobSummaryList": [to_summary(job, self._book) for job in found[:size]]}
        return answer | ({"nextToken": str(start + size)} if len(found) > size else {})

    def cancel(self, request: Request) -> dict[str, Any]:
        """End a job's waiting parts."""
        self._scheduler.cancel(self._known(request), request["reason"])
        return {}

    def terminate(self, request: Request) -> dict[str, Any]:
        """End a job wherever it stands."""
        self._scheduler.terminate(self._known(request), request["reason"])
        return {}

    def _listed(self, request: Request) -> Iterable[Job]:
        if parent_id := request.get("arrayJobId"):
            return self._book.children(parent_id)
        if reference := request.get("jobQueue"):
            arn = find_queue(reference)["jobQueueArn"]
            return [job for job in self._book if job.queue_arn == arn]
        raise RefusedError("one of jobQueue and arrayJobId is required")

    def _known(self, request: Request) -> str:
        job = self._book.get(request["jobId"].rpartition("/")[2])
        if job is None:
            raise RefusedError(f"no job {request['jobId']}")
        return job.job_id


def _job(request: Request) -> Job:
    if part := next((name for name in NOT_BUILT if request.get(name)), None):
        raise RefusedError(f"the local Batch has no {part}")
    name = request.get("jobName", "")
    if not NAME.fullmatch(name):
        raise RefusedError(f"not a job name: {name!r}")
    queue = find_queue(request.get("jobQueue", ""))
    if queue["state"] != "ENABLED":
        raise RefusedError(f"job queue {queue['jobQueueName']} is disabled")
    definition = find_definition(request.get("jobDefinition", ""))
    size = int(request.get("arrayProperties", {}).get("size", 0))
    if size and size not in ARRAY_SIZES:
        raise RefusedError(f"an array has {ARRAY_SIZES.start} to {ARRAY_SIZES.stop - 1} children, not {size}")
    job_id = str(uuid.uuid4())
    return Job(
        job_id=job_id,
        arn=batch._job_arn(job_id),
        name=name,
        queue_arn=queue["jobQueueArn"],
        definition_arn=definition["jobDefinitionArn"],
        created_ms=now_ms(),
        plan=make_plan(definition, request),
        array_size=size,
    )
