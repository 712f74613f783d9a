import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters import calls
from batch_job.adapters.calls import Attempt, Flow, Pace, Patience, Refused, call_all
from batch_job.errors import (
    AccessError,
    DetectorDownError,
    LeaseLostError,
    OutOfBudgetError,
    ThrottledError,
    UnavailableError,
)
from batch_job.ports import Count
from batch_job.tally import Tally
from batch_job.values.answers import Answer, ChipRejected, RawAnswer
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipFrame, Window

IMAGE = ImageRef(bucket="b", key="k.tif")
WAIT_S = 20  # for other threads; never reached unless something is broken


def chip(number: int) -> Chip:
    window = Window(col_off=number, row_off=0, width=80, height=80)
    return Chip(IMAGE, ChipFrame(window, 80, 80, 80, 80), body=b"pixels", media_type="image/png")


def number_of(thing: Chip | Answer) -> int:
    return thing.frame.window.col_off


def answer(asked: Chip) -> Answer:
    return RawAnswer(asked.frame, engine="http", body=b"[]")


class FakeTime:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s, self.slept_s = 0.0, list[float]()

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        assert len(self.slept_s) < 1000, "it would never end"
        self.now_s += seconds


class Script:
    """Attempts as scripted: for each chip what happens at each attempt, an answer after the script's end."""

    def __init__(self, outcomes: dict[int, list[Exception | Refused]] | None = None) -> None:
        self._outcomes, self.attempts, self._lock = outcomes or {}, Counter[int](), threading.Lock()

    def __call__(self, asked: Chip) -> Answer | Refused:
        number = number_of(asked)
        with self._lock:
            attempt = self.attempts[number]
            self.attempts[number] += 1
        planned = self._outcomes.get(number, [])
        outcome = planned[attempt] if attempt < len(planned) else answer(asked)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Gate:
    """Attempts that hang until they are let through."""

    def __init__(self, held: set[int]) -> None:
        self.events = {number: threading.Event() for number in held}
        self.began = {number: threading.Event() for number in held}
        self.calls = Counter[int]()

    def __call__(self, asked: Chip) -> Answer:
        number = number_of(asked)
        self.calls[number] += 1
        if number in self.events:
            self.began[number].set()
            assert self.events[number].wait(WAIT_S)
        return answer(asked)


def run(
    attempt: Attempt,
    *,
    chips: int = 6,
    calls_in_flight: int = 3,
    keep: Callable[[], None] = lambda: None,
    patience: Patience | None = None,
) -> tuple[list[Answer], Exception | None, FakeTime, Tally]:
    """Call for all chips and tell what was yielded and how it ended."""
    clock, tally = FakeTime(), Tally()
    flow = Flow(
        calls_in_flight=calls_in_flight,
        progress=tally,
        patience=patience or Patience(),
        now=clock.now,
        sleep=clock.sleep,
        chance=lambda: 1.0,
    )
    answers = []
    try:
        for got in call_all(map(chip, range(chips)), attempt, keep=keep, flow=flow):
            answers.append(got)  # noqa: PERF402  those before an error count
    except Exception as error:  # noqa: BLE001
        return answers, error, clock, tally
    return answers, None, clock, tally


def numbers(answers: list[Answer]) -> list[int]:
    return sorted(map(number_of, answers))


@given(st.integers(0, 20), st.integers(1, 8))
def test_every_chip_is_answered_once(chips: int, calls_in_flight: int) -> None:
    script = Script()
    answers, error, _, tally = run(script, chips=chips, calls_in_flight=calls_in_flight)
    assert error is None
    assert numbers(answers) == list(range(chips))
    assert script.attempts == Counter(range(chips))
    assert tally.counts[Count.ANSWERS] == chips


def test_throttling_of_three_in_ten_attempts_loses_no_chip() -> None:
    lock, rng = threading.Lock(), random.Random(7)

    def throttled(asked: Chip) -> Answer:
        with lock:
            refused = rng.random() < 0.3
        if refused:
            raise ThrottledError("slow down")
        return answer(asked)

    answers, error, _, tally = run(throttled, chips=2000, calls_in_flight=8)
    assert error is None
    assert numbers(answers) == list(range(2000))
    assert 600 < tally.counts[Count.THROTTLED] < 1200


def test_no_more_chips_are_alive_than_calls_in_flight() -> None:
    gate, pulled = Gate({0, 1, 2}), []

    def chips() -> Iterator[Chip]:
        for number in range(5):
            pulled.append(number)
            yield chip(number)

    seen: list[Answer] = []
    flow = Flow(calls_in_flight=3)
    thread = threading.Thread(target=lambda: seen.extend(call_all(chips(), gate, keep=lambda: None, flow=flow)))
    thread.start()
    assert all(event.wait(WAIT_S) for event in gate.began.values())
    assert pulled == [0, 1, 2]
    for event in gate.events.values():
        event.set()
    thread.join(WAIT_S)
    assert numbers(seen) == [0, 1, 2, 3, 4]


def test_a_chip_that_waits_for_its_next_attempt_counts_as_alive() -> None:
    alive, most = set[int](), 0

    def chips() -> Iterator[Chip]:
        nonlocal most
        for number in range(12):
            alive.add(number)
            most = max(most, len(alive))
            yield chip(number)

    script = Script({number: [ThrottledError("slow down")] * 4 for number in range(0, 12, 2)})
    clock = FakeTime()
    flow = Flow(calls_in_flight=3, now=clock.now, sleep=clock.sleep)
    for got in call_all(chips(), script, keep=lambda: None, flow=flow):
        alive.discard(number_of(got))
    assert not alive
    # the loop fills up before it hands out: up to three answers are on their way to us
    assert most <= 3 + 3


def test_chips_are_pulled_and_the_lease_is_kept_in_the_callers_thread() -> None:
    threads = set()

    def chips() -> Iterator[Chip]:
        for number in range(5):
            threads.add(threading.get_ident())
            yield chip(number)

    script = Script({3: [UnavailableError("down")]})
    clock = FakeTime()
    flow = Flow(calls_in_flight=2, now=clock.now, sleep=clock.sleep)
    list(call_all(chips(), script, keep=lambda: threads.add(threading.get_ident()), flow=flow))
    assert threads == {threading.get_ident()}


def test_the_lease_is_kept_before_every_attempt() -> None:
    kept, script = Counter[str](), Script({1: [ThrottledError("slow down")] * 3, 4: [UnavailableError("down")]})
    run(script, keep=lambda: kept.update(["kept"]))
    assert kept["kept"] == script.attempts.total() == 10


def test_a_lost_lease_starts_no_call_and_the_answers_under_way_are_yielded() -> None:
    gate, kept = Gate({0, 1}), Counter[str]()

    def keep() -> None:
        kept.update(["kept"])
        if kept["kept"] == 3:
            for event in gate.events.values():
                event.set()
            raise LeaseLostError("somebody else's")

    answers, error, _, _ = run(gate, keep=keep)
    assert isinstance(error, LeaseLostError)
    assert numbers(answers) == [0, 1]
    assert gate.calls == Counter([0, 1])


def test_when_pulling_fails_the_answers_under_way_are_yielded() -> None:
    gate = Gate({0, 1})

    def chips() -> Iterator[Chip]:
        yield chip(0)
        yield chip(1)
        for event in gate.events.values():
            event.set()
        raise OutOfBudgetError("no more")

    got: list[int] = []
    with pytest.raises(OutOfBudgetError):
        got.extend(map(number_of, call_all(chips(), gate, keep=lambda: None, flow=Flow(calls_in_flight=4))))
    # list.extend keeps what came before the error
    assert sorted(got) == [0, 1]


@pytest.mark.parametrize(
    ("refusal", "attempts"),
    [(ThrottledError("slow down"), 20), (UnavailableError("down"), 8)],
    ids=["throttled", "down"],
)
def test_a_chip_that_is_always_refused_ends_the_run_after_so_many_attempts(refusal: Exception, attempts: int) -> None:
    script = Script({2: [refusal] * 99})
    answers, error, _, _ = run(script)
    assert isinstance(error, DetectorDownError)
    assert f"{refusal}; gave up after {attempts} attempts" in str(error)
    assert error.__cause__ is refusal
    assert script.attempts[2] == attempts
    assert 2 not in numbers(answers)
    assert {0, 1} <= set(numbers(answers))


def test_a_chip_is_given_up_after_so_long() -> None:
    script = Script({0: [Refused(ThrottledError("slow down"), wait_s=60)] * 99})
    _, error, clock, _ = run(script, chips=1)
    assert isinstance(error, DetectorDownError)
    assert isinstance(error.__cause__, ThrottledError)
    assert 300 <= clock.now_s < 400


def test_few_refusals_of_each_kind_are_no_reason_to_give_up() -> None:
    script = Script({0: [ThrottledError("slow down")] * 7 + [UnavailableError("down")] * 7})
    answers, error, _, _ = run(script, chips=1)
    assert (numbers(answers), error) == ([0], None)


def test_delays_double_up_to_a_maximum() -> None:
    script = Script({0: [ThrottledError("slow down")] * 10})
    _, _, clock, _ = run(script, chips=1)
    assert clock.slept_s == pytest.approx([0.25, 0.5, 1, 2, 4, 8, 16, 20, 20, 20])


@given(st.integers(1, 2000), st.floats(0, 1))
def test_a_delay_is_some_part_of_the_whole(refusals: int, chance: float) -> None:
    patience = Patience()
    assert 0 <= patience.delay_s(refusals, chance) <= patience.max_delay_s


def test_what_the_service_asks_to_wait_is_waited_and_more() -> None:
    _, _, clock, _ = run(Script({0: [Refused(UnavailableError("down"), wait_s=7)]}), chips=1)
    assert clock.slept_s == pytest.approx([7.25])


def test_access_denied_ends_the_run_at_once() -> None:
    script = Script({0: [AccessError("denied")]})
    answers, error, clock, _ = run(script, chips=50, calls_in_flight=1)
    assert isinstance(error, AccessError)
    assert (answers, clock.slept_s, script.attempts.total()) == ([], [], 1)


def test_access_denied_leaves_the_answers_under_way() -> None:
    gate = Gate({0})

    def denied(asked: Chip) -> Answer:
        if number_of(asked) == 1:
            assert gate.began[0].wait(WAIT_S)
            threading.Timer(0, gate.events[0].set).start()
            raise AccessError("denied")
        return gate(asked)

    answers, error, _, _ = run(denied, chips=2, calls_in_flight=2)
    assert isinstance(error, AccessError)
    assert numbers(answers) == [0]


def test_after_a_failure_nobody_waits_for_a_chip_that_was_to_be_tried_again() -> None:
    script = Script({0: [ThrottledError("slow down")]})
    first_refused = threading.Event()

    def attempt(asked: Chip) -> Answer | Refused:
        if number_of(asked) == 0:
            first_refused.set()
            return script(asked)
        assert first_refused.wait(WAIT_S)
        raise AccessError("denied")

    _, error, clock, _ = run(attempt, chips=2, calls_in_flight=2)
    assert isinstance(error, AccessError)
    assert (script.attempts[0], clock.slept_s) == (1, [])


def test_a_refusal_after_a_failure_is_not_tried_again() -> None:
    denied = threading.Event()
    script = Script({0: [ThrottledError("slow down")]})

    def keep() -> None:
        if denied.is_set():
            threading.Timer(0, refuse.set).start()
            raise LeaseLostError("somebody else's")

    refuse = threading.Event()

    def attempt(asked: Chip) -> Answer | Refused:
        if number_of(asked) == 0:
            assert refuse.wait(WAIT_S)
            return script(asked)
        denied.set()
        return answer(asked)

    _, error, clock, _ = run(attempt, chips=3, calls_in_flight=2, keep=keep)
    assert isinstance(error, LeaseLostError)
    assert (script.attempts[0], clock.slept_s) == (1, [])


def test_an_error_that_nobody_foresaw_passes_on() -> None:
    _, error, _, _ = run(Script({1: [ZeroDivisionError("bug")]}))
    assert isinstance(error, ZeroDivisionError)


def test_a_rejected_chip_is_an_outcome_and_counted_apart() -> None:
    def rejecting(asked: Chip) -> Answer:
        return ChipRejected(asked.frame, code="TooBig", message="no") if number_of(asked) == 2 else answer(asked)

    answers, error, _, tally = run(rejecting)
    assert error is None
    assert [type(got) for got in sorted(answers, key=number_of)][2] is ChipRejected
    assert (tally.counts[Count.ANSWERS], tally.counts[Count.REJECTED]) == (5, 1)


def test_closing_ends_every_thread() -> None:
    before = threading.active_count()
    answers = call_all(map(chip, range(9)), Script(), keep=lambda: None, flow=Flow(calls_in_flight=4))
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_nothing_is_called_before_somebody_asks_for_an_answer() -> None:
    script = Script()
    call_all(map(chip, range(9)), script, keep=lambda: None, flow=Flow(calls_in_flight=4))
    assert script.attempts.total() == 0


def test_refusals_slow_the_pace_once_a_round_and_answers_bring_it_back() -> None:
    pace = Pace(8)
    for _ in range(8):
        pace.refused(cuts_at_start=0)
    assert pace.allowed == 5
    for _ in range(100):
        pace.refused(cuts_at_start=pace.cuts)
    assert pace.allowed == 1
    for _ in range(100):
        pace.answered()
    assert pace.allowed == 8


def test_after_refusals_fewer_calls_are_under_way() -> None:
    under_way, most_later, lock, calls = 0, 0, threading.Lock(), 0

    def attempt(asked: Chip) -> Answer:
        nonlocal under_way, most_later, calls
        with lock:
            calls += 1
            under_way += 1
            refused = calls <= 60
            most_later = max(most_later, under_way) if 30 < calls <= 60 else most_later
        with lock:
            under_way -= 1
        if refused:
            raise ThrottledError("slow down")
        return answer(asked)

    answers, error, _, _ = run(attempt, chips=20, calls_in_flight=8)
    assert error is None
    assert len(answers) == 20
    assert most_later == 1


def test_ctrl_c_starts_no_call_and_hands_on_the_answers_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    waits = iter([KeyboardInterrupt])
    real_wait = calls.wait

    def wait(*args: Any, **kwargs: Any) -> Any:
        for interruption in waits:
            raise interruption
        return real_wait(*args, **kwargs)

    def attempt(one: Chip) -> Answer:
        asked.append(number_of(one))
        return answer(one)

    monkeypatch.setattr(calls, "wait", wait)
    got: list[Answer] = []
    with pytest.raises(KeyboardInterrupt):
        got.extend(call_all(map(chip, range(50)), attempt, keep=lambda: None, flow=Flow(calls_in_flight=4)))
    assert len(asked) == 4
    assert sorted(numbers(got)) == sorted(asked)


def test_ctrl_c_while_the_budget_is_waited_for_hands_on_the_answers_under_way() -> None:
    looks = iter([None, None, None, KeyboardInterrupt])

    def keep() -> None:
        if (interruption := next(looks)) is not None:
            raise interruption

    got: list[Answer] = []
    with pytest.raises(KeyboardInterrupt):
        got.extend(call_all(map(chip, range(50)), answer, keep=keep, flow=Flow(calls_in_flight=8)))
    assert sorted(numbers(got)) == [0, 1, 2]
