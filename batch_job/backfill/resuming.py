"""After a pause: shards without done marker are submitted again, unless they wait or are worked on already."""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batch_job.backfill.jobs import TASK, WHAT, JobTask, job_parameters, submit_shards, submit_sweep
from batch_job.backfill.orders import LOOK_S
from batch_job.backfill.progress import missing_ranges, sweep_is_missing
from batch_job.backfill.shards import RunFolder, active_run
from batch_job.errors import ConflictError, InputError
from batch_job.ports import Door, JobQueue, RunStore, UnendedJobs
from batch_job.values.inventory import Scope
from batch_job.values.queues import UnendedJob
from batch_job.values.work import Redo, ShardRange

HANDED_BACK_S = 30.0
"""A child that saw the pause has ended by then: it looks every few seconds, and finishes the calls under way."""

SEEN_S = 10.0
"""A function that saw the pause has shut its door by then."""
DOOR_TRIES = 10
"""A door takes some seconds for each change, and refuses others meanwhile."""

Busy = Mapping[tuple[str, str], frozenset[int]]
"""Shards that wait or are worked on: their numbers, by run and plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedRun:
    """What one run was given again."""

    run_id: str
    shards: int
    """Submitted again."""
    busy: int
    """Without done marker, but waiting or worked on already."""
    sweep: bool
    """Whether its sweep was submitted."""

    @property
    def lacked_nothing(self) -> bool:
        """Tell whether all that was planned is done."""
        return not (self.shards or self.busy or self.sweep)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumer:
    """Submits what a pause left, over the services; the pause must be over."""

    runs: RunStore
    jobs: JobQueue
    queue: UnendedJobs
    """Of the same jobs."""
    bucket: str
    sleep: Callable[[float], None] = time.sleep
    """Seconds."""

    def resume(self) -> Iterator[ResumedRun]:
        """Submit what is missing of each unfinished run, the oldest first; done twice, the second finds it waiting.

        A run that no inventory supersedes and that is not finished: the bucket's active one, and any that was asked
        for beside it.
        """
        jobs = self._settled()
        for run_id in unfinished_runs(self.runs, bucket=self.bucket):
            yield self._resume(RunFolder(self.runs, run_id), jobs)

    def _resume(self, folder: RunFolder, jobs: Sequence[UnendedJob]) -> ResumedRun:
        missing = list(missing_ranges(folder))
        again = list(without(missing, busy_shards(jobs)))
        for shards in again:
            folder.note_job(submit_shards(self.jobs, shards))
        sweep = sweep_is_missing(folder) and not _sweeps(jobs, folder.run_id)
        if sweep:
            folder.note_job(submit_sweep(self.jobs, folder.run_id))
        count = sum(shards.count for shards in again)
        left = sum(shards.count for shards in missing) - count
        return ResumedRun(run_id=folder.run_id, shards=count, busy=left, sweep=sweep)

    def _settled(self) -> list[UnendedJob]:
        """List the jobs when those that saw the pause, and are about to end, have ended."""
        jobs = list(self.queue.unended())
        began, waited_s = _working(jobs), 0.0
        while began & _working(jobs) and waited_s < HANDED_BACK_S:
            self.sleep(LOOK_S)
            waited_s += LOOK_S
            jobs = list(self.queue.unended())
        return jobs


def _working(jobs: Iterable[UnendedJob]) -> set[tuple[str, int]]:
    return {(job.id, child) for job in jobs for child in job.working}


def _sweeps(jobs: Iterable[UnendedJob], run_id: str) -> bool:
    # a definition may add parameters of its own
    asked = job_parameters(JobTask.SWEEP, run_id).items()
    return any(asked <= job.parameters.items() for job in jobs)


def unfinished_runs(runs: RunStore, *, bucket: str) -> Iterator[str]:
    """Yield the runs that nothing supersedes and that are not finished, the oldest first."""
    active = active_run(runs, bucket=bucket)
    for folder in runs.folders("runs/"):
        run_id = folder.removeprefix("runs/").removesuffix("/")
        if run_id == active or _stands_alone(RunFolder(runs, run_id)):
            yield run_id


def _stands_alone(folder: RunFolder) -> bool:
    """Tell whether a run does what no newer inventory's run would do."""
    try:
        manifest = folder.manifest()
    except InputError:
        return False  # its folder is on its way out
    request = manifest.request
    return (request.scope is Scope.PART or request.redo is not Redo.NOTHING) and any(
        True for _ in missing_ranges(folder)
    )


def busy_shards(jobs: Iterable[UnendedJob]) -> Busy:
    """Tell which shards jobs will work through without being asked again."""
    busy: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for job in jobs:
        if job.parameters.get(TASK) == JobTask.SHARDS:
            shards = ShardRange.from_text(job.parameters[WHAT])
            busy[shards.run_id, shards.plan].update(shards.first + child for child in job.waiting | job.working)
    return {plan: frozenset(numbers) for plan, numbers in busy.items()}


def without(ranges: Iterable[ShardRange], busy: Busy) -> Iterator[ShardRange]:
    """Yield what is left of ranges, as few as can be."""
    for shards in ranges:
        taken = busy.get((shards.run_id, shards.plan), frozenset())
        numbers = (n for n in range(shards.first, shards.first + shards.count) if n not in taken)
        for _, together in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
            first, *rest = (n for _, n in together)
            yield ShardRange(shards.run_id, shards.plan, first=first, count=1 + len(rest))


def open_door(door: Door, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Let a queue's messages come again; tells whether they did not before.

    Raises:
        ConflictError: it changes and changes.
    """
    if door.is_open:
        return False
    for _ in range(DOOR_TRIES - 1):
        try:
            door.open()
        except ConflictError:
            sleep(LOOK_S)
        else:
            return True
    door.open()
    return True
