import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.values.image import ImageRef
from batch_job.values.work import Shard, ShardDone, ShardRange, WorkItem
from tests.strategies import images, names

counts = st.integers(min_value=0, max_value=2**53)
tallies = st.dictionaries(names, counts, max_size=4)
plain_names = st.text("0123456789abcdefTZ-", min_size=1, max_size=20)


@st.composite
def items(draw: st.DrawFn) -> WorkItem:
    parts = draw(st.integers(min_value=1, max_value=1000))
    return WorkItem(draw(images), draw(counts), part=draw(st.integers(min_value=1, max_value=parts)), parts=parts)


shards = st.builds(Shard, run_id=names, name=names, items=st.lists(items(), max_size=5).map(tuple))
ranges = st.builds(
    ShardRange,
    run_id=plain_names,
    plan=plain_names,
    first=st.integers(min_value=0, max_value=10**7),
    count=st.integers(min_value=1, max_value=10_000),
)


@given(shard=shards)
def test_a_shard_comes_back_from_its_text(shard: Shard):
    assert Shard.from_ndjson(shard.to_ndjson()) == shard


def test_any_key_stays_on_its_line():
    keys = ("a\nb.tif", "a\r\x0b\x1c\x85\u2028b.tif", '"{}\\', "\x00")
    shard = Shard("r", "s", tuple(WorkItem(ImageRef("b", key), 1) for key in keys))
    assert Shard.from_ndjson(shard.to_ndjson()) == shard


def test_a_torn_shard_is_refused():
    text = Shard("r", "s", (WorkItem(ImageRef("b", "k"), 1), WorkItem(ImageRef("b", "l"), 1))).to_ndjson()
    torn = b"".join(text.splitlines(keepends=True)[:-1])
    with pytest.raises(ValueError, match="shard s has 1 of 2 items"):
        Shard.from_ndjson(torn)


@pytest.mark.parametrize(("part", "parts", "size"), [(0, 1, 1), (2, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_a_part_is_one_of_its_parts(part: int, parts: int, size: int):
    with pytest.raises(ValueError, match="not a piece of work"):
        WorkItem(ImageRef("b", "k"), size, part=part, parts=parts)


@given(shard_range=ranges)
def test_a_range_of_shards_comes_back_from_a_jobs_parameter(shard_range: ShardRange):
    assert ShardRange.from_text(shard_range.to_text()) == shard_range


def test_children_count_from_the_first_shard():
    shard_range = ShardRange("run", "file-plan", first=10_000, count=2)
    assert [shard_range.name(index) for index in (0, 1)] == ["file-plan-010000", "file-plan-010001"]


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_no_other_child(index: int):
    with pytest.raises(ValueError, match="child"):
        ShardRange("run", "plan", first=0, count=2).name(index)


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 0)])
def test_no_range_is_empty(first: int, count: int):
    with pytest.raises(ValueError, match="not a range"):
        ShardRange("run", "plan", first=first, count=count)


@given(
    done=st.builds(
        ShardDone, name=names, images=tallies, errors=tallies, calls=counts, labels=counts, blank_chips=counts
    )
)
def test_a_done_marker_comes_back_from_its_text(done: ShardDone):
    assert ShardDone.from_json(done.to_json()) == done
