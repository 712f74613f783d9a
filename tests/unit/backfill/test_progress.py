import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.listed_keys import KeyCollector
from batch_job.backfill.plan import PlanCounts, ranges
from batch_job.backfill.progress import RunWatch, SweepState, is_planned, missing_ranges, sweep_is_missing, total
from batch_job.backfill.records import Claim, FilePlan
from batch_job.backfill.shards import SWEEP_DONE, RunFolder
from batch_job.errors import InputError
from batch_job.values.inventory import Manifest, Request, Scope
from batch_job.values.work import ShardDone
from tests.unit.backfill.inventories import data_file, manifest_of

FILES = [data_file("1.csv.gz", b"1"), data_file("2.csv.gz", b"2")]
MANIFEST = manifest_of(FILES, bucket="b")
COUNTS = PlanCounts(new=3, changed=1, done=5, filtered=2, items=4, chips=9)
PLAN = FilePlan(name="f-r", shards=2, counts=COUNTS, jobs=("job-0",))
FIRST = ShardDone(
    name="f-r-000000",
    images={"indexed": 2, "failed": 1},
    errors={"unreadable": 1},
    calls=7,
    labels=20,
    blank_chips=30,
)
SECOND = ShardDone(name="f-r-000001", images={"skipped_same": 1}, calls=1, blank_chips=4)
SWEPT = ShardDone(name=SWEEP_DONE, images={"removed": 3}, calls=5)
SOME_KEYS = dataclasses.replace(MANIFEST, request=Request(scope=Scope.PART))


def test_progress_is_the_sum_of_plans_and_markers():
    progress = total(MANIFEST, [PLAN], [FIRST, SECOND])
    assert progress.to_json() == {
        "run_id": MANIFEST.run_id,
        "inventory_ms": MANIFEST.created_ms,
        "csv_files": {"total": 2, "planned": 1},
        "rows": COUNTS.to_json(),
        "shards": {"total": 2, "done": 2},
        "images": {"failed": 1, "indexed": 2, "skipped_same": 1},
        "errors": {"unreadable": 1},
        "calls": 8,
        "labels": 20,
        "blank_chips": 34,
        "sweep": {"state": "waiting", "images": {}},
        "left": 0,
        "finished": False,
    }


def test_a_run_is_finished_when_all_is_planned_done_and_swept():
    empty = dataclasses.replace(PLAN, name="g-r", shards=0, counts=PlanCounts())
    assert total(MANIFEST, [PLAN, empty], [FIRST, SWEPT]).left == 1
    assert not total(MANIFEST, [PLAN, empty], [FIRST, SWEPT]).finished
    assert not total(MANIFEST, [PLAN, empty], [FIRST, SECOND]).finished
    assert total(MANIFEST, [PLAN, empty], [FIRST, SECOND, SWEPT]).finished
    assert total(manifest_of(bucket="b"), [], [SWEPT]).finished


@pytest.mark.parametrize(
    ("plans", "done", "state"),
    [
        ([PLAN], [FIRST], SweepState.WAITING),
        ([PLAN, dataclasses.replace(PLAN, name="g-r")], [], SweepState.DUE),
        ([PLAN, dataclasses.replace(PLAN, name="g-r")], [SWEPT], SweepState.DONE),
    ],
)
def test_the_sweep_is_due_when_the_last_csv_is_planned(plans, done, state: SweepState):
    assert total(MANIFEST, plans, done).sweep is state
    assert total(SOME_KEYS, plans, done).sweep is SweepState.NONE


def test_a_run_of_some_keys_is_finished_without_a_sweep():
    empty = dataclasses.replace(PLAN, name="g-r", shards=0, counts=PlanCounts())
    assert total(SOME_KEYS, [PLAN, empty], [FIRST, SECOND]).finished


def test_what_the_sweep_did_is_told_and_counts_as_no_shard():
    progress = total(MANIFEST, [PLAN], [FIRST, SWEPT])
    assert progress.to_json()["sweep"] == {"state": "done", "images": {"removed": 3}}
    assert (progress.images, progress.shards_done, progress.calls) == (FIRST.images, 1, FIRST.calls)


def test_markers_of_a_plan_that_was_given_up_do_not_count():
    stray = [dataclasses.replace(FIRST, name=name) for name in ("f-old-000000", "f-r-000002", "f-r")]
    assert total(MANIFEST, [PLAN], [FIRST, *stray]) == total(MANIFEST, [PLAN], [FIRST])


@given(markers=st.lists(st.sampled_from([FIRST, SECOND]), max_size=6))
def test_a_marker_counts_once_in_any_order(markers: list[ShardDone]):
    once = [marker for marker in (FIRST, SECOND) if marker in markers]
    assert total(MANIFEST, [PLAN], markers) == total(MANIFEST, [PLAN], once)


class Counting(MemoryRunStore):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    def get(self, key: str) -> bytes | None:
        self.gets += 1
        return super().get(key)


def plan(folder: RunFolder, file_id: str, planned: FilePlan) -> None:
    claim = folder.claim(file_id, owner="me", now_ms=0)
    assert isinstance(claim, Claim)
    folder.complete(claim, planned)


def test_a_watch_sees_what_is_new_and_reads_nothing_twice():
    store = Counting()
    folder = RunFolder(store, MANIFEST.run_id)
    folder.write_manifest(MANIFEST)
    watch = RunWatch(folder)
    assert watch.look() == total(MANIFEST, [], [])
    plan(folder, FILES[0].id, PLAN)
    folder.write_done(FIRST)
    assert watch.look() == total(MANIFEST, [PLAN], [FIRST])
    empty = FilePlan(name="g-r", shards=0, counts=PlanCounts(done=1), jobs=())
    plan(folder, FILES[1].id, empty)
    folder.write_done(SECOND)
    folder.write_done(SWEPT)
    assert watch.look() == total(MANIFEST, [PLAN, empty], [FIRST, SECOND, SWEPT])
    before = store.gets
    assert watch.look().finished
    assert store.gets == before


def test_a_claimed_file_is_not_yet_planned():
    folder = RunFolder(MemoryRunStore(), MANIFEST.run_id)
    folder.write_manifest(MANIFEST)
    folder.claim(FILES[0].id, owner="me", now_ms=0)
    assert RunWatch(folder).look().files_planned == 0


def test_there_is_no_progress_of_no_run():
    with pytest.raises(InputError, match="there is no run"):
        RunWatch(RunFolder(MemoryRunStore(), "r")).look()


def planned(manifest: Manifest = MANIFEST, *, shards: int = 2) -> RunFolder:
    """A run whose CSVs are all planned, the first with so many shards."""
    folder = RunFolder(MemoryRunStore(), manifest.run_id)
    folder.write_manifest(manifest)
    for file, count in zip(manifest.files, (shards, 0), strict=True):
        folder.write_keys(file.id, KeyCollector().collected())
        assert not is_planned(folder, manifest)  # its planner may have died right here
        plan(folder, file.id, dataclasses.replace(PLAN, name=f"{file.id}-r", shards=count))
    return folder


@settings(max_examples=100)
@given(count=st.integers(min_value=0, max_value=40), data=st.data())
def test_what_is_missing_is_every_shard_without_marker_once_in_as_few_ranges_as_can_be(count: int, data: st.DataObject):
    folder = planned(shards=count)
    names = [whole.name(n) for whole in ranges("r", f"{FILES[0].id}-r", shards=count) for n in range(count)]
    done = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    for name in done:
        folder.write_done(ShardDone(name=name))
    found = list(missing_ranges(folder))
    assert [one.name(n) for one in found for n in range(one.count)] == [name for name in names if name not in done]
    assert all(left.first + left.count < right.first for left, right in itertools.pairwise(found))


def test_no_missing_range_is_longer_than_an_array_may_be():
    assert [(one.first, one.count) for one in missing_ranges(planned(shards=10_001))] == [(0, 10_000), (10_000, 1)]


def test_the_sweep_is_missing_when_all_is_planned_until_it_is_done():
    folder = planned()
    assert sweep_is_missing(folder)
    folder.write_done(SWEPT)
    assert not sweep_is_missing(folder)
    assert not sweep_is_missing(planned(SOME_KEYS))
    unplanned = RunFolder(MemoryRunStore(), MANIFEST.run_id)
    unplanned.write_manifest(MANIFEST)
    assert not sweep_is_missing(unplanned)
