"""A pause holds back what was asked for, and no less than before."""

import pytest

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.orders import PAUSE_KEY, Orders
from batch_job.backfill.pausing import PauseChange, Paused, end_pause, pause, paused
from batch_job.errors import HandedBackError
from batch_job.values.budget import Lane


@pytest.fixture
def runs() -> MemoryRunStore:
    return MemoryRunStore()


@pytest.mark.parametrize(
    ("wanted", "lane", "stops"),
    [
        (Paused.BACKFILL, Lane.BACKFILL, True),
        (Paused.BACKFILL, Lane.LIVE, False),
        (Paused.EVERYTHING, Lane.BACKFILL, True),
        (Paused.EVERYTHING, Lane.LIVE, True),
    ],
)
def test_workers_obey_what_was_written(runs: MemoryRunStore, wanted: Paused, lane: Lane, *, stops: bool) -> None:
    pause(runs, wanted)
    orders = Orders(runs, lane=lane)
    if stops:
        with pytest.raises(HandedBackError):
            orders.check()
    else:
        orders.check()


def test_pausing_twice_changes_nothing_the_second_time(runs: MemoryRunStore) -> None:
    assert pause(runs, Paused.BACKFILL) == PauseChange(None, Paused.BACKFILL)
    assert pause(runs, Paused.BACKFILL) == PauseChange(Paused.BACKFILL, Paused.BACKFILL)
    assert pause(runs, Paused.EVERYTHING) == PauseChange(Paused.BACKFILL, Paused.EVERYTHING)


def test_a_narrower_pause_lets_nothing_on(runs: MemoryRunStore) -> None:
    pause(runs, Paused.EVERYTHING)
    assert pause(runs, Paused.BACKFILL) == PauseChange(Paused.EVERYTHING, Paused.EVERYTHING)


def test_the_end_of_a_pause_may_come_without_one(runs: MemoryRunStore) -> None:
    assert end_pause(runs) == PauseChange(None, None)
    pause(runs, Paused.BACKFILL)
    assert end_pause(runs) == PauseChange(Paused.BACKFILL, None)
    assert paused(runs) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"stop!", b'{"live": true}'])
def test_what_nobody_can_read_holds_everything_back(runs: MemoryRunStore, body: bytes) -> None:
    runs.put(PAUSE_KEY, body)
    assert paused(runs) is Paused.EVERYTHING
    with pytest.raises(HandedBackError):
        Orders(runs, lane=Lane.LIVE).check()
