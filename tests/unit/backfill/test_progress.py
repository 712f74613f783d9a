import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.progress import RunWatch, total
from batch_job.backfill.shards import Claim, FilePlan, RunFolder
from batch_job.errors import InputError
from batch_job.values.work import ShardDone
from tests.unit.backfill.inventories import data_file, manifest_of

FILES = [data_file("1.csv.gz", b"1"), data_file("2.csv.gz", b"2")]
MANIFEST = manifest_of(FILES, bucket="b")
COUNTS = PlanCounts(new=3, changed=1, done=5, filtered=2, items=4, chips=9)
PLAN = FilePlan(name="f-r", shards=2, counts=COUNTS, jobs=("job-0",))
FIRST = ShardDone(name="f-r-000000", images={"indexed": 2, "failed": 1}, errors={"unreadable": 1}, calls=7, labels=20)
SECOND = ShardDone(name="f-r-000001", images={"skipped_same": 1}, calls=1)


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
        "left": 0,
        "finished": False,
    }


def test_a_run_is_finished_when_all_is_planned_and_done():
    empty = dataclasses.replace(PLAN, name="g-r", shards=0, counts=PlanCounts())
    assert not total(MANIFEST, [PLAN, empty], [FIRST]).finished
    assert total(MANIFEST, [PLAN, empty], [FIRST]).left == 1
    assert total(MANIFEST, [PLAN, empty], [FIRST, SECOND]).finished
    assert total(manifest_of(bucket="b"), [], []).finished


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
    assert watch.look() == total(MANIFEST, [PLAN, empty], [FIRST, SECOND])
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
