"""What a worker is told, and when it hears it."""

import pytest

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.orders import LOOK_S, PAUSE_KEY, EndAtOnce, Orders
from batch_job.errors import HandedBackError


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
