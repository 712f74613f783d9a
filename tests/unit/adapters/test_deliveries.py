from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from batch_job.adapters.deliveries import SqsDeliveries
from batch_job.adapters.event_sources import EventSource, lambda_client
from batch_job.adapters.sqs import sqs_client
from batch_job.errors import AccessError, ConflictError, SetUpError

ARN = "arn:aws:sqs:us-east-1:111122223333:live"
URL = "https://sqs.us-east-1.amazonaws.com/111122223333/live"
UUID = "7c1d6a4e-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.fixture
def sqs() -> Iterator[Stubber]:
    client = sqs_client(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
    client.close()


@pytest.fixture
def functions() -> Iterator[Stubber]:
    client = lambda_client(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
    client.close()


@pytest.fixture
def deliveries(sqs: Stubber, functions: Stubber) -> SqsDeliveries:
    return SqsDeliveries(ARN, sqs=lambda: sqs.client, functions=lambda: functions.client)


@pytest.fixture
def source(functions: Stubber) -> EventSource:
    return EventSource(functions.client, queue_arn=ARN)


def finds_queue(sqs: Stubber) -> None:
    sqs.add_response(
        "get_queue_url", {"QueueUrl": URL}, {"QueueName": "live", "QueueOwnerAWSAccountId": "111122223333"}
    )


def finds_mappings(functions: Stubber, *states: str) -> None:
    found = [{"UUID": UUID, "State": state} for state in states]
    functions.add_response("list_event_source_mappings", {"EventSourceMappings": found}, {"EventSourceArn": ARN})


def postponed(receipt: str, wait_s: int) -> dict[str, Any]:
    return {"QueueUrl": URL, "ReceiptHandle": receipt, "VisibilityTimeout": wait_s}


def test_messages_are_postponed_one_by_one_in_a_queue_that_is_looked_for_once(deliveries, sqs):
    finds_queue(sqs)
    sqs.add_response("change_message_visibility", {}, postponed("r1", 20))
    sqs.add_response("change_message_visibility", {}, postponed("r2", 0))
    deliveries.postpone("r1", wait_s=20)
    deliveries.postpone("r2", wait_s=0)


@pytest.mark.parametrize("code", ["MessageNotInflight", "ReceiptHandleIsInvalid"])
def test_a_message_that_is_back_already_is_no_failure(deliveries, sqs, code):
    finds_queue(sqs)
    sqs.add_client_error("change_message_visibility", code, "so it is", 400)
    deliveries.postpone("r1", wait_s=20)


def test_who_may_not_postpone_is_told_what_is_missing(deliveries, sqs):
    finds_queue(sqs)
    sqs.add_client_error("change_message_visibility", "AccessDenied", "so it is", 403)
    with pytest.raises(AccessError, match="sqs:ChangeMessageVisibility"):
        deliveries.postpone("r1", wait_s=20)


def test_stopping_shuts_the_queues_event_source(deliveries, functions):
    finds_mappings(functions, "Enabled")
    functions.add_response("update_event_source_mapping", {}, {"UUID": UUID, "Enabled": False})
    deliveries.stop()


def test_a_source_is_opened(source, functions):
    finds_mappings(functions, "Disabled")
    functions.add_response("update_event_source_mapping", {}, {"UUID": UUID, "Enabled": True})
    source.open()


@pytest.mark.parametrize(
    ("states", "is_open"),
    [
        (("Enabled",), True),
        (("Enabling",), True),
        (("Updating",), True),
        (("Disabled",), False),
        (("Disabling",), False),
        (("Enabled", "Disabled"), False),
    ],
)
def test_a_source_is_open_when_messages_come_or_will_in_a_moment(source, functions, states, *, is_open):
    finds_mappings(functions, *states)
    assert source.is_open is is_open


def test_a_queue_that_feeds_nothing_is_a_matter_of_set_up(source, functions):
    finds_mappings(functions)
    with pytest.raises(SetUpError, match=f"{ARN} is the event source of"):
        source.shut()


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [("ResourceInUseException", 400, ConflictError), ("AccessDeniedException", 403, AccessError)],
)
def test_a_source_that_cannot_be_set_says_why(source, functions, code, status, ours):
    finds_mappings(functions, "Enabled")
    functions.add_client_error("update_event_source_mapping", code, "so it is", status)
    with pytest.raises(ours, match="lambda:UpdateEventSourceMapping"):
        source.shut()
