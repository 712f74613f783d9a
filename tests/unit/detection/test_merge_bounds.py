"""What merging costs, counted and not timed: how many glimpses, candidates and pairs the worst cases come to."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.detection import candidates, neighbours, overlaps
from batch_job.detection.candidates import MAX_PILED, NEAR_IN_PILE
from batch_job.detection.glimpses import Glimpses, find_glimpses
from batch_job.detection.grouping import group
from batch_job.detection.merge import _all_facts, _in_order
from batch_job.detection.neighbours import Neighbours
from batch_job.detection.ordering import order_of, ranges, starts_of
from batch_job.detection.views import Views, grown
from batch_job.values.spaces import ImageDetection, Kind, Label, PixelBox, Sides, Window
from benchmarks.merge import Arrays, one_place, scattered, under_one

COUNT = 20_000


def compared(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Give how many glimpses there are, and how many candidates are looked at."""
    views = Views(**arrays)
    portions: list[int] = []

    def counted(*given_here: object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for some, others in candidates.candidates(*given_here):  # type: ignore[arg-type]
            portions.append(len(some))
            yield some, others

    monkeypatch.setattr(overlaps, "candidates", counted)
    glimpses = find_glimpses(views)
    overlaps.find_pairs(views, glimpses)
    assert max(portions) <= candidates.MAX_CANDIDATES + MAX_PILED
    return len(glimpses.views), sum(portions)


def same_place(count: int) -> Arrays:
    """All boxes are one box."""
    arrays = one_place(count)
    return arrays | {"boxes": np.tile([[905.0, 905.0, 925.0, 925.0]], (count, 1)), "chips": np.arange(count) % 4}


def large_ones(count: int) -> Arrays:
    """Large boxes over one another, of which every one reaches over most of the middles."""
    arrays = one_place(count)
    rng = np.random.default_rng(2)
    low = rng.uniform(830, 860, size=(count, 2))
    boxes = np.concatenate((low, rng.uniform(960, 1000, size=(count, 2))), axis=1)
    return arrays | {"boxes": boxes, "cut": np.full(count, 15, np.uint8)}


@pytest.mark.parametrize("labels", [1, 3, 1000])
def test_scattered_boxes_are_compared_with_the_few_beside_them(labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    glimpses, looked_at = compared(scattered(COUNT, labels=labels), monkeypatch)
    assert glimpses < 1.2 * COUNT
    assert looked_at < 3 * glimpses


def test_what_one_chip_alone_can_see_is_left_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    reached = Neighbours.reached
    monkeypatch.setattr(
        Neighbours, "reached", lambda *given_here: tried.append(len(given_here[1])) or reached(*given_here)
    )
    find_glimpses(Views(**scattered(COUNT)))
    assert sum(tried) < 0.7 * COUNT


def test_what_is_compared_grows_with_the_boxes_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [compared(scattered(count), monkeypatch)[1] for count in (5_000, 10_000, 20_000, 40_000)]
    assert all(more < 2.2 * fewer for fewer, more in pairwise(counts))


def test_one_box_over_all_others_costs_little_more_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    glimpses, looked_at = compared(under_one(COUNT), monkeypatch)
    assert glimpses < 1.4 * COUNT
    assert looked_at < 3 * glimpses


@pytest.mark.parametrize("pile", [one_place, same_place, large_ones])
def test_a_pile_costs_no_square_of_its_size(pile, monkeypatch: pytest.MonkeyPatch) -> None:
    count = COUNT // 5
    glimpses, looked_at = compared(pile(count), monkeypatch)
    assert glimpses == 3 * count
    # a box of these reaches over at most four bands
    assert looked_at <= 4 * NEAR_IN_PILE * glimpses


def test_of_equal_boxes_each_chips_first_meets_the_others_first() -> None:
    views = Views(**same_place(COUNT))
    groups = group(overlaps.find_pairs(views, find_glimpses(views)), views.chips)
    assert len(np.unique(groups)) < 0.3 * COUNT


def test_ordering_by_digits_is_as_numpys() -> None:
    rng = np.random.default_rng(1)
    for most in (1, 9, 2**16, 2**20, 2**40):
        numbers = rng.integers(most, size=500)
        assert (order_of(numbers) == np.argsort(numbers, kind="stable")).all()
    assert order_of(np.empty(0, np.int64)).tolist() == starts_of(np.empty(0, np.int64)).tolist() == []
    assert ranges(np.array([5, 0, 7]), np.array([2, 0, 3])).tolist() == [5, 6, 7, 8, 9]
    assert starts_of(np.array([3, 3, 4, 9, 9])).tolist() == [0, 2, 3]


boxes_px = st.lists(st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2), min_size=1, max_size=12)


@given(boxes_px, boxes_px, st.integers(0, 3), st.randoms(use_true_random=False))
def test_boxes_reach_the_chips_that_they_touch(chips, boxes, many, rng) -> None:
    lands = np.array([(c, r, c + w, r + h) for c, r, w, h in chips], float)
    given_boxes = np.array([(c, r, c + w, r + h) for c, r, w, h in boxes], float)
    of = np.array([rng.randrange(len(lands)) for _ in boxes])
    found = Neighbours.of(grown(lands, 0.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "MANY", many)
        patch.setattr(neighbours, "MAX_TRIED", 5)
        which, pairs = found.reached(np.asfortranarray(given_boxes), of)
    touching = {
        (box, chip)
        for box, (left, top, right, bottom) in enumerate(given_boxes.tolist())
        for chip, (low_col, low_row, high_col, high_row) in enumerate(lands.tolist())
        if chip != of[box] and left <= high_col and low_col <= right and top <= high_row and low_row <= bottom
    }
    # a chip that another one does not touch has no ground in common with it
    common = set(zip(found.chips.tolist(), found.others.tolist(), strict=True))
    assert set(zip(which.tolist(), found.others[pairs].tolist(), strict=True)) == {
        (box, chip) for box, chip in touching if (of[box], chip) in common
    }
    assert (found.chips[pairs] == of[which]).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([30.0, 300.0, 5000.0]))
def test_every_glimpse_in_reach_is_a_candidate(seed: int, count: int, extent_px: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-extent_px, extent_px, size=(count, 2))
    boxes = np.concatenate((low, low + rng.exponential(extent_px / 4, size=(count, 2))), axis=1)
    sides = np.sort(rng.integers(6, size=count))
    numbers = np.arange(count)
    glimpses = Glimpses(numbers, sides // 2, sides % 2, np.asfortranarray(boxes), np.zeros(count, np.uint8))
    reaching = grown(boxes, (boxes[:, 2:] - boxes[:, :2]) / 4)
    found = {
        pair for some, others in candidates.candidates(glimpses, reaching) for pair in zip(some, others, strict=True)
    }
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((reaching[:, None, :2] <= middles) & (middles <= reaching[:, None, 2:])).all(axis=2)
    across = (sides[:, None] ^ 1) == sides
    assert {tuple(pair) for pair in np.argwhere(inside & across).tolist()} <= found
    assert all(across[pair] for pair in found)


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 7), max_size=12))
def test_detections_are_sorted_by_all_that_tells_them_apart(facts) -> None:
    windows = [Window(col_off=at, row_off=0, width=10, height=10) for at in (0, 5)]
    found = [
        ImageDetection(
            Label("ab"[name], parents=("x", "y")[: parents + 1]),
            60.0 + sure,
            [Kind.OBJECT, Kind.REGION][kind],
            PixelBox(col, 0, 3, 2),
            (windows[at],),
            Sides(cut),
        )
        for name, parents, sure, kind, col, at, cut in facts
    ]
    assert _in_order(found) == sorted(found, key=_all_facts)
