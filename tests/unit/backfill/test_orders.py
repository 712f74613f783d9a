"""What a worker is told, and when it hears it."""

import signal
import threading

import pytest

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.orders import LOOK_S, PAUSE_KEY, EndAtOnce, Orders, ended_at_once_after
from batch_job.errors import HandedBackError
from batch_job.values.budget import Lane


def test_the_pause_is_looked_for_once_in_some_seconds_and_its_end_is_seen():
    gets: list[str] = []
    seconds = [0.0]

    class Store(MemoryRunStore):
        def get(self, key: str) -> bytes | None:
            gets.append(key)
            return super().get(key)

    orders = Orders(store := Store(), now=lambda: seconds[0])
    for _ in range(20):
        orders.check()
    assert gets == [PAUSE_KEY]
    store.put(PAUSE_KEY, b"")
    orders.check()
    seconds[0] = LOOK_S
    with pytest.raises(HandedBackError, match="paused"):
        orders.check()
    del store.objects[PAUSE_KEY]
    seconds[0] = 2 * LOOK_S
    orders.check()
    assert len(gets) == 3


def test_whoever_ends_at_once_is_not_taken_for_an_error_of_an_image():
    assert not issubclass(EndAtOnce, Exception)


def test_told_to_end_it_does_not_ask_for_the_pause_first():
    class Away(MemoryRunStore):
        def get(self, key: str) -> bytes | None:
            raise AssertionError(key)

    orders = Orders(Away())
    orders.end()
    with pytest.raises(HandedBackError, match="told to end"):
        orders.check()


@pytest.mark.parametrize(
    ("body", "live"),
    [
        (b"", True),
        (b"{}", False),
        (b'{"live": false}', False),
        (b'{"live": true}', True),
        (b"[]", True),
        (b"written by hand", True),
    ],
)
def test_a_pause_stops_the_backfill_whatever_it_says_and_the_live_lane_unless_it_lets_it_go_on(body, live):
    store = MemoryRunStore()
    store.put(PAUSE_KEY, body)
    with pytest.raises(HandedBackError, match="backfill lane is paused"):
        Orders(store).check()
    orders = Orders(store, lane=Lane.LIVE)
    if live:
        with pytest.raises(HandedBackError, match="live lane is paused"):
            orders.check()
    else:
        orders.check()


def test_a_worker_ends_when_its_time_is_up():
    seconds = [100.0]
    orders = Orders(MemoryRunStore(), now=lambda: seconds[0])
    orders.end_after(10)
    seconds[0] = 109.9
    orders.check()
    assert not orders.ending
    seconds[0] = 110.0
    assert orders.ending
    with pytest.raises(HandedBackError, match="time is up"):
        orders.check()


def test_who_does_not_listen_is_ended_where_it_is():
    orders, before = Orders(MemoryRunStore()), signal.getsignal(signal.SIGALRM)
    with pytest.raises(EndAtOnce), ended_at_once_after(0.01, orders):
        signal.pause()
    assert orders.ending
    assert signal.getsignal(signal.SIGALRM) is before


def test_who_is_through_in_time_hears_nothing_later():
    orders = Orders(MemoryRunStore())
    with ended_at_once_after(1000, orders):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert not orders.ending


def test_a_time_that_is_past_is_now():
    with pytest.raises(EndAtOnce), ended_at_once_after(-5, Orders(MemoryRunStore())):
        signal.pause()


def test_outside_of_the_main_thread_nobody_hears():
    def work() -> None:
        with ended_at_once_after(0, Orders(MemoryRunStore())):
            heard.append(signal.getitimer(signal.ITIMER_REAL)[0])

    heard: list[float] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [0]
