import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from batch_job.detection import grouping
from batch_job.detection.grouping import group
from batch_job.detection.overlaps import Pairs


@st.composite
def seen(draw: st.DrawFn) -> tuple[Pairs, np.ndarray]:
    """Up to 30 views in few chips, and pairs of them, many equally close."""
    count = draw(st.integers(1, 30))
    chips = draw(arrays.arrays(np.int64, count, elements=st.integers(0, draw(st.integers(0, 8)))))
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    several = draw(st.lists(ends, unique=True, max_size=60)) if count > 1 else []
    first, second = np.array(several, dtype=np.int64).reshape(-1, 2).T
    closeness = draw(arrays.arrays(np.float64, len(several), elements=st.sampled_from((0.5, 0.75, 1.0))))
    return Pairs(first, second, closeness), chips


def one_by_one(pairs: Pairs, chips: np.ndarray) -> list[int]:
    """The rule in few words."""
    objects = [{view} for view in range(len(chips))]
    columns = ((-pairs.closeness).tolist(), pairs.first.tolist(), pairs.second.tolist())
    for _, first, second in sorted(zip(*columns, strict=True)):
        here, there = objects[first], objects[second]
        if {chips[view] for view in here}.isdisjoint({chips[view] for view in there}):
            here |= there
            for view in there:
                objects[view] = here
    return [min(views) for views in objects]


@given(seen())
def test_pairs_join_the_closest_first(given_here: tuple[Pairs, np.ndarray]) -> None:
    assert group(*given_here).tolist() == one_by_one(*given_here)


@pytest.mark.parametrize(("name", "value"), [("MAX_BITS", 1), ("MIN_SHARE_OF_ROUND", 1.1), ("MIN_SHARE_OF_ROUND", 0.0)])
@given(given_here=seen())
def test_joining_in_rounds_and_one_by_one_come_to_the_same(
    given_here: tuple[Pairs, np.ndarray], name: str, value: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, name, value)
        patch.setattr(grouping, "MAX_AT_ONCE", 3)
        assert group(*given_here).tolist() == one_by_one(*given_here)


def test_a_pile_is_joined_in_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    count, rounds, alone = 20_000, [], []
    ends = np.sort(rng.integers(count, size=(5 * count, 2)), axis=1)
    ends = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
    leading, counted_out = grouping._leading, grouping._counted_out
    monkeypatch.setattr(grouping, "_leading", lambda *given: rounds.append(given) or leading(*given))
    monkeypatch.setattr(grouping, "_counted_out", lambda *given: alone.extend(given[0]) or counted_out(*given))
    group(Pairs(ends[:, 0], ends[:, 1], rng.uniform(size=len(ends))), rng.integers(4, size=count))
    assert len(rounds) < 60
    assert len(alone) < count / 10


def test_what_hangs_together_over_many_chips_is_one_object() -> None:
    count = 3 * grouping.MAX_BITS
    views = np.arange(count)
    pairs = Pairs(views[:-1], views[1:], np.ones(count - 1))
    twice = Pairs(np.append(pairs.first, 0), np.append(pairs.second, count), np.append(pairs.closeness, 0.5))
    assert group(twice, np.append(views, count - 1)).tolist() == [0] * count + [count]
