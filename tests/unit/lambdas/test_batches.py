"""What goes back to the queue, when it comes again, and when no more shall come."""

from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from batch_job.adapters.memory_runs import MemoryDeliveries
from batch_job.errors import (
    AccessError,
    BackfillError,
    ConflictError,
    HandedBackError,
    InputError,
    InventoryError,
    SettingsError,
    TransientError,
    UnavailableError,
)
from lambdas.batches import BEGIN_S, FIRST_WAIT_S, MAX_WAIT_S, MOST_REFUSALS, Batch, Context, time_left_s
from tests.unit.lambdas import batches
from tests.unit.lambdas.batches import event, left

MOST_RECEIVES = 20
"""Of the queues, before the dead letters."""


class Queue:
    """Messages whose bodies in ``failing`` fail."""

    def __init__(self, *, context: Context | None = None, **failing: BaseException):
        self.failing, self.taken = failing, list[str]()
        self.deliveries = MemoryDeliveries()
        self.context = context or batches.Context()

    def take(self, body: str) -> None:
        self.taken.append(body)
        if body in self.failing:
            raise self.failing[body]

    def answer(self, *bodies: str, receives: int = 1) -> list[str]:
        time_left = partial(time_left_s, self.context)
        batch = Batch(take=self.take, deliveries=self.deliveries, time_left_s=time_left)
        return left(batch.answer(event(*bodies, receives=receives)))


def test_messages_that_succeed_do_not_go_back():
    queue = Queue()
    assert queue.answer("a", "b") == []
    assert queue.taken == ["a", "b"]
    assert queue.deliveries == MemoryDeliveries()


@pytest.mark.parametrize(
    "error", [UnavailableError("away"), ConflictError("busy"), TransientError("left"), ValueError("a defect of ours")]
)
def test_a_message_that_fails_goes_back_alone_and_waits(error: Exception):
    queue = Queue(b=error)
    assert queue.answer("a", "b", "c") == ["m1"]
    assert queue.taken == ["a", "b", "c"]
    assert queue.deliveries == MemoryDeliveries({"r1": FIRST_WAIT_S})


@pytest.mark.parametrize("error", [InputError("poison"), InventoryError("ORC")])
def test_what_can_never_be_read_goes_back_at_once_so_that_somebody_sees_it_soon(error: InputError):
    queue = Queue(b=error)
    assert queue.answer("a", "b", "c", receives=7) == ["m1"]
    assert queue.deliveries.waits_s == {"r1": 0}


def test_waits_double_up_to_an_hour_and_outlast_an_outage_of_a_night():
    waits = []
    for receives in range(1, MOST_RECEIVES):
        queue = Queue(a=UnavailableError("away"))
        queue.answer("a", receives=receives)
        waits.append(queue.deliveries.waits_s["r0"])
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[9:] == [MAX_WAIT_S] * 10
    assert sum(waits) > 11 * 3600


def test_a_count_that_nobody_expects_is_no_defect():
    queue = Queue(a=UnavailableError("away"))
    queue.answer("a", receives=1000)
    assert queue.deliveries.waits_s == {"r0": MAX_WAIT_S}


@pytest.mark.parametrize("error", [AccessError("denied"), SettingsError("missing")])
def test_a_refused_deployment_fails_the_invocation_and_the_rest_is_not_tried(error: BackfillError):
    queue = Queue(b=error)
    with pytest.raises(type(error)):
        queue.answer("a", "b", "c", receives=2)
    assert queue.taken == ["a", "b"]
    assert queue.deliveries == MemoryDeliveries({"r1": 2 * FIRST_WAIT_S, "r2": 2 * FIRST_WAIT_S})


@pytest.mark.parametrize(("receives", "stopped"), [(MOST_REFUSALS - 1, False), (MOST_REFUSALS, True)])
def test_the_source_is_shut_when_patience_did_not_help(receives: int, *, stopped: bool):
    queue = Queue(a=AccessError("denied"))
    with pytest.raises(AccessError):
        queue.answer("a", receives=receives)
    assert queue.deliveries.stopped is stopped


def test_the_source_is_shut_long_before_the_dead_letters():
    assert MOST_REFUSALS < MOST_RECEIVES // 2


def test_a_paused_lane_shuts_its_source_and_fails_nothing():
    queue = Queue(b=HandedBackError("the live lane is paused"))
    assert queue.answer("a", "b", "c") == ["m1", "m2"]
    assert queue.taken == ["a", "b"]
    assert queue.deliveries == MemoryDeliveries({"r1": FIRST_WAIT_S, "r2": FIRST_WAIT_S}, stopped=True)


def test_messages_that_there_is_no_time_for_go_back_at_once():
    queue = Queue(context=batches.Context(BEGIN_S + 1, BEGIN_S - 1))
    assert queue.answer("a", "b", "c") == ["m1", "m2"]
    assert queue.taken == ["a"]
    assert queue.deliveries.waits_s == {"r1": 0, "r2": 0}


class Away(MemoryDeliveries):
    def postpone(self, receipt: str, *, wait_s: int) -> None:
        raise AccessError("sqs:ChangeMessageVisibility")

    def stop(self) -> None:
        raise UnavailableError("lambda")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnavailableError("away"), ["message.left", "message.not_postponed"]),
        (HandedBackError("paused"), ["message.not_postponed", "queue.stopped", "queue.not_shut"]),
    ],
)
def test_a_queue_that_does_not_listen_gets_its_messages_back_all_the_same(error: BackfillError, told: list[str]):
    queue = Queue(a=error)
    queue.deliveries = Away()
    with capture_logs() as logs:
        assert queue.answer("a") == ["m0"]
    assert [line["event"] for line in logs] == told


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (UnavailableError("away"), "message.left"),
        (InputError("x"), "message.rejected"),
        (KeyError("x"), "message.defect"),
    ],
)
def test_what_goes_back_is_logged_with_its_reason(error: Exception, name: str):
    with capture_logs() as logs:
        Queue(a=error).answer("a", receives=3)
    [line] = logs
    assert (line["event"], line["message_id"], line["receives"]) == (name, "m0", 3)
    assert name == "message.defect" or line["error"] == f"{type(error).__name__}: {error}"


def test_a_shut_queue_is_told_with_its_reason():
    with capture_logs() as logs, pytest.raises(AccessError):
        Queue(a=AccessError("denied")).answer("a", receives=MOST_REFUSALS)
    facts: list[dict[str, Any]] = [{name: line[name] for name in line if name != "log_level"} for line in logs]
    assert facts == [
        {"event": "queue.stopped", "message_id": "m0", "receives": MOST_REFUSALS, "error": "AccessError: denied"},
        {"event": "queue.shut", "reason": "AccessError: denied"},
    ]


def test_what_ends_the_process_passes():
    batch = Batch(take=Queue(a=KeyboardInterrupt()).take, deliveries=MemoryDeliveries(), time_left_s=lambda: 900)
    with pytest.raises(KeyboardInterrupt):
        batch.answer(event("a"))
