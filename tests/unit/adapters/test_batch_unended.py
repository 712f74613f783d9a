"""Jobs that have not ended, by answers as AWS Batch gives them."""

from collections.abc import Iterator
from typing import Any

import pytest

from batch_job.adapters.batch_unended import BatchUnendedJobs
from batch_job.values.queues import UnendedJob

PARAMETERS = {"task": "shards", "what": "r/p/0/3"}


class Client:
    """Answers ListJobs and DescribeJobs."""

    def __init__(self, jobs: list[dict[str, Any]], children: dict[str, list[int]] | None = None) -> None:
        self.jobs, self.children, self.described = jobs, children or {}, 0

    def get_paginator(self, operation: str) -> "Client":
        assert operation == "list_jobs"
        return self

    def paginate(self, *, jobStatus: str, jobQueue: str = "", arrayJobId: str = "") -> Iterator[dict[str, Any]]:  # noqa: N803
        if arrayJobId:
            found = [{"arrayProperties": {"index": n}} for n in self.children.get(jobStatus, [])]
        else:
            found = [{"jobId": job["jobId"]} for job in self.jobs if jobStatus in job["seen"]]
        yield {"jobSummaryList": found[:1]}
        yield {"jobSummaryList": found[1:]}

    def describe_jobs(self, *, jobs: list[str]) -> dict[str, Any]:
        assert len(jobs) <= 100
        self.described += 1
        return {"jobs": [job for job in self.jobs if job["jobId"] in jobs]}


def unended(client: Client) -> list[UnendedJob]:
    return list(BatchUnendedJobs(client, queue="q").unended())


def job(job_id: str, status: str, *seen: str, **more: Any) -> dict[str, Any]:
    return {"jobId": job_id, "status": status, "seen": seen or (status,), "parameters": PARAMETERS, **more}


@pytest.mark.parametrize(
    ("status", "waiting", "working"),
    [("SUBMITTED", {0}, set()), ("RUNNABLE", {0}, set()), ("STARTING", set(), {0}), ("RUNNING", set(), {0})],
)
def test_a_job_of_its_own_is_its_only_child(status: str, waiting: set[int], working: set[int]) -> None:
    [found] = unended(Client([job("j", status)]))
    assert (found.waiting, found.working, found.parameters) == (waiting, working, PARAMETERS)


def test_children_of_an_array_stand_where_batch_says() -> None:
    array = {"size": 5, "statusSummary": {"RUNNABLE": 2, "RUNNING": 1, "SUCCEEDED": 1, "FAILED": 1}}
    client = Client([job("j", "PENDING", arrayProperties=array)], {"RUNNABLE": [1, 4], "RUNNING": [2], "FAILED": [0]})
    [found] = unended(client)
    assert (found.waiting, found.working) == ({1, 4}, {2})


def test_children_that_are_not_made_yet_wait() -> None:
    array = {"size": 3, "statusSummary": {"RUNNABLE": 0}}
    [found] = unended(Client([job("j", "SUBMITTED", arrayProperties=array)]))
    assert (found.waiting, found.working) == ({0, 1, 2}, set())


def test_a_job_that_moves_on_meanwhile_is_told_once_as_it_is_described() -> None:
    [found] = unended(Client([job("j", "RUNNING", "RUNNABLE", "RUNNING")]))
    assert (found.waiting, found.working) == (set(), {0})


def test_many_are_described_a_hundred_at_once() -> None:
    client = Client([job(f"j{number}", "RUNNABLE") for number in range(201)])
    assert len(unended(client)) == 201
    assert client.described == 3
