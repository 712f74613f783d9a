import dataclasses
from collections.abc import Mapping

import pytest

from batch_job.adapters.batch_lists import MemoryJobList
from batch_job.adapters.memory import ManualClock
from batch_job.adapters.sqs_depth import MemoryQueueDepth
from batch_job.backfill.pausing import Paused, pause
from batch_job.backfill.records import Claim, FilePlan
from batch_job.backfill.shards import SWEEP_DONE, RunFolder, activate
from batch_job.backfill.watch import JOBS_OF_MS, OTHERS, StatusWatch
from batch_job.cli.status import watch_of
from batch_job.errors import ErrorCode, InputError, UnavailableError
from batch_job.ports import FailureList
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.inventory import Request, Scope
from batch_job.values.ledger import LedgerEntry, State
from batch_job.values.queues import Depth, JobCounts, Jobs, JobState, Messages
from batch_job.values.work import Redo, ShardDone
from batch_job.wiring.memory_operator import BUCKET, memory_operator
from batch_job.wiring.operator import Operator
from tests.unit.backfill.inventories import data_file, manifest_of
from tests.unit.backfill.test_progress import COUNTS

DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
def operator() -> Operator:
    return memory_operator()


@pytest.fixture
def watch(operator: Operator) -> StatusWatch:
    return watch_of(operator)


def planned(operator: Operator, *, day: int = 0, scope: Scope = Scope.BUCKET, redo: Redo = Redo.NOTHING) -> RunFolder:
    """A run with one CSV that came to two shards; it is not active yet."""
    file = data_file(f"{day}.csv.gz", b"1")
    manifest = dataclasses.replace(
        manifest_of([file], bucket=BUCKET),
        created_ms=operator.clock.now_ms() + day * DAY_MS,
        request=Request(scope=scope, redo=redo),
    )
    folder = RunFolder(operator.runs, manifest.run_id)
    folder.write_manifest(manifest)
    claim = folder.claim(file.id, owner="me", now_ms=0)
    assert isinstance(claim, Claim)
    folder.complete(claim, FilePlan(name="f", shards=2, counts=COUNTS, jobs=()))
    return folder


def failed(key: str) -> LedgerEntry:
    version = ImageVersion("e", (), detection_fingerprint="d", index_fingerprint="i")
    image = ImageRef(BUCKET, key)
    return LedgerEntry(image=image, state=State.FAILED, version=version, epoch=1, error_code=ErrorCode.UNREADABLE)


def test_before_the_first_inventory_there_is_no_run(watch: StatusWatch):
    status = watch.look()
    assert (status.run, status.others, status.not_active, status.unknown) == (None, (), (), {})
    assert status.stack == "Mine"


def test_the_newest_run_is_the_buckets_active_one(operator: Operator, watch: StatusWatch):
    older, newer = planned(operator), planned(operator, day=1)
    activate(operator.runs, older.run_id, bucket=BUCKET)
    status = watch.look()
    assert status.run.progress.run_id == older.run_id
    assert status.not_active == (newer.run_id,)
    activate(operator.runs, newer.run_id, bucket=BUCKET)
    status = watch.look()
    assert (status.run.progress.run_id, status.not_active) == (newer.run_id, ())


def test_another_run_can_be_asked_for(operator: Operator, watch: StatusWatch):
    older, newer = planned(operator), planned(operator, day=1)
    activate(operator.runs, newer.run_id, bucket=BUCKET)
    status = watch.look(run_id=older.run_id)
    assert (status.run.progress.run_id, status.run_is_active) == (older.run_id, False)
    assert watch.look().run_is_active
    assert watch.look(run_id=newer.run_id).run_is_active
    with pytest.raises(InputError, match="there is no run nothing"):
        watch.look(run_id="nothing")


def test_the_newest_runs_of_parts_are_told_of_and_no_more(operator: Operator, watch: StatusWatch):
    parts = [planned(operator, day=day, scope=Scope.PART).run_id for day in range(OTHERS + 2)]
    assert [run.progress.run_id for run in watch.look().others] == parts[: -OTHERS - 1 : -1]
    assert watch.look().run is None


def test_a_run_that_does_the_bucket_again_is_told_of_beside_a_newer_one(operator: Operator, watch: StatusWatch):
    again, superseded, active = (
        planned(operator, redo=Redo.DETECTION),
        planned(operator, day=1),
        planned(operator, day=2),
    )
    activate(operator.runs, active.run_id, bucket=BUCKET)
    status = watch.look()
    assert [run.progress.run_id for run in status.others] == [again.run_id]
    assert superseded.run_id not in status.not_active


def test_a_run_beside_is_told_of_until_a_day_after_its_end(operator: Operator, watch: StatusWatch):
    folder = planned(operator, scope=Scope.PART)
    for name in ("f-000000", "f-000001"):
        folder.write_done(ShardDone(name=name, images={"indexed": 2}))
    assert [run.progress.finished for run in watch.look().others] == [True]
    operator.clock.advance(ms=DAY_MS)
    assert watch.look().others == ()


def test_a_run_is_timed_by_its_markers(operator: Operator, watch: StatusWatch):
    folder = planned(operator)
    activate(operator.runs, folder.run_id, bucket=BUCKET)
    folder.write_done(ShardDone(name="f-000000", images={"indexed": 3}, calls=60, duration_ms=60_000))
    operator.runs.written_at[f"runs/{folder.run_id}/done/f-000000.json"] = "2026-01-01T00:01:00Z"
    operator.clock.advance(ms=120_000)  # it is 00:02 now, and the shard began at 00:00
    run = watch.look().run
    assert (run.done, run.progress.left) == (3, 1)
    assert run.pace.calls_per_s == 0.5
    assert run.seconds_left == 40
    assert run.last_ended_ms == operator.clock.now_ms() - 60_000
    assert run.longest_shard_ms == 60_000


def test_a_finished_run_is_measured_as_a_whole_and_looked_at_no_more(operator: Operator, watch: StatusWatch):
    folder = planned(operator)
    activate(operator.runs, folder.run_id, bucket=BUCKET)
    for name in ("f-000000", "f-000001"):
        folder.write_done(ShardDone(name=name, images={"indexed": 2}, calls=30, duration_ms=60_000))
    folder.write_done(ShardDone(name=SWEEP_DONE, images={"removed": 1}))
    operator.clock.advance(ms=DAY_MS)
    first = watch.look().run
    assert first.progress.finished
    assert first.pace.calls_per_s == 1
    assert watch.look().run is first


def test_a_pause_is_seen_and_leaves_no_time_to_guess(operator: Operator, watch: StatusWatch):
    folder = planned(operator)
    activate(operator.runs, folder.run_id, bucket=BUCKET)
    folder.write_done(ShardDone(name="f-000000", images={"indexed": 3}, calls=60, duration_ms=60_000))
    pause(operator.runs, Paused.BACKFILL)
    status = watch.look()
    assert status.paused is Paused.BACKFILL
    assert status.run.seconds_left is None


def test_queues_jobs_doors_and_failures_are_counted(operator: Operator, watch: StatusWatch):
    depth, jobs = operator.depths[Messages.LIVE_DEAD_LETTERS], operator.job_lists[Jobs.LIVE]
    assert isinstance(depth, MemoryQueueDepth)
    assert isinstance(jobs, MemoryJobList)
    depth.given, jobs.given = Depth(3, 1), JobCounts(by_state={JobState.FAILED: 2})
    operator.failures.ledger.put(failed("a.tif"), over=None)
    status = watch.look()
    assert status.messages[Messages.LIVE_DEAD_LETTERS] == Depth(3, 1)
    assert status.jobs[Jobs.LIVE].failed == 2
    assert status.open_doors == {Messages.PLAN: True, Messages.LIVE: True}
    assert status.failures == {"unreadable": 1}


class Away:
    """An index that does not answer."""

    def failure_counts(self, bucket: str) -> Mapping[str, int]:
        raise UnavailableError(f"counting failures of {bucket}: it does not answer")


def test_what_does_not_answer_is_named_and_the_rest_is_told(operator: Operator):
    away: FailureList = Away()
    status = watch_of(dataclasses.replace(operator, failures=away)).look()
    assert status.unknown == {"failed_images": f"counting failures of {BUCKET}: it does not answer"}
    assert status.failures == {}
    assert len(status.messages) == len(Messages)


def test_failed_jobs_are_counted_of_one_day(operator: Operator):
    asked = []

    class Asked:
        def counts(self, *, since_ms: int) -> JobCounts:
            asked.append(since_ms)
            return JobCounts()

    assert isinstance(operator.clock, ManualClock)
    watch_of(dataclasses.replace(operator, job_lists={Jobs.LIVE: Asked()})).look()
    assert asked == [operator.clock.now_ms() - JOBS_OF_MS]
