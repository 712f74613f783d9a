"""AWS Batch from outside: how many jobs of a queue are in which state."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batch_job.adapters.aws_errors import BATCH, as_ours
from batch_job.ports import JobList
from batch_job.values.queues import WAITING, WORKING, JobCounts, JobState

DESCRIBED_AT_ONCE = 100
"""DescribeJobs takes no more (AWS Batch API reference)."""
MAX_LISTED = 5000
"""Of one state: who has more jobs of their own, not in arrays, is told that there are this many."""

Job = Mapping[str, Any]


class BatchJobList:
    """One queue; fits ``ports.JobList``."""

    def __init__(self, client: Any, *, queue: str) -> None:
        """Take a client of ``batch.batch_client``, and the queue's name or ARN."""
        self._client, self._queue = client, queue

    def counts(self, *, since_ms: int) -> JobCounts:
        """Count jobs; five requests, and more where there are many; see ``ports.JobList``."""
        with as_ours(BATCH, doing=f"listing jobs of {self._queue} (needs batch:ListJobs and batch:DescribeJobs)"):
            active = [job for state in (*WAITING, *WORKING) for job in self._listed(state)]
            failed = [job for job in self._listed(JobState.FAILED) if job["createdAt"] >= since_ms]
            # a job that moved on between two requests is in both lists, the second time further on
            jobs = {job["jobId"]: job for job in (*active, *failed)}
            arrays = [job_id for job_id, job in jobs.items() if job.get("arrayProperties", {}).get("size")]
            states = Counter(job["status"] for job_id, job in jobs.items() if job_id not in set(arrays))
            for array in self._described(arrays):
                states.update(array["arrayProperties"].get("statusSummary", {}))
        return JobCounts(
            by_state={state: states[state] for state in JobState if states[state]},
            oldest_ms=min((job["createdAt"] for job in active), default=None),
        )

    def _listed(self, state: JobState) -> Iterator[Job]:
        pages = self._client.get_paginator("list_jobs").paginate(jobQueue=self._queue, jobStatus=str(state))
        return itertools.islice((job for page in pages for job in page["jobSummaryList"]), MAX_LISTED)

    def _described(self, job_ids: Sequence[str]) -> Iterator[Job]:
        """ListJobs need not tell the states of an array's children; DescribeJobs does."""
        for first in range(0, len(job_ids), DESCRIBED_AT_ONCE):
            answer = self._client.describe_jobs(jobs=list(job_ids[first : first + DESCRIBED_AT_ONCE]))
            yield from answer["jobs"]


@dataclass(slots=True)
class MemoryJobList:
    """Counts that were given."""

    given: JobCounts = field(default_factory=JobCounts)

    def counts(self, *, since_ms: int) -> JobCounts:  # noqa: ARG002  what was given is of any time
        """Give them."""
        return self.given


if TYPE_CHECKING:
    _fits: type[JobList] = BatchJobList
    _fits_too: type[JobList] = MemoryJobList
