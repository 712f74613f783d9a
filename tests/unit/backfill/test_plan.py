import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.backfill.known import Known
from batch_job.backfill.plan import MAX_ARRAY, Filters, PlanCounts, Portion, Rules, Sizing, portions, ranges
from batch_job.values.image import ImageRef, is_image_key
from batch_job.values.inventory import InventoryRow, UnreadableRow
from batch_job.values.work import WorkItem
from tests.unit.backfill.entries import FINGERPRINT, entry

NOTHING = Known.of([])
SIZING = Sizing(chip_stride_px=100, max_chips=20, max_items=5)
RULES = Rules(filters=Filters(), sizing=SIZING, index_fingerprint=FINGERPRINT)

keys = st.builds(
    str.__add__, st.text("ab/", min_size=1, max_size=4), st.sampled_from([".tif", ".JPG", ".txt", "/", ""])
)
inventory_rows = st.builds(
    InventoryRow,
    key=keys,
    size=st.one_of(st.none(), st.integers(min_value=0, max_value=500_000)),
    etag=st.sampled_from("ef"),
    current=st.booleans(),
)
rows = st.lists(st.one_of(inventory_rows, st.builds(UnreadableRow, st.just(1), st.just("why"))), max_size=40)
sizings = st.builds(
    Sizing,
    chip_stride_px=st.sampled_from([10, 100, 1000]),
    max_chips=st.integers(min_value=1, max_value=60),
    max_items=st.integers(min_value=1, max_value=8),
    max_part_chips=st.one_of(st.none(), st.integers(min_value=1, max_value=60)),
)
ledgers = st.sets(keys).map(lambda chosen: [entry(key) for key in chosen])


def plan(found: list[InventoryRow | UnreadableRow], known: Known = NOTHING, rules: Rules = RULES) -> list[Portion]:
    return list(portions(found, known, rules, bucket="b"))


@settings(max_examples=300)
@given(found=rows, ledger=ledgers, sizing=sizings)
def test_every_row_is_work_once_or_left_out_for_a_reason(found, ledger, sizing: Sizing):
    planned = plan(found, Known.of(ledger), dataclasses.replace(RULES, sizing=sizing))
    done = {(known.image.key, known.version.etag) for known in ledger}
    due = Counter(
        (row.key, row.size or 0)
        for row in found
        if isinstance(row, InventoryRow) and row.current and is_image_key(row.key) and (row.key, row.etag) not in done
    )
    items = [item for portion in planned for item in portion.items]
    assert Counter((item.image.key, item.size) for item in items if item.part == 1) == due
    for (key, size), times in due.items():
        parts = Counter(item.part for item in items if (item.image.key, item.size) == (key, size))
        (of,) = {item.parts for item in items if (item.image.key, item.size) == (key, size)}
        assert parts == dict.fromkeys(range(1, of + 1), times)
    assert sum((portion.counts for portion in planned), PlanCounts()).rows == len(found)


@settings(max_examples=300)
@given(found=rows, sizing=sizings)
def test_a_portion_holds_one_item_or_no_more_than_it_may(found, sizing: Sizing):
    for portion in plan(found, rules=dataclasses.replace(RULES, sizing=sizing)):
        chips = sum(sizing.chips(item) for item in portion.items)
        assert len(portion.items) <= sizing.max_items
        assert len(portion.items) <= 1 or chips <= sizing.max_chips
        assert (portion.counts.items, portion.counts.chips) == (len(portion.items), chips)
        if sizing.max_part_chips is not None:
            assert all(sizing.chips(item) <= sizing.max_part_chips for item in portion.items)


@given(found=rows, ledger=ledgers, sizing=sizings)
def test_the_same_rows_give_the_same_portions(found, ledger, sizing: Sizing):
    rules = dataclasses.replace(RULES, sizing=sizing)
    assert plan(found, Known.of(ledger), rules) == plan(found, Known.of(ledger[::-1]), rules)


def test_rows_are_counted_by_what_became_of_them():
    known = Known.of([entry("done.tif"), entry("changed.tif", "old")])
    found = [
        InventoryRow(key="done.tif", etag="e"),
        InventoryRow(key="changed.tif", etag="e"),
        InventoryRow(key="new.tif", etag="e", size=30_000),
        InventoryRow(key="new.txt", etag="e"),
        InventoryRow(key="new.tif", etag="older", current=False),
        UnreadableRow(6, "why"),
    ]
    (portion,) = plan(found, known)
    assert portion.items == (WorkItem(ImageRef("b", "changed.tif"), 0), WorkItem(ImageRef("b", "new.tif"), 30_000))
    assert portion.counts == PlanCounts(
        new=1, changed=1, done=1, filtered=1, not_current=1, unreadable=1, items=2, chips=5
    )
    assert portion.counts.rows == 6


def test_no_rows_are_no_portions():
    assert plan([]) == []


def test_rows_without_work_are_still_counted():
    (portion,) = plan([InventoryRow(key="a.txt")])
    assert portion == Portion((), PlanCounts(filtered=1))


def test_rows_are_pulled_as_portions_are():
    pulled = 0

    def endless():
        nonlocal pulled
        while True:
            pulled += 1
            yield InventoryRow(key=f"{pulled}.tif", etag="e", size=0)

    first = next(portions(endless(), NOTHING, RULES, bucket="b"))
    assert len(first.items) == SIZING.max_items
    assert pulled <= 1000


@pytest.mark.parametrize(
    ("filters", "key", "accepted"),
    [
        (Filters(), "a.TIF", True),
        (Filters(), "a.tif.ovr", False),
        (Filters(), "a.tif.msk", False),
        (Filters(), "a.tif/", False),
        (Filters(include_prefixes=("a/", "b/")), "b/1.tif", True),
        (Filters(include_prefixes=("a/", "b/")), "c/1.tif", False),
        (Filters(include_prefixes=("a/",), exclude_prefixes=("a/raw/",)), "a/raw/1.tif", False),
        (Filters(include_prefixes=("a/",), exclude_prefixes=("a/raw/",)), "a/1.tif", True),
        (Filters(include_suffixes=(".tif",)), "1.png", False),
        (Filters(exclude_suffixes=("_mask.tif",)), "1_MASK.TIF", False),
        (Filters(exclude_suffixes=("_mask.tif",)), "1.tif", True),
    ],
)
def test_excluding_wins_over_including(filters: Filters, key: str, accepted):
    assert filters.accepts(key) is accepted


def test_bytes_become_chips_and_chips_parts():
    sizing = Sizing(chip_stride_px=100, max_part_chips=10)
    assert [item.parts for item in sizing.items(ImageRef("b", "k"), 89_999)] == [1]
    parts = list(sizing.items(ImageRef("b", "k"), 100_000))
    assert [(item.part, item.parts, sizing.chips(item)) for item in parts] == [(1, 2, 6), (2, 2, 6)]


@pytest.mark.parametrize("name", ["chip_stride_px", "max_chips", "max_items", "max_part_chips"])
def test_portions_must_hold_something(name: str):
    with pytest.raises(ValueError, match="must hold something"):
        dataclasses.replace(SIZING, **{name: -1})


@given(shards=st.integers(min_value=0, max_value=60_000))
def test_every_shard_is_in_one_job_of_a_size_that_batch_takes(shards: int):
    jobs = list(ranges("run", "plan", shards=shards))
    assert [job.first + index for job in jobs for index in range(job.count)] == list(range(shards))
    assert all(1 <= job.count <= MAX_ARRAY for job in jobs)


def test_other_rules_name_other_plans():
    others = [
        RULES,
        dataclasses.replace(RULES, index_fingerprint="x"),
        dataclasses.replace(RULES, sizing=dataclasses.replace(SIZING, max_items=6)),
        dataclasses.replace(RULES, filters=Filters(exclude_prefixes=("x",))),
    ]
    assert len({rules.id for rules in others}) == len(others)
    assert RULES.id == dataclasses.replace(RULES).id
