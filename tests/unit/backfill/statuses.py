"""Statuses of a deployment, in small and large numbers, on good days and bad ones."""

from typing import Any

from batch_job.backfill.pace import Pace
from batch_job.backfill.pausing import Paused
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.progress import RunProgress, SweepState
from batch_job.backfill.status import RunStatus, Status
from batch_job.values.inventory import NIGHTLY, Request, Scope
from batch_job.values.queues import Depth, JobCounts, Jobs, JobState, Messages
from batch_job.values.work import Redo

HOUR_MS = 3_600_000
NOW_MS = 1_795_286_000_000
INVENTORY_MS = NOW_MS - 17 * HOUR_MS

IDLE = {queue: JobCounts() for queue in Jobs}
EMPTY = {queue: Depth(0, 0) for queue in Messages}
AT_WORK = {
    Jobs.BACKFILL: JobCounts(
        by_state={JobState.RUNNABLE: 17, JobState.STARTING: 1, JobState.RUNNING: 2, JobState.SUCCEEDED: 31},
        oldest_ms=NOW_MS - 2 * HOUR_MS,
    ),
    Jobs.LIVE: JobCounts(),
}
PACE = Pace(seconds=1500, shards=20, images=4000, calls=5800)
ALL_DONE: dict[str, Any] = {"shards_done": 50, "images": {"indexed": 10_000, "failed": 45}, "sweep": SweepState.DONE}


def progress(**other: Any) -> RunProgress:
    """A run that is more than half done."""
    counts = PlanCounts(new=10_000, changed=45, done=2_300, filtered=12, items=10_045, chips=99_999)
    facts: dict[str, Any] = {
        "run_id": "20261121T010203Z-abcd1234",
        "inventory_ms": INVENTORY_MS,
        "files": 3,
        "files_planned": 3,
        "counts": counts,
        "shards": 50,
        "shards_done": 31,
        "images": {"indexed": 6_150, "skipped_same": 60, "failed": 12},
        "errors": {"unreadable": 10, "too_large": 2},
        "calls": 123_456,
        "labels": 98_765,
        "blank_chips": 20_468,
        "sweep": SweepState.DUE,
        "swept": {},
    }
    return RunProgress(**{**facts, **other})


def run(**other: Any) -> RunStatus:
    """The same, with its pace; names of ``RunStatus`` go to it, all others to ``progress``."""
    own = {name: other.pop(name) for name in tuple(other) if name in RunStatus.__slots__}
    facts: dict[str, Any] = {
        "request": NIGHTLY,
        "pace": PACE,
        "last_ended_ms": NOW_MS - 120_000,
        "longest_shard_ms": 400_000,
    }
    return RunStatus(progress=progress(**other), **{**facts, **own})


def status(**other: Any) -> Status:
    """A deployment that works on that run."""
    facts: dict[str, Any] = {
        "stack": "Mine",
        "at_ms": NOW_MS,
        "run": run(),
        "messages": EMPTY,
        "open_doors": {Messages.PLAN: True, Messages.LIVE: True},
        "jobs": AT_WORK,
        "failures": {"unreadable": 10, "too_large": 2},
    }
    return Status(**{**facts, **other})


STATUSES = {
    "at_work": status(),
    "nothing_yet": status(run=None, jobs=IDLE, failures={}),
    "finished_and_a_part": status(
        run=run(**ALL_DONE, swept={"removed": 4}, pace=Pace(seconds=7200, shards=50, images=10_045, calls=123_456)),
        others=(
            run(
                run_id="20261121T050000Z-00001111",
                request=Request(scope=Scope.PART, redo=Redo.DETECTION),
                shards_done=0,
                images={},
                errors={},
                calls=0,
                labels=0,
                sweep=SweepState.NONE,
                pace=None,
                last_ended_ms=None,
            ),
        ),
        jobs={**IDLE, Jobs.BACKFILL: JobCounts(by_state={JobState.RUNNING: 1})},
    ),
    "large": status(
        run=run(
            counts=PlanCounts(new=123_456_789, changed=9_876_543, done=1_000_000_000, items=133_333_332),
            files=432,
            files_planned=431,
            shards=266_667,
            shards_done=120_001,
            images={"indexed": 60_000_000, "failed": 12_345},
            calls=1_999_888_777,
            labels=9_999_999_999,
            sweep=SweepState.WAITING,
        ),
        messages={**EMPTY, Messages.LIVE: Depth(123_456, 1_000, 33)},
        jobs={
            **IDLE,
            Jobs.BACKFILL: JobCounts(
                by_state={JobState.RUNNABLE: 146_000, JobState.RUNNING: 256}, oldest_ms=NOW_MS - HOUR_MS
            ),
        },
        failures={"unreadable": 1_000_010, "archived": 55_555, "bad_geometry": 1},
    ),
    "planner_failed": status(
        run=run(
            files_planned=1,
            counts=PlanCounts(new=10, items=10),
            shards=1,
            shards_done=1,
            images={"indexed": 10},
            errors={},
            sweep=SweepState.WAITING,
        ),
        messages={**EMPTY, Messages.PLAN_DEAD_LETTERS: Depth(2, 0)},
        jobs=IDLE,
        not_active=("20261121T030203Z-ffff1234",),
        failures={},
    ),
    "paused": status(
        run=run(paused=True),
        paused=Paused.EVERYTHING,
        jobs=IDLE,
        messages={**EMPTY, Messages.LIVE: Depth(50, 0)},
        open_doors={Messages.PLAN: True, Messages.LIVE: False},
    ),
    "no_machine": status(
        run=run(shards_done=0, images={}, errors={}, pace=None, last_ended_ms=None),
        jobs={
            Jobs.BACKFILL: JobCounts(by_state={JobState.RUNNABLE: 50}, oldest_ms=NOW_MS - 2 * HOUR_MS),
            Jobs.LIVE: JobCounts(by_state={JobState.RUNNABLE: 1, JobState.FAILED: 2}, oldest_ms=NOW_MS - HOUR_MS),
        },
    ),
    "shut": status(messages={**EMPTY, Messages.LIVE: Depth(7, 0)}, open_doors={Messages.LIVE: False}),
    "unknown": status(
        unknown={
            "failed_images": "counting failures in imagery-images: OpenSearch does not answer: timed out",
            "jobs.live": "listing jobs of Mine-live: AccessDenied",
        },
        failures={},
        jobs={Jobs.BACKFILL: AT_WORK[Jobs.BACKFILL]},
    ),
}
