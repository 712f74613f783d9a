import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.backfill.pace import RECENT_MS, RECENT_SHARDS, EndedShard, recent_pace, whole_pace

MINUTE_MS = 60_000


def shard(ended_min: float, *, minutes: float = 1, images: int = 100, calls: int = 200) -> EndedShard:
    return EndedShard(
        ended_ms=round(ended_min * MINUTE_MS), duration_ms=round(minutes * MINUTE_MS), images=images, calls=calls
    )


def test_before_a_shard_has_ended_there_is_no_pace():
    assert recent_pace([], now_ms=0) is None
    assert whole_pace([]) is None


def test_at_first_all_counts_since_the_first_shard_began():
    pace = recent_pace([shard(101), shard(102)], now_ms=104 * MINUTE_MS)
    assert (pace.seconds, pace.shards) == (240, 2)
    assert pace.images_per_s == pytest.approx(200 / 240)
    assert pace.calls_per_s == pytest.approx(400 / 240)


def test_later_the_last_ten_minutes_count_when_they_hold_enough_shards():
    ended = [shard(minute / 10) for minute in range(2000)]
    pace = recent_pace(ended, now_ms=200 * MINUTE_MS)
    assert pace.seconds * 1000 == RECENT_MS
    assert pace.images_per_s == pytest.approx(1000 / 60, rel=0.02)


def test_slow_shards_are_averaged_over_twenty_of_them():
    ended = [shard(30 * n, minutes=30) for n in range(1, 100)]
    pace = recent_pace(ended, now_ms=99 * 30 * MINUTE_MS)
    assert pace.shards == RECENT_SHARDS
    assert pace.images_per_s == pytest.approx(100 / 1800)


def test_a_run_that_stands_still_gets_slower():
    ended = [shard(n) for n in range(1, 41)]
    paces = [recent_pace(ended, now_ms=now * MINUTE_MS).calls_per_s for now in (40, 60, 600)]
    assert paces == sorted(paces, reverse=True)
    assert paces[0] > 10 * paces[2]


def test_a_run_that_is_over_is_measured_from_its_first_to_its_last_moment():
    pace = whole_pace([shard(10, minutes=5), shard(65), shard(30)])
    assert (pace.seconds, pace.shards, pace.images, pace.calls) == (3600, 3, 300, 600)


def test_shards_of_no_time_at_all_divide_by_no_zero():
    now = shard(1, minutes=0)
    assert recent_pace([now], now_ms=now.ended_ms).images_per_s == 100
    assert whole_pace([now]).calls_per_s == 200


shards = st.builds(
    EndedShard,
    ended_ms=st.integers(10**9, 2 * 10**9),
    duration_ms=st.integers(0, 10**8),
    images=st.integers(0, 500),
    calls=st.integers(0, 2000),
)


@given(st.lists(shards, min_size=1, max_size=60), st.integers(0, 10**9))
def test_the_pace_of_late_is_of_shards_that_ended_and_counts_none_twice(ended: list[EndedShard], after_ms: int):
    now_ms = max(one.ended_ms for one in ended) + after_ms
    pace = recent_pace(ended, now_ms=now_ms)
    assert 0 < pace.seconds <= max(1, (now_ms - min(one.began_ms for one in ended)) / 1000)
    assert pace.shards <= len(ended)
    assert pace.calls <= sum(one.calls for one in ended)
    assert pace == recent_pace(reversed(ended), now_ms=now_ms)


def test_nothing_moved_means_nobody_knows_when():
    assert whole_pace([shard(1, images=0)]).seconds_left(5) is None
    assert whole_pace([shard(1, images=10)]).seconds_left(5) == pytest.approx(30)
