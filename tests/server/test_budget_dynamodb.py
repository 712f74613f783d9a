"""The budget over a real HTTP service: the same answers as in memory, and the cap over several threads and workers."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_job.adapters.dynamodb import ITEM, PARTITION_KEY, DynamoDbBudget, MemoryBudget, dynamodb_client
from batch_job.errors import SetUpError
from batch_job.spend.budget import SECOND_US, SLACK_US, Rate
from batch_job.spend.metered import Meter
from batch_job.values.budget import Draw, Drawn, Granted, Lane, NotYet
from local.emulator import KEY, REGION

pytestmark = pytest.mark.server

NOW_US = 1_800_000_000 * SECOND_US


@pytest.fixture(scope="module")
def client(s3_endpoint: str) -> Iterator[Any]:
    made = dynamodb_client(endpoint_url=s3_endpoint, region=REGION, access_key=KEY, secret_key=KEY)
    yield made
    made.close()


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    name = f"budget-{uuid.uuid4().hex[:12]}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": PARTITION_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": PARTITION_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    client.delete_table(TableName=name)


def without_date(drawn: Drawn) -> int | tuple[int]:
    """Give a grant's start as it is, a refusal's next moment in a tuple."""
    return drawn.start_us if isinstance(drawn, Granted) else (drawn.next_us,)


def forget(client: Any, table: str) -> None:
    client.delete_item(TableName=table, Key={PARTITION_KEY: {"S": ITEM}})


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    draws=st.lists(
        st.tuples(
            st.sampled_from(Lane),
            st.integers(min_value=-SECOND_US // 3, max_value=SECOND_US),
            st.integers(min_value=1, max_value=40),
        ),
        max_size=15,
    )
)
def test_it_answers_as_the_one_in_memory_does(client: Any, table: str, draws: list[tuple[Lane, int, int]]):
    forget(client, table)
    real, memory, now_us = DynamoDbBudget(client, table=table), MemoryBudget(), NOW_US
    for lane, passed_us, wanted in draws:
        now_us += passed_us
        draw = Rate(20).draw(lane, wanted=wanted, now_us=now_us)
        assert without_date(real.draw(draw)) == without_date(memory.draw(draw))
    item = client.get_item(TableName=table, Key={PARTITION_KEY: {"S": ITEM}}).get("Item", {})
    for lane, calls in memory.calls.items():
        assert item[f"{lane}_calls"] == {"N": str(calls)}
        assert item[f"{lane}_next_us"] == {"N": str(memory.next_us[lane])}


@pytest.mark.parametrize("next_us", [None, NOW_US - SLACK_US - 1, NOW_US - SLACK_US, NOW_US, NOW_US + 1], ids=str)
def test_the_borders_between_the_branches_are_those_in_memory(client: Any, table: str, next_us: int | None):
    real, memory = DynamoDbBudget(client, table=table), MemoryBudget()
    if next_us is not None:
        item = {PARTITION_KEY: {"S": ITEM}, "live_next_us": {"N": str(next_us)}}
        client.put_item(TableName=table, Item=item)
        memory.next_us[Lane.LIVE] = next_us
    draw = Rate(20).draw(Lane.LIVE, wanted=3, now_us=NOW_US)
    assert without_date(real.draw(draw)) == without_date(memory.draw(draw))


def test_its_dates_are_the_time_in_grants_refusals_and_readings(client: Any, table: str):
    budget, began = DynamoDbBudget(client, table=table), int(time.time())
    draw = Rate(1).draw(Lane.LIVE, wanted=1, now_us=NOW_US)
    granted, refused = budget.draw(draw), budget.draw(draw)
    assert isinstance(granted, Granted)
    assert isinstance(refused, NotYet)
    for date_s in (granted.date_s, refused.date_s, budget.time_s()):
        assert began <= date_s <= time.time() + 1


def test_of_many_threads_that_draw_at_one_moment_only_those_win_that_the_rate_allows(client: Any, table: str):
    budget, drawn = DynamoDbBudget(client, table=table), list[Drawn]()
    draw = Draw(lane=Lane.LIVE, calls=1, cost_us=SLACK_US // 4, now_us=NOW_US, oldest_us=NOW_US - SLACK_US)

    def work() -> None:
        for _ in range(8):
            drawn.append(budget.draw(draw))

    _in_threads([work] * 8)
    granted = sorted(d.start_us for d in drawn if isinstance(d, Granted))
    assert len(drawn) == 64
    assert granted == [NOW_US - SLACK_US + n * SLACK_US // 4 for n in range(5)]


def test_workers_together_keep_to_the_rate_by_the_services_own_count(client: Any, table: str):
    rate, made = Rate(40), list[float]()
    meters = [Meter(DynamoDbBudget(client, table=table), lane=Lane.BACKFILL, rate=rate, wanted=4) for _ in range(4)]

    def work(meter: Meter) -> None:
        for _ in range(15):
            meter.take(lambda: None)
            made.append(time.monotonic())

    _in_threads([lambda meter=meter: work(meter) for meter in meters])
    assert len(made) == 60
    made.sort()
    # true on the slowest machine: calls may come late, but never early
    assert made[-1] - made[0] >= 60 / rate.calls_per_s - rate.block_calls / rate.calls_per_s
    item = client.get_item(TableName=table, Key={PARTITION_KEY: {"S": ITEM}})["Item"]
    assert int(item["backfill_calls"]["N"]) >= 60


def test_a_table_that_is_not_there_stops_the_run(client: Any):
    with pytest.raises(SetUpError, match="drawing 1 calls from nowhere"):
        DynamoDbBudget(client, table="nowhere").draw(Rate(1).draw(Lane.LIVE, wanted=1, now_us=NOW_US))


def _in_threads(works: list[Any]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
