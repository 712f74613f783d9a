import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.errors import LeaseLostError, UnreadableImageError
from batch_job.imagery.ahead import AHEAD, done_ahead


@given(given_=st.lists(st.integers(), max_size=20), threads=st.integers(1, 4))
def test_results_come_in_order(given_: list[int], threads: int):
    assert list(done_ahead(lambda x: x * 2, given_, threads=threads)) == [x * 2 for x in given_]


def test_no_more_is_asked_for_than_a_few_for_each_thread():
    asked = 0

    def things() -> Iterator[int]:
        nonlocal asked
        for n in range(100):
            asked += 1
            yield n

    results = done_ahead(lambda x: x, things(), threads=2)
    for got in range(1, 20):
        next(results)
        assert asked <= got - 1 + AHEAD * 2
    results.close()
    assert asked < 30


def test_work_is_done_side_by_side():
    both = threading.Barrier(2, timeout=30)
    assert list(done_ahead(lambda _: both.wait() >= 0, range(2), threads=2)) == [True, True]


def test_what_comes_before_a_failure_is_handed_over_before_it():
    def things() -> Iterator[int]:
        yield from range(3)
        raise LeaseLostError("gone")

    got = []
    with pytest.raises(LeaseLostError, match="gone"):
        for one in done_ahead(lambda x: x, things(), threads=4):
            got.append(one)  # noqa: PERF402  it fails on the way
    assert got == [0, 1, 2]


def test_work_that_fails_fails_in_its_turn():
    def work(x: int) -> int:
        if x == 2:
            raise UnreadableImageError("odd")
        return x

    results = done_ahead(work, range(5), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(UnreadableImageError, match="odd"):
        next(results)


def test_who_leaves_early_leaves_no_thread():
    results = done_ahead(lambda x: x, range(50), threads=2)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
