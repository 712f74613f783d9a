"""The cap holds over any window of time, whatever happens to workers; what is allowed is also handed out."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.dynamodb import MemoryBudget
from batch_job.spend import budget, metered
from batch_job.spend.budget import LAPSE_US, SECOND_US, SLACK_US, STALE_US, Block, Rate, is_fresh
from batch_job.values.budget import Draw, Granted, Lane, NotYet
from local.rekognition.gate import TokenBucket
from tests.unit.spend.budget_world import BEGAN_US, STORMY, Party, World, most_over

RATES = [0.5, 1.0, 3.9, 7.3, 20.0, 50.0, 300.0]

rates = st.floats(min_value=0.01, max_value=10_000).map(Rate)
moments = st.integers(min_value=BEGAN_US, max_value=BEGAN_US + 10**9)


@given(rates, st.integers(min_value=1, max_value=10_000))
def test_calls_never_cost_less_time_than_the_rate_says(rate: Rate, calls: int):
    assert rate.cost_us(calls) >= calls * SECOND_US / rate.calls_per_s
    assert rate.cost_us(calls) < calls * SECOND_US / rate.calls_per_s + 2


@given(rates)
def test_a_block_is_at_most_a_seconds_calls_or_two(rate: Rate):
    assert rate.block_calls <= max(rate.calls_per_s, rate.calls_per_s / 2 + 1)


@given(rates, st.integers(min_value=-5, max_value=100_000), moments)
def test_a_draw_asks_for_what_is_wanted_up_to_half_a_second_of_the_rate(rate: Rate, wanted: int, now_us: int):
    draw = rate.draw(Lane.LIVE, wanted=wanted, now_us=now_us)
    assert 1 <= draw.calls <= max(1, wanted)
    assert draw.calls == 1 or draw.cost_us <= SECOND_US // 2 + 1
    assert (draw.now_us, draw.oldest_us) == (now_us, now_us - SLACK_US)


@pytest.mark.parametrize("calls_per_s", [0.0, -1.0, math.inf, math.nan])
def test_a_rate_is_a_number_above_zero(calls_per_s: float):
    with pytest.raises(ValueError, match="not a rate"):
        Rate(calls_per_s)


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"cost_us": 0}, {"oldest_us": 11}])
def test_a_draw_that_would_give_calls_away_cannot_be_made(wrong: dict[str, int]):
    right = {"calls": 1, "cost_us": 1, "now_us": 10, "oldest_us": 10}
    with pytest.raises(ValueError, match="not a draw"):
        Draw(lane=Lane.LIVE, **{**right, **wrong})


@given(rates, st.integers(min_value=1, max_value=500), moments)
def test_the_calls_of_a_block_follow_evenly_from_its_start_on(rate: Rate, wanted: int, start_us: int):
    draw = rate.draw(Lane.BACKFILL, wanted=wanted, now_us=start_us)
    block, slots = Block.of(draw, Granted(start_us, 0)), []
    while block.next_us is not None:
        slots.append(block.next_us)
        block = block.without_next()
    assert len(slots) == draw.calls
    assert slots[0] == start_us
    gaps = {later - earlier for earlier, later in zip(slots, [*slots[1:], block.end_us], strict=True)}
    assert max(gaps) - min(gaps) <= 1


def test_a_call_lapses_five_seconds_after_its_moment():
    block = Block(start_us=0, cost_us=SECOND_US, calls=4)
    assert block.without_lapsed(now_us=LAPSE_US) == block
    assert block.without_lapsed(now_us=LAPSE_US + 1).used == 1
    assert block.without_lapsed(now_us=LAPSE_US + SECOND_US).next_us is None


def test_a_grant_is_fresh_while_it_is_surely_younger_than_the_rule_says():
    assert is_fresh(asked_us=0, latest_us=STALE_US)
    assert not is_fresh(asked_us=0, latest_us=STALE_US + 1)


@given(
    rates,
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=2 * SECOND_US),
            st.integers(min_value=0, max_value=STALE_US),
            st.integers(min_value=1, max_value=1000),
        ),
        max_size=60,
    ),
)
def test_no_window_holds_more_than_its_share_and_a_block(rate: Rate, draws: list[tuple[int, int, int]]):
    item, now_us, handed_out = MemoryBudget(), BEGAN_US, []
    for passed_us, age_us, wanted in draws:
        now_us += passed_us
        draw = rate.draw(Lane.BACKFILL, wanted=wanted, now_us=now_us - age_us)
        if isinstance(item.draw(draw), Granted):
            handed_out.append((now_us, draw.calls))
    assert most_over(handed_out, rate) <= rate.block_calls * (1 + 1e-9)


@given(rates, moments)
def test_after_a_rest_a_lane_gives_at_once_what_half_a_second_allows(rate: Rate, now_us: int):
    item = MemoryBudget()
    draw = rate.draw(Lane.LIVE, wanted=10**6, now_us=now_us)
    assert item.draw(draw) == Granted(draw.oldest_us, item.time_s())
    second = item.draw(draw)
    if isinstance(second, NotYet):
        assert second.next_us == draw.oldest_us + draw.cost_us > now_us
    else:
        assert second.start_us == draw.oldest_us + draw.cost_us <= now_us


def share_used(world: World, party: Party, *, warm_up_s: float = 6.0) -> float:
    """Tell which share of the calls allowed in the minute after the warm-up was made."""
    from_us = BEGAN_US + int(warm_up_s * SECOND_US)
    until_us = from_us + 60 * SECOND_US
    return sum(from_us <= at_us < until_us for at_us in world.made[party.lane]) / (60 * party.rate.calls_per_s)


def stormy(seed: int) -> tuple[World, Party]:
    """Let everything go wrong that may."""
    rate, workers = Rate(RATES[seed % len(RATES)]), [1, 2, 5, 16, 32][seed % 5]
    calls_in_flight, idle = [1, 8, 64][seed % 3], [0.0, 0.02, 0.3][seed // 14 % 3]
    party = Party(Lane.BACKFILL, rate, workers, calls_in_flight=calls_in_flight, idle=idle)
    return World(seed, STORMY).run(party), party


@pytest.mark.parametrize("seed", range(42))
def test_the_cap_holds_through_stalls_lost_answers_deaths_and_skewed_clocks(seed: int):
    world, party = stormy(seed)
    assert world.handed_out[party.lane]
    assert most_over(world.handed_out[party.lane], party.rate) <= party.rate.block_calls
    # a call is made at most so long after it was handed out
    late = party.rate.calls_per_s * LAPSE_US / SECOND_US
    assert most_over(((at_us, 1) for at_us in world.made[party.lane]), party.rate) <= party.rate.block_calls + late


@pytest.mark.parametrize(
    ("calls_per_s", "workers", "calls_in_flight"),
    [(50, 1, 32), (50, 2, 32), (50, 16, 8), (50, 32, 8), (4, 1, 8), (4, 16, 8), (1, 3, 8), (7.3, 5, 2), (300, 32, 16)],
)
def test_under_demand_98_of_100_calls_allowed_are_made(calls_per_s: float, workers: int, calls_in_flight: int):
    party = Party(Lane.BACKFILL, Rate(calls_per_s), workers, calls_in_flight)
    world = World(seed=workers, for_s=70).run(party)
    assert 0.98 <= share_used(world, party) <= 1.01
    assert most_over(world.handed_out[Lane.BACKFILL], party.rate) <= party.rate.block_calls


@pytest.mark.parametrize("workers", [1, 16])
def test_a_service_that_counts_calls_by_the_second_refuses_under_one_in_a_hundred(workers: int):
    rate = Rate(50)
    world = World(seed=3, for_s=70).run(Party(Lane.BACKFILL, rate, workers, calls_in_flight=32))
    clock = iter(at_us / SECOND_US for at_us in [BEGAN_US, *world.made[Lane.BACKFILL]])
    bucket = TokenBucket(per_s=rate.calls_per_s, burst=None, now=lambda: next(clock))
    refused = sum(not bucket.take() for _ in world.made[Lane.BACKFILL])
    assert refused < 0.01 * len(world.made[Lane.BACKFILL])


def test_live_keeps_its_share_while_a_backfill_takes_all_it_can():
    greedy = Party(Lane.BACKFILL, Rate(45), workers=24, calls_in_flight=32)
    live = Party(Lane.LIVE, Rate(5), workers=2, from_s=4)
    world = World(seed=7, for_s=75).run(greedy, live)
    assert share_used(world, live, warm_up_s=12) >= 0.98
    assert share_used(world, greedy, warm_up_s=12) >= 0.98
    assert most_over(world.handed_out[Lane.BACKFILL], greedy.rate) <= greedy.rate.block_calls


def test_a_flood_of_live_events_leaves_the_backfill_its_own():
    flood = Party(Lane.LIVE, Rate(5), workers=32)
    backfill = Party(Lane.BACKFILL, Rate(20), workers=2, calls_in_flight=16)
    world = World(seed=8, for_s=70).run(flood, backfill)
    assert share_used(world, backfill) >= 0.98
    assert share_used(world, flood) <= 1.01


def test_a_block_whose_holder_died_counts_as_spent():
    rate, item = Rate(10), MemoryBudget()
    draw = rate.draw(Lane.BACKFILL, wanted=5, now_us=BEGAN_US)
    assert isinstance(item.draw(draw), Granted)  # the holder dies here
    again = rate.draw(Lane.BACKFILL, wanted=5, now_us=BEGAN_US)
    assert item.draw(again) == NotYet(BEGAN_US - SLACK_US + SECOND_US // 2, item.time_s())


def test_any_number_of_waiting_workers_asks_at_a_bearable_rate():
    world = World(seed=2, for_s=60).run(Party(Lane.BACKFILL, Rate(50), workers=32))
    assert world.requests / 60 < 100


def test_a_worker_alone_never_stops_to_ask_the_time():
    party = Party(Lane.BACKFILL, Rate(4), workers=1)
    world = World(seed=2, for_s=600).run(party)
    made = [at_us for at_us in world.made[party.lane] if at_us > BEGAN_US + 6 * SECOND_US]
    assert max(later - earlier for earlier, later in pairwise(made)) < 0.5 * SECOND_US


def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metered, "is_fresh", lambda **_: True)


def _credit_for_all_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "SLACK_US", 3600 * SECOND_US)


def _a_second_of_slack_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "SLACK_US", SLACK_US + SECOND_US)


def _draws_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "DRAW_US", 4 * SECOND_US)


def _calls_that_cost_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rate, "cost_us", lambda self, calls: int(calls * SECOND_US / self.calls_per_s * 0.95))


@pytest.mark.parametrize(
    "break_a_rule",
    [
        _always_fresh,
        _credit_for_all_the_past,
        _a_second_of_slack_more,
        _draws_without_a_limit,
        _calls_that_cost_too_little,
    ],
)
def test_without_one_of_the_rules_the_cap_breaks(
    break_a_rule: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
):
    blocks = {per_s: Rate(per_s).block_calls for per_s in RATES}
    break_a_rule(monkeypatch)
    storms = (stormy(seed) for seed in range(80))
    assert any(
        most_over(world.handed_out[party.lane], party.rate) > blocks[party.rate.calls_per_s] for world, party in storms
    )
