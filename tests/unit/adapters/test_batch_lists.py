from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.stub import Stubber

from batch_job.adapters.batch import batch_client
from batch_job.adapters.batch_lists import BatchJobList
from batch_job.errors import AccessError
from batch_job.values.queues import WAITING, WORKING, JobCounts, JobState

ORDER = (*WAITING, *WORKING, JobState.FAILED)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    made = batch_client(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def job(job_id: str, status: str, *, created_ms: int = 1000, **more: Any) -> dict[str, Any]:
    return {"jobId": job_id, "jobName": "n", "status": status, "createdAt": created_ms, **more}


def listing(stub: Stubber, jobs: Mapping[JobState, list[dict[str, Any]]]) -> None:
    for state in ORDER:
        asked = {"jobQueue": "q", "jobStatus": str(state)}
        stub.add_response("list_jobs", {"jobSummaryList": jobs.get(state, [])}, asked)


def test_jobs_are_counted_by_state_and_the_oldest_that_has_not_ended_is_told(client: Any, stub: Stubber):
    listing(
        stub,
        {
            JobState.RUNNABLE: [job("a", "RUNNABLE", created_ms=5000), job("b", "RUNNABLE", created_ms=4000)],
            JobState.RUNNING: [job("c", "RUNNING", created_ms=6000)],
            JobState.FAILED: [job("d", "FAILED", created_ms=3000), job("e", "FAILED", created_ms=1000)],
        },
    )
    counts = BatchJobList(client, queue="q").counts(since_ms=2000)
    expected = {JobState.RUNNABLE: 2, JobState.RUNNING: 1, JobState.FAILED: 1}
    assert counts == JobCounts(by_state=expected, oldest_ms=4000)
    assert (counts.waiting, counts.working, counts.failed) == (2, 1, 1)


def test_of_an_array_its_children_are_counted(client: Any, stub: Stubber):
    size = {"arrayProperties": {"size": 50}}
    listing(stub, {JobState.PENDING: [job("a", "PENDING", **size)], JobState.RUNNING: [job("b", "RUNNING")]})
    summary = {"RUNNABLE": 17, "RUNNING": 2, "SUCCEEDED": 30, "FAILED": 1, "PENDING": 0}
    described = {
        **job("a", "PENDING"),
        "jobQueue": "q",
        "startedAt": 1,
        "jobDefinition": "d",
        "arrayProperties": {"size": 50, "statusSummary": summary},
    }
    stub.add_response("describe_jobs", {"jobs": [described]}, {"jobs": ["a"]})
    counts = BatchJobList(client, queue="q").counts(since_ms=0)
    assert counts.by_state == {
        JobState.RUNNABLE: 17,
        JobState.RUNNING: 3,
        JobState.SUCCEEDED: 30,
        JobState.FAILED: 1,
    }


def test_a_job_that_moves_on_while_it_is_listed_is_counted_once(client: Any, stub: Stubber):
    listing(stub, {JobState.RUNNABLE: [job("a", "RUNNABLE")], JobState.STARTING: [job("a", "STARTING")]})
    assert BatchJobList(client, queue="q").counts(since_ms=0).by_state == {JobState.STARTING: 1}


def test_pages_are_followed(client: Any, stub: Stubber):
    first = {"jobQueue": "q", "jobStatus": "SUBMITTED"}
    stub.add_response("list_jobs", {"jobSummaryList": [job("a", "SUBMITTED")], "nextToken": "t"}, first)
    stub.add_response("list_jobs", {"jobSummaryList": [job("b", "SUBMITTED")]}, {**first, "nextToken": "t"})
    for state in ORDER[1:]:
        stub.add_response("list_jobs", {"jobSummaryList": []}, {"jobQueue": "q", "jobStatus": str(state)})
    assert BatchJobList(client, queue="q").counts(since_ms=0).by_state == {JobState.SUBMITTED: 2}


def test_an_empty_queue_has_no_oldest(client: Any, stub: Stubber):
    listing(stub, {})
    assert BatchJobList(client, queue="q").counts(since_ms=0) == JobCounts()


def test_that_nobody_may_list_is_said(client: Any, stub: Stubber):
    stub.add_client_error("list_jobs", "AccessDeniedException", "no", 403)
    with pytest.raises(AccessError, match=r"listing jobs of q \(needs batch:ListJobs and batch:DescribeJobs\)"):
        BatchJobList(client, queue="q").counts(since_ms=0)
