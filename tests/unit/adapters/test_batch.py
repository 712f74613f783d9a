from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from batch_job.adapters.batch import BatchJobQueue, batch_client
from batch_job.errors import AccessError, SetUpError, ThrottledError, UnavailableError


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


@pytest.fixture
def queue(client: Any) -> BatchJobQueue:
    return BatchJobQueue(client, queue="backfill", definition="child:3")


def request(**more: Any) -> dict[str, Any]:
    return {"jobQueue": "backfill", "jobDefinition": "child:3", "parameters": {"shards": "r/p/0/2"}, **more}


ANSWER = {"jobId": "id-1", "jobName": "n"}


def test_an_array_has_its_size(queue: BatchJobQueue, stub: Stubber):
    stub.add_response("submit_job", ANSWER, request(jobName="run-p-0", arrayProperties={"size": 2}))
    assert queue.submit_array("run-p-0", {"shards": "r/p/0/2"}, size=2) == "id-1"


def test_a_job_of_its_own_is_no_array(queue: BatchJobQueue, stub: Stubber):
    stub.add_response("submit_job", ANSWER, request(jobName="run-p-0"))
    assert queue.submit("run-p-0", {"shards": "r/p/0/2"}) == "id-1"


def test_a_name_is_made_of_what_batch_takes(queue: BatchJobQueue, stub: Stubber):
    stub.add_response("submit_job", ANSWER, request(jobName="a-b---" + "x" * 122))
    queue.submit("a b/é." + "x" * 200, {"shards": "r/p/0/2"})


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("TooManyRequestsException", 429, ThrottledError),
        ("ServerException", 500, UnavailableError),
        ("ClientException", 400, SetUpError),
        ("AccessDeniedException", 403, AccessError),
    ],
)
def test_a_refused_submission_says_what_and_where(queue: BatchJobQueue, stub: Stubber, code: str, status, ours):
    stub.add_client_error("submit_job", code, "so it is", status)
    with pytest.raises(ours, match=rf"submitting n to backfill .*{code}: so it is"):
        queue.submit("n", {})


def test_a_job_is_cancelled(queue: BatchJobQueue, stub: Stubber):
    stub.add_response("cancel_job", {}, {"jobId": "id-1", "reason": "why"})
    queue.cancel("id-1", reason="why")


def test_a_job_that_is_over_or_forgotten_is_as_good_as_cancelled(queue: BatchJobQueue, stub: Stubber):
    stub.add_client_error("cancel_job", "ClientException", "no such job", 400)
    queue.cancel("id-1", reason="why")


def test_that_nobody_may_cancel_is_said(queue: BatchJobQueue, stub: Stubber):
    stub.add_client_error("cancel_job", "AccessDeniedException", "no", 403)
    with pytest.raises(AccessError, match="batch:CancelJob"):
        queue.cancel("id-1", reason="why")
