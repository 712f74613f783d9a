"""One call of the live Lambda: settings, time, and what is ended where it is."""

import signal

import pytest
import structlog

from batch_job.adapters.memory_runs import MemoryDeliveries, MemoryRunStore
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.errors import SettingsError
from lambdas import batches
from lambdas.on_object import AT_ONCE_S, HAND_BACK_S, Invocation, handler
from tests.unit.lambdas.batches import Context, event, of_s3


class Door:
    """Stands for ``LiveDoor``: notes what it takes."""

    def __init__(self) -> None:
        self.orders, self.bodies = Orders(MemoryRunStore()), list[str]()
        self.alarm_s = 0.0

    def take(self, body: str) -> None:
        self.bodies.append(body)
        self.alarm_s = signal.getitimer(signal.ITIMER_REAL)[0]
        if body == "stuck":
            signal.pause()


class Connected:
    """Stands for ``Live``: notes how much time its doors get."""

    def __init__(self) -> None:
        self.times_s, self.opened = list[float](), Door()

    def __call__(self) -> "Connected":
        return self

    def door(self, *, time_s: float) -> Door:
        self.times_s.append(time_s)
        return self.opened


def invocation(connected: Connected, *seconds: float) -> Invocation:
    return Invocation(connected, Context(*seconds))  # type: ignore[arg-type]


def test_all_messages_of_a_call_go_through_one_door_that_closes_before_the_calls_end():
    connected = Connected()
    call = invocation(connected, 900)
    call.take("a")
    call.take("b")
    assert connected.opened.bodies == ["a", "b"]
    assert connected.times_s == [900 - HAND_BACK_S]


def test_the_next_call_has_a_door_of_its_own():
    connected = Connected()
    for seconds in (900, 300):
        invocation(connected, seconds).take("a")
    assert connected.times_s == [900 - HAND_BACK_S, 300 - HAND_BACK_S]


def test_a_message_that_does_not_look_at_the_time_is_ended_before_lambda_does_it():
    connected = Connected()
    with pytest.raises(EndAtOnce):
        invocation(connected, 900, AT_ONCE_S + 0.01).take("stuck")
    assert connected.opened.orders.ending


def test_who_does_not_look_at_the_time_has_it_almost_to_the_end():
    connected = Connected()
    invocation(connected, 900).take("a")
    assert connected.opened.alarm_s == pytest.approx(900 - AT_ONCE_S, abs=1)


def test_there_is_time_to_begin_only_where_there_is_time_to_hand_back():
    assert batches.BEGIN_S > HAND_BACK_S > AT_ONCE_S > 0


def test_a_function_without_settings_names_all_that_are_missing_and_its_messages_wait(monkeypatch):
    deliveries = MemoryDeliveries()
    monkeypatch.setattr(batches, "open_deliveries", lambda _arn: deliveries)
    try:
        with pytest.raises(SettingsError) as error:
            handler(event(of_s3("b", "a.tif"), of_s3("b", "b.tif")), Context())
    finally:
        structlog.reset_defaults()
    for name in ("BUCKET", "RUNS_URI", "ARCHIVE_URI", "INDEX_URL", "LIVE_JOB_QUEUE", "LIVE_JOB_DEFINITION"):
        assert f"BACKFILL_{name}:" in str(error.value)
    assert deliveries.waits_s == {"r0": batches.FIRST_WAIT_S, "r1": batches.FIRST_WAIT_S}
