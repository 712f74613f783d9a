"""What in a deployment's status wants a person, the most urgent first, and what that person can do. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto

from batch_job.backfill.pausing import Paused
from batch_job.backfill.progress import SweepState
from batch_job.backfill.status import RunStatus, Status
from batch_job.values.queues import Depth, JobCounts, Jobs, Messages

NO_MACHINE_MS = 15 * 60 * 1000
"""Fargate takes one to five minutes to give a machine, and Spot may take longer in a crowd."""
STILL_MS = 30 * 60 * 1000
STILL_SHARDS = 3
"""A shard is given as long as three of the longest that ended."""
OVERDUE_MS = 50 * 60 * 60 * 1000
"""A daily inventory: the first comes within 48 hours (S3 user guide), the others once a day."""
NOBODY_TAKES = 10
"""So many messages, and none in flight: whoever should take them is stopped, and not merely between two."""


class What(StrEnum):
    """What is the matter."""

    UNKNOWN = auto()
    PAUSED = auto()
    DEAD_LETTERS = auto()
    SHUT = auto()
    NOT_TAKEN = auto()
    NOT_PLANNED = auto()
    NO_MACHINE = auto()
    NO_JOB = auto()
    STANDS_STILL = auto()
    JOBS_FAILED = auto()
    NOT_ACTIVE = auto()
    OVERDUE = auto()


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that wants a person."""

    what: What
    text: str
    cure: str

    def to_json(self) -> dict[str, str]:
        """Encode."""
        return {"what": str(self.what), "text": self.text, "cure": self.cure}


def concerns(status: Status) -> list[Concern]:
    """Find what wants a person."""
    found = [Concern(What.UNKNOWN, f"{name} is not known: {why}", "") for name, why in status.unknown.items()]
    found += [*_pause(status), *_messages(status), *_jobs(status)]
    if not status.run_is_active:
        return found
    if status.paused is None:
        found += [concern for run in _unfinished(status) for concern in _run(status, run)]
    return [*found, *_inventories(status)]


def _unfinished(status: Status) -> list[RunStatus]:
    """Give the active run, and those beside it, as far as they are not over."""
    runs = ([] if status.run is None else [status.run]) + list(status.others)
    return [run for run in runs if not run.progress.finished]


def _pause(status: Status) -> Iterator[Concern]:
    if status.paused is not None:
        yield Concern(What.PAUSED, f"somebody paused {status.paused.value}", _command(status, "resume"))


def _messages(status: Status) -> Iterator[Concern]:
    for queue in (Messages.PLAN_DEAD_LETTERS, Messages.LIVE_DEAD_LETTERS):
        depth = status.messages.get(queue)
        if depth is not None and depth.messages:
            text = f"{_n(depth.messages, 'message')} given up in {queue}"
            yield Concern(What.DEAD_LETTERS, text, "see why in the logs, then redrive: docs/runbook.md")
    for queue in (Messages.PLAN, Messages.LIVE):
        if queue is Messages.PLAN or status.paused is not Paused.EVERYTHING:
            yield from _taking(status, queue)


def _taking(status: Status, queue: Messages) -> Iterator[Concern]:
    """Look whether messages that wait are taken."""
    depth = status.messages.get(queue, Depth(0, 0))
    if not status.open_doors.get(queue, True):
        text = f"the {queue} door was shut, as a permission or a setting was missing; {depth.waiting:,} waiting"
        yield Concern(What.SHUT, text, f"see why in its log, then {_command(status, 'resume')}")
    elif depth.waiting >= NOBODY_TAKES and not depth.in_flight:
        text = f"nobody takes the {_n(depth.waiting, 'message')} of {queue}"
        yield Concern(What.NOT_TAKEN, text, "see its log: docs/runbook.md")


def _jobs(status: Status) -> Iterator[Concern]:
    for queue, jobs in status.jobs.items():
        if jobs.waiting and not jobs.working and jobs.oldest_ms is not None:
            waited_ms = status.at_ms - jobs.oldest_ms
            if waited_ms > NO_MACHINE_MS:
                text = f"no machine for {_n(jobs.waiting, f'{queue} job')}, the oldest {_minutes(waited_ms)} old"
                yield Concern(What.NO_MACHINE, text, "vCPU quota, Spot capacity, subnets: imagery-backfill doctor")
        if jobs.failed and not (queue is Jobs.BACKFILL and status.run is not None and not _unfinished(status)):
            # when all runs are over, others did what failed jobs had left
            text = f"{_n(jobs.failed, f'{queue} job')} of the last day gave up"
            yield Concern(What.JOBS_FAILED, text, f"see why in the logs, then {_again(status, queue)}")


def _again(status: Status, queue: Jobs) -> str:
    return _command(status, "resume") if queue is Jobs.BACKFILL else "wait: the next inventory visits their images"


def _run(status: Status, run: RunStatus) -> Iterator[Concern]:
    progress, jobs = run.progress, status.jobs.get(Jobs.BACKFILL)
    if jobs is None:
        return
    idle = not jobs.waiting and not jobs.working
    unplanned = progress.files - progress.files_planned
    planning = status.messages.get(Messages.PLAN)
    if unplanned and idle and planning is not None and not planning.in_flight:
        text = f"{unplanned:,} of {_n(progress.files, 'CSV')} not planned, and nobody is at it"
        yield Concern(What.NOT_PLANNED, text, "see why in the planner's log, then redrive: docs/runbook.md")
    left = progress.shards - progress.shards_done
    if left and idle:
        beside = "" if run is status.run else f" of run {progress.run_id}"
        text = f"{_n(left, 'shard')}{beside} not done, and no job is at it"
        yield Concern(What.NO_JOB, text, _command(status, "resume"))
    elif not unplanned and not left and progress.sweep is SweepState.DUE and idle:
        yield Concern(What.NO_JOB, "the sweep is due, and no job is at it", _command(status, "resume"))
    yield from _stands_still(status, run, jobs)


def _stands_still(status: Status, run: RunStatus, jobs: JobCounts) -> Iterator[Concern]:
    if run.last_ended_ms is None or not jobs.working:
        return
    still_ms = status.at_ms - run.last_ended_ms
    if run.progress.left and still_ms > max(STILL_MS, STILL_SHARDS * run.longest_shard_ms):
        text = f"no shard has ended for {_minutes(still_ms)}, with {_n(jobs.working, 'job')} at work"
        yield Concern(What.STANDS_STILL, text, "throttled, or out of budget? the workers' log says it: docs/runbook.md")


def _inventories(status: Status) -> Iterator[Concern]:
    for run_id in status.not_active:
        text = f"run {run_id} was begun, and did not become the active one"
        yield Concern(What.NOT_ACTIVE, text, "its message comes again; else see why in the planner's log")
    start = f"to list the bucket now: {_command(status, 'start')}"
    if status.run is None:
        yield Concern(What.OVERDUE, "no inventory has come yet; the first takes up to 48 hours", start)
    elif status.at_ms - status.run.progress.inventory_ms > OVERDUE_MS:
        age_ms = status.at_ms - status.run.progress.inventory_ms
        text = f"the newest inventory is {age_ms // 3_600_000:,} hours old; one is due every day"
        yield Concern(What.OVERDUE, text, f"is it still configured on the bucket? {start}")


def _command(status: Status, name: str) -> str:
    return f"imagery-backfill --stack {status.stack} {name}"


def _n(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _minutes(ms: int) -> str:
    return f"{ms // 60_000:,} min"
