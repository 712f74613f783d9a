"""AWS Batch from outside: the jobs of a queue that have not ended, one by one, arrays child by child."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batch_job.adapters.aws_errors import BATCH, as_ours
from batch_job.adapters.batch_lists import DESCRIBED_AT_ONCE
from batch_job.ports import UnendedJobs
from batch_job.values.queues import WAITING, WORKING, JobState, UnendedJob

Job = Mapping[str, Any]


class BatchUnendedJobs:
    """One queue; fits ``ports.UnendedJobs``."""

    def __init__(self, client: Any, *, queue: str) -> None:
        """Take a client of ``batch.batch_client``, and the queue's name or ARN."""
        self._client, self._queue = client, queue

    def unended(self) -> Iterator[UnendedJob]:
        """Yield jobs: five requests, one for every hundred jobs, and five or more for each array."""
        doing = f"listing jobs of {self._queue} (needs batch:ListJobs and batch:DescribeJobs)"
        with as_ours(BATCH, doing=doing):
            # in the order of a job's life: one that moves on meanwhile is seen twice rather than not at all
            listed = [job for state in (*WAITING, *WORKING) for job in self._listed(state, jobQueue=self._queue)]
            ids = dict.fromkeys(job["jobId"] for job in listed)
            found = [self._unended(job) for job in self._described(ids)]
        yield from found

    def _unended(self, job: Job) -> UnendedJob:
        array = job.get("arrayProperties", {})
        if not array.get("size"):
            begun = job["status"] not in WAITING
            waiting, working = frozenset[int](() if begun else (0,)), frozenset[int]((0,) if begun else ())
        elif not any(array.get("statusSummary", {}).values()):  # its children are not made yet
            waiting, working = frozenset(range(array["size"])), frozenset[int]()
        else:
            waiting, working = self._children(job, WAITING), self._children(job, WORKING)
        return UnendedJob(id=job["jobId"], parameters=job.get("parameters", {}), waiting=waiting, working=working)

    def _children(self, job: Job, states: Iterable[JobState]) -> frozenset[int]:
        listed = (child for state in states for child in self._listed(state, arrayJobId=job["jobId"]))
        return frozenset(child["arrayProperties"]["index"] for child in listed)

    def _listed(self, state: JobState, **where: str) -> Iterator[Job]:
        for page in self._client.get_paginator("list_jobs").paginate(jobStatus=str(state), **where):
            yield from page["jobSummaryList"]

    def _described(self, ids: Iterable[str]) -> Iterator[Job]:
        pulled = iter(ids)
        while some := list(itertools.islice(pulled, DESCRIBED_AT_ONCE)):
            yield from self._client.describe_jobs(jobs=some)["jobs"]


@dataclass(slots=True)
class MemoryUnendedJobs:
    """Jobs that were given."""

    given: list[UnendedJob] = field(default_factory=list)

    def unended(self) -> Iterator[UnendedJob]:
        """Yield them."""
        yield from self.given


if TYPE_CHECKING:
    _fits: type[UnendedJobs] = BatchUnendedJobs
    _fits_too: type[UnendedJobs] = MemoryUnendedJobs
