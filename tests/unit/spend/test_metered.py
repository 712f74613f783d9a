"""Every attempt of a paid call draws first; no budget, no calls."""

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from batch_job.adapters.calls import Flow, Refused, call_all
from batch_job.adapters.dynamodb import MemoryBudget
from batch_job.errors import LeaseLostError, SetUpError, ThrottledError, UnavailableError
from batch_job.ports import Keep
from batch_job.spend.budget import LAPSE_US, SECOND_US, Rate
from batch_job.spend.metered import MAX_PROBES, MAX_STALE, Meter, MeteredDetector, Watch
from batch_job.values.answers import Answer, RawAnswer
from batch_job.values.budget import Draw, Drawn, Lane
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipFrame, Window

BEGAN_S = 1_800_000_000


def chip(number: int) -> Chip:
    window = Window(col_off=number, row_off=0, width=80, height=80)
    return Chip(ImageRef("b", "k.tif"), ChipFrame(window, 80, 80, 80, 80), body=b"pixels", media_type="image/png")


class Time:
    """Passes while somebody sleeps, and while the budget answers."""

    def __init__(self) -> None:
        self.us = 123_456

    def sleep(self, seconds: float) -> None:
        self.us += int(seconds * SECOND_US) + 1

    @property
    def watch(self) -> Watch:
        return Watch(boot_us=lambda: self.us, sleep=self.sleep, chance=lambda: 0.5)


class Budget(MemoryBudget):
    """In memory, some way off."""

    def __init__(self, time: Time, *, answers_after_us: int = 10_000) -> None:
        super().__init__(lambda: BEGAN_S + time.us / SECOND_US)
        self.time, self.answers_after_us = time, answers_after_us
        self.draws: list[Draw] = []
        self.error: Exception | None = None

    def time_s(self) -> int:
        self.time.us += self.answers_after_us // 2
        if self.error is not None:
            raise self.error
        answer = super().time_s()
        self.time.us += self.answers_after_us // 2
        return answer

    def draw(self, draw: Draw) -> Drawn:
        self.draws.append(draw)
        return super().draw(draw)


class Flaky:
    """A detector that throttles every chip's first attempt; fits ``ports.Detector``."""

    def __init__(self) -> None:
        self.attempts: list[int] = []

    def detect(self, chips: Iterator[Chip], *, keep: Keep) -> Iterator[Answer]:
        flow = Flow(calls_in_flight=1, sleep=lambda _: None, chance=lambda: 0.0)
        return call_all(chips, self._attempt, keep=keep, flow=flow)

    def _attempt(self, asked: Chip) -> Answer | Refused:
        self.attempts.append(asked.frame.window.col_off)
        if self.attempts.count(self.attempts[-1]) == 1:
            return Refused(ThrottledError("slow down"))
        return RawAnswer(asked.frame, engine="http", body=b"[]")


def meter(store: Budget, *, rate: float = 10, wanted: int = 4) -> Meter:
    return Meter(store, lane=Lane.BACKFILL, rate=Rate(rate), wanted=wanted, watch=store.time.watch)


def nothing() -> None:
    pass


def test_every_attempt_counts_retries_included():
    store, flaky = Budget(Time()), Flaky()
    answers = list(MeteredDetector(flaky, meter(store)).detect(iter([chip(n) for n in range(6)]), keep=nothing))
    assert len(answers) == 6
    assert len(flaky.attempts) == 12
    assert store.calls[Lane.BACKFILL] == 12
    assert {draw.calls for draw in store.draws} == {4}


def test_the_lease_is_looked_at_while_waiting_and_last_of_all():
    time, events = Time(), list[int]()
    store = Budget(time)
    slow = meter(store, rate=0.1)
    for _ in range(2):
        slow.take(lambda: events.append(time.us))
    gaps_us = [later - earlier for earlier, later in pairwise(events)]
    assert max(gaps_us) <= SECOND_US + 50_000
    assert events[-1] == time.us
    assert time.us >= 10 * SECOND_US


def test_a_lost_lease_passes_and_takes_no_call():
    store = Budget(Time())
    one = meter(store)
    one.take(nothing)

    def lost() -> None:
        raise LeaseLostError("another's")

    with pytest.raises(LeaseLostError):
        one.take(lost)
    for _ in range(3):
        one.take(nothing)
    assert store.calls[Lane.BACKFILL] == 4


@pytest.mark.parametrize(
    "error", [UnavailableError("no answer"), ThrottledError("slow down"), SetUpError("no such table")]
)
def test_no_call_is_made_while_the_budget_cannot_be_reached(error: Exception):
    store, flaky = Budget(Time()), Flaky()
    one = MeteredDetector(flaky, meter(store))
    assert len(list(one.detect(iter([chip(1), chip(2)]), keep=nothing))) == 2
    made, store.error = len(flaky.attempts), error
    with pytest.raises(type(error)):
        list(one.detect(iter([chip(3)]), keep=nothing))
    assert len(flaky.attempts) == made
    store.error = None
    assert len(list(one.detect(iter([chip(3)]), keep=nothing))) == 1


def test_calls_are_made_no_faster_than_the_rate_says_even_at_once():
    time, made = Time(), list[int]()
    one = meter(Budget(time), rate=10, wanted=100)
    for _ in range(50):
        one.take(nothing)
        made.append(time.us)
    assert made[49] - made[0] >= 49 * SECOND_US / 10 - SECOND_US
    assert made[49] - made[0] <= 49 * SECOND_US / 10 + SECOND_US / 10


def test_the_calls_of_a_block_are_spread_over_its_time():
    time, made = Time(), list[int]()
    one = meter(Budget(time), rate=10, wanted=5)
    for _ in range(40):
        one.take(nothing)
        made.append(time.us)
    gaps_us = [later - earlier for earlier, later in pairwise(made[10:])]
    assert min(gaps_us) >= 80_000
    assert max(gaps_us) <= 120_000


def test_calls_that_were_kept_too_long_are_drawn_anew():
    store = Budget(Time())
    one = meter(store)
    one.take(nothing)
    store.time.us += LAPSE_US + SECOND_US
    one.take(nothing)
    assert len(store.draws) == 2


def test_a_lane_draws_in_its_own_name():
    store = Budget(Time())
    Meter(store, lane=Lane.LIVE, rate=Rate(5), wanted=8, watch=store.time.watch).take(nothing)
    assert store.calls == {Lane.LIVE: 2}


def test_a_budget_that_answers_too_slowly_to_tell_the_time_ends_in_an_error():
    store = Budget(Time(), answers_after_us=SECOND_US)
    with pytest.raises(UnavailableError, match=f"{MAX_PROBES} answers did not tell the time"):
        meter(store).take(nothing)
    assert not store.draws


def test_grants_that_come_too_late_are_not_taken_up():
    store = Budget(Time())
    one = meter(store)
    one.take(nothing)
    for _ in range(3):
        one.take(nothing)
    store.answers_after_us = 400_000
    with pytest.raises(UnavailableError, match=f"{MAX_STALE} grants in a row came too late"):
        one.take(nothing)
    assert store.calls[Lane.BACKFILL] == 4 + MAX_STALE * 4


def test_a_lane_handed_out_far_ahead_is_an_error_not_a_wait_for_ever():
    store = Budget(Time())
    store.next_us[Lane.BACKFILL] = (BEGAN_S + 3600) * SECOND_US
    with pytest.raises(UnavailableError, match=r"lane backfill is handed out for 359\d s ahead: see docs/budget.md"):
        meter(store).take(nothing)


def test_a_machine_whose_clock_stood_still_takes_nothing_up_before_it_knows_the_time_again():
    time = Time()
    store = Budget(time)
    one = meter(store)
    for _ in range(4):
        one.take(nothing)
    frozen_us = 60 * SECOND_US
    store._now_s = lambda: BEGAN_S + (time.us + frozen_us) / SECOND_US
    one.take(nothing)
    late, fresh = store.draws[-2:]
    true_us = BEGAN_S * SECOND_US + time.us + frozen_us
    assert true_us - late.now_us >= frozen_us - SECOND_US
    assert 0 <= true_us - fresh.now_us <= SECOND_US // 2
    assert store.calls[Lane.BACKFILL] == 12


def test_threads_share_what_was_drawn():
    store = Budget(Time())
    one, taken = meter(store, rate=1000, wanted=50), list[int]()

    def work() -> None:
        for _ in range(100):
            one.take(nothing)
            taken.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 400
    assert store.calls[Lane.BACKFILL] == 400
