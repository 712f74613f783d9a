from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from batch_job.adapters import dynamodb
from batch_job.adapters.aws_errors import DYNAMODB
from batch_job.adapters.dynamodb import DynamoDbBudget, dynamodb_client
from batch_job.errors import AccessError, SettingsError, SetUpError, ThrottledError, UnavailableError
from batch_job.values.budget import Draw, Granted, Lane, NotYet

DRAW = Draw(lane=Lane.LIVE, calls=3, cost_us=600, now_us=10_000, oldest_us=9_000)
DATE = "Fri, 02 Jan 2026 03:04:05 GMT"
DATE_S = 1_767_323_045
NOWHERE = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1", "access_key": "k", "secret_key": "s"}
FACTS = {"HTTPHeaders": {"date": DATE}}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    made = dynamodb_client(**NOWHERE)
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def budget(client: Any, stub: Stubber) -> DynamoDbBudget:
    return DynamoDbBudget(client, table="budget-table")


def refuse(stub: Stubber, item: dict[str, Any]) -> None:
    stub.add_client_error(
        "update_item",
        "ConditionalCheckFailedException",
        http_status_code=400,
        response_meta=FACTS,
        modeled_fields={"Item": item} if item else None,
    )


def grant(stub: Stubber, next_us: int, condition: str, values: dict[str, int]) -> None:
    stub.add_response(
        "update_item",
        {"Attributes": {"live_next_us": {"N": str(next_us)}, "live_calls": {"N": "9"}}, "ResponseMetadata": FACTS},
        expected_update(condition, values),
    )


def expected_update(condition: str, values: dict[str, int]) -> dict[str, Any]:
    set_next = "#next = #next + :cost" if ":cost" in values else "#next = :end"
    return {
        "TableName": "budget-table",
        "Key": {"budget": {"S": "calls"}},
        "UpdateExpression": f"SET {set_next} ADD #calls :calls",
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#next": "live_next_us", "#calls": "live_calls"},
        "ExpressionAttributeValues": {name: {"N": str(value)} for name, value in {**values, ":calls": 3}.items()},
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


IN_USE = ("#next BETWEEN :oldest AND :now", {":cost": 600, ":oldest": 9_000, ":now": 10_000})
AT_REST = ("attribute_not_exists(#next) OR #next < :oldest", {":end": 9_600, ":oldest": 9_000})


def test_a_lane_in_use_goes_on_from_its_next_moment(budget: DynamoDbBudget, stub: Stubber):
    grant(stub, 10_100, *IN_USE)
    assert budget.draw(DRAW) == Granted(9_500, DATE_S)


@pytest.mark.parametrize("item", [{}, {"live_next_us": {"N": "8999"}}, {"backfill_next_us": {"N": "99999"}}], ids=str)
def test_a_lane_at_rest_begins_at_the_oldest_moment_allowed(
    budget: DynamoDbBudget, stub: Stubber, item: dict[str, Any]
):
    refuse(stub, item)
    grant(stub, 9_600, *AT_REST)
    assert budget.draw(DRAW) == Granted(9_000, DATE_S)


def test_a_lane_whose_next_moment_has_not_come_says_when_in_one_request(budget: DynamoDbBudget, stub: Stubber):
    refuse(stub, {"live_next_us": {"N": "10001"}})
    assert budget.draw(DRAW) == NotYet(10_001, DATE_S)


def test_whoever_comes_second_to_a_lane_at_rest_is_told_the_new_moment(budget: DynamoDbBudget, stub: Stubber):
    refuse(stub, {})
    refuse(stub, {"live_next_us": {"N": "9600"}})
    assert budget.draw(DRAW) == NotYet(9_600, DATE_S)


def test_the_time_is_the_answers_date(budget: DynamoDbBudget, stub: Stubber):
    stub.add_response("get_item", {"ResponseMetadata": FACTS})
    assert budget.time_s() == DATE_S


def test_an_answer_without_a_date_is_of_no_use(budget: DynamoDbBudget, stub: Stubber):
    stub.add_response("get_item", {"ResponseMetadata": {"HTTPHeaders": {}}})
    with pytest.raises(UnavailableError, match="no Date"):
        budget.time_s()


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("ProvisionedThroughputExceededException", 400, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("InternalServerError", 500, UnavailableError),
        ("ResourceNotFoundException", 400, SetUpError),
        ("ValidationException", 400, SetUpError),
        ("AccessDeniedException", 400, AccessError),
        ("UnrecognizedClientException", 400, AccessError),
    ],
)
def test_a_refused_draw_says_what_was_asked_and_what_helps(
    budget: DynamoDbBudget, stub: Stubber, code: str, status: int, ours: type[Exception]
):
    stub.add_client_error("update_item", code, "so it is", http_status_code=status)
    with pytest.raises(ours, match=rf"drawing 3 calls from budget-table \(needs dynamodb:UpdateItem\): {code}: so"):
        budget.draw(DRAW)


def test_a_service_that_cannot_be_reached_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dynamodb, "ATTEMPTS", 1)
    quick = dynamodb_client(**NOWHERE)
    with pytest.raises(UnavailableError, match=r"reading the budget in t .*127\.0\.0\.1:9"):
        DynamoDbBudget(quick, table="t").time_s()
    quick.close()


@pytest.mark.parametrize("operation", ["UpdateItem", "GetItem"])
def test_every_declared_error_is_sorted(operation: str):
    model = boto3.client("dynamodb", region_name="us-east-1").meta.service_model
    declared = {shape.name for shape in model.operation_model(operation).error_shapes}
    assert declared
    assert declared <= DYNAMODB.keys()


def test_a_profile_that_is_not_there_is_a_matter_of_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="connecting to DynamoDB"):
        dynamodb_client(region="us-east-1")
