from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from batch_job.adapters.sqs import SqsMessageQueue, sqs_client
from batch_job.errors import SetUpError, UnavailableError

URL = "http://127.0.0.1:9/000000000000/plan"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    made = sqs_client(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def request(*bodies: str) -> dict[str, Any]:
    return {"QueueUrl": URL, "Entries": [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]}


SENT: dict[str, Any] = {"Successful": [], "Failed": []}


def test_messages_go_ten_at_a_time(client: Any, stub: Stubber):
    bodies = [f"body {number}" for number in range(12)]
    stub.add_response("send_message_batch", SENT, request(*bodies[:10]))
    stub.add_response("send_message_batch", SENT, request(*bodies[10:]))
    SqsMessageQueue(client, url=URL).send(iter(bodies))


def test_no_messages_are_no_request(client: Any, stub: Stubber):
    SqsMessageQueue(client, url=URL).send([])


def test_one_refused_message_fails_the_sending(client: Any, stub: Stubber):
    failed = {"Id": "1", "Code": "InternalError", "Message": "so it is", "SenderFault": False}
    stub.add_response("send_message_batch", {"Successful": [], "Failed": [failed]}, request("a", "b"))
    with pytest.raises(UnavailableError, match="refused 1 of 2 messages: InternalError: so it is"):
        SqsMessageQueue(client, url=URL).send(["a", "b"])


@pytest.mark.parametrize("code", ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_queue_that_is_not_there_is_a_matter_of_set_up(client: Any, stub: Stubber, code: str):
    stub.add_client_error("send_message_batch", code, "so it is", 400)
    with pytest.raises(SetUpError, match=f"sending 1 messages to {URL} "):
        SqsMessageQueue(client, url=URL).send(["a"])
