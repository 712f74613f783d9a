import dataclasses
from typing import Any

import pytest

from batch_job.backfill.concerns import NOBODY_TAKES, OVERDUE_MS, What, concerns
from batch_job.backfill.pausing import Paused
from batch_job.backfill.progress import SweepState
from batch_job.values.queues import Depth, JobCounts, Jobs, JobState, Messages
from tests.unit.backfill.statuses import ALL_DONE, EMPTY, HOUR_MS, IDLE, NOW_MS, STATUSES, run, status

RUNNABLE = {JobState.RUNNABLE: 5}


def found(**other: Any) -> list[What]:
    return [one.what for one in concerns(status(**other))]


def with_jobs(queue: Jobs, counts: JobCounts) -> dict[Jobs, JobCounts]:
    return {**IDLE, queue: counts}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("at_work", []),
        ("large", []),
        ("finished_and_a_part", []),
        ("nothing_yet", [What.OVERDUE]),
        ("planner_failed", [What.DEAD_LETTERS, What.NOT_PLANNED, What.NOT_ACTIVE]),
        ("paused", [What.PAUSED]),
        ("no_machine", [What.NO_MACHINE, What.NO_MACHINE, What.JOBS_FAILED]),
        ("shut", [What.SHUT]),
        ("unknown", [What.UNKNOWN, What.UNKNOWN]),
    ],
)
def test_each_bad_day_is_named(name: str, expected: list[What]):
    assert [one.what for one in concerns(STATUSES[name])] == expected


def test_shards_that_nobody_works_on_want_a_resume():
    [concern] = concerns(status(jobs=IDLE))
    assert concern.what is What.NO_JOB
    assert concern.text == "19 shards not done, and no job is at it"
    assert concern.cure == "imagery-backfill --stack Mine resume"


def test_a_run_beside_a_finished_one_wants_the_same():
    part = run(run_id="part")
    [concern] = concerns(status(run=run(**ALL_DONE), others=(part,), jobs=IDLE))
    assert concern.what is What.NO_JOB
    assert concern.text == "19 shards of run part not done, and no job is at it"
    failed = with_jobs(Jobs.BACKFILL, JobCounts(by_state={JobState.FAILED: 1}))
    assert found(run=run(**ALL_DONE), others=(part,), jobs=failed) == [What.JOBS_FAILED, What.NO_JOB]
    assert found(run=run(**ALL_DONE), others=(run(**ALL_DONE),), jobs=failed) == []


def test_a_sweep_that_nobody_makes_wants_a_resume():
    due = {**ALL_DONE, "sweep": SweepState.DUE}
    assert found(run=run(**due), jobs=IDLE) == [What.NO_JOB]
    assert found(run=run(**due)) == []
    assert found(run=run(**{**due, "sweep": SweepState.WAITING, "files_planned": 2}), jobs=IDLE) == [What.NOT_PLANNED]


@pytest.mark.parametrize("queue", [Messages.PLAN_DEAD_LETTERS, Messages.LIVE_DEAD_LETTERS])
def test_a_message_given_up_is_a_concern_wherever_it_stands(queue: Messages):
    for depth in (Depth(1, 0), Depth(0, 1), Depth(0, 0, 1)):
        assert found(messages={**EMPTY, queue: depth}) == [What.DEAD_LETTERS]


def test_messages_that_nobody_takes_are_a_concern_when_they_are_many():
    assert found(messages={**EMPTY, Messages.LIVE: Depth(NOBODY_TAKES, 0)}) == [What.NOT_TAKEN]
    assert found(messages={**EMPTY, Messages.LIVE: Depth(NOBODY_TAKES - 1, 0)}) == []
    assert found(messages={**EMPTY, Messages.LIVE: Depth(100_000, 1)}) == []


def test_while_everything_is_paused_live_messages_may_wait():
    waiting = {**EMPTY, Messages.LIVE: Depth(100_000, 0)}
    assert found(paused=Paused.EVERYTHING, messages=waiting) == [What.PAUSED]
    assert found(paused=Paused.BACKFILL, messages=waiting) == [What.PAUSED, What.NOT_TAKEN]


def test_a_shut_door_of_the_planner_is_a_concern_even_in_a_pause():
    assert found(paused=Paused.EVERYTHING, open_doors={Messages.PLAN: False}) == [What.PAUSED, What.SHUT]


@pytest.mark.parametrize(
    ("age_ms", "states", "expected"),
    [
        (HOUR_MS, RUNNABLE, [What.NO_MACHINE]),
        (5 * 60_000, RUNNABLE, []),
        (HOUR_MS, {**RUNNABLE, JobState.STARTING: 1}, []),
        (HOUR_MS, {JobState.RUNNING: 1}, []),
    ],
)
def test_jobs_that_long_wait_in_vain_for_a_machine_are_a_concern(age_ms: int, states: dict, expected: list[What]):
    jobs = with_jobs(Jobs.BACKFILL, JobCounts(by_state=states, oldest_ms=NOW_MS - age_ms))
    assert found(jobs=jobs) == expected


def test_failed_jobs_are_a_concern_until_the_run_is_over():
    failed = JobCounts(by_state={JobState.FAILED: 1, JobState.RUNNING: 1}, oldest_ms=NOW_MS)
    assert found(jobs=with_jobs(Jobs.BACKFILL, failed)) == [What.JOBS_FAILED]
    assert found(jobs=with_jobs(Jobs.BACKFILL, failed), run=run(**ALL_DONE)) == []
    assert found(jobs=with_jobs(Jobs.LIVE, failed), run=run(**ALL_DONE)) == [What.JOBS_FAILED]


@pytest.mark.parametrize(
    ("still_ms", "longest_ms", "expected"),
    [
        (31 * 60_000, 60_000, [What.STANDS_STILL]),
        (29 * 60_000, 60_000, []),
        (2 * HOUR_MS, HOUR_MS, []),
        (4 * HOUR_MS, HOUR_MS, [What.STANDS_STILL]),
    ],
)
def test_work_without_an_end_is_a_concern_after_three_of_the_longest_shards(still_ms, longest_ms, expected):
    assert found(run=run(last_ended_ms=NOW_MS - still_ms, longest_shard_ms=longest_ms)) == expected


def test_an_inventory_is_overdue_after_two_days():
    old = run(**ALL_DONE, inventory_ms=NOW_MS - OVERDUE_MS - 1)
    assert found(run=old, jobs=IDLE) == [What.OVERDUE]
    assert found(run=run(**ALL_DONE, inventory_ms=NOW_MS - OVERDUE_MS), jobs=IDLE) == []


def test_in_a_pause_nobody_has_to_be_at_work():
    assert found(paused=Paused.BACKFILL, run=run(paused=True, files_planned=1), jobs=IDLE) == [What.PAUSED]


def test_of_an_older_run_nobody_expects_that_it_goes_on():
    old = run(inventory_ms=0, files_planned=1)
    assert found(run=old, jobs=IDLE, run_is_active=False) == []
    assert found(run=old, jobs=IDLE) == [What.NOT_PLANNED, What.NO_JOB, What.OVERDUE]


def test_what_is_not_known_is_not_taken_for_trouble():
    bare = dataclasses.replace(status(), jobs={}, messages={}, open_doors={}, failures={})
    assert concerns(bare) == []
