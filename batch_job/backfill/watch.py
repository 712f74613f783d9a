"""Asks everything that a deployment's status is made of, again and again; what cannot change is asked once."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from batch_job.backfill.pace import recent_pace, whole_pace
from batch_job.backfill.pausing import Paused, paused
from batch_job.backfill.progress import RunWatch
from batch_job.backfill.shards import RunFolder, active_run
from batch_job.backfill.status import RunStatus, Status
from batch_job.errors import BackfillError, InputError
from batch_job.ports import Clock, Door, FailureList, JobList, QueueDepth, RunStore
from batch_job.values.inventory import Request, Scope
from batch_job.values.queues import Jobs, Messages
from batch_job.values.work import Redo

ASKED_AT_ONCE = 8
"""Services are far away for an operator: one after the other, a look would take seconds."""
NEWEST = 10
"""Runs looked through for those beside the active one, and for those that did not take its place."""
OTHERS = 3
"""Runs beside the active one that are told of."""
TOLD_MS = 24 * 60 * 60 * 1000
"""How long they are told of after their end."""
JOBS_OF_MS = 24 * 60 * 60 * 1000
"""How long a failed job is told of; Batch forgets it after a week."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Runs:
    """What the runs' folder says."""

    run: RunStatus | None
    is_active: bool
    others: tuple[RunStatus, ...]
    not_active: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusWatch:
    """Looks at one deployment, over the services."""

    stack: str
    bucket: str
    runs: RunStore
    clock: Clock
    """Of the same store as ``runs``: it knows the time once that has answered."""
    depths: Mapping[Messages, QueueDepth]
    doors: Mapping[Messages, Door]
    job_lists: Mapping[Jobs, JobList]
    failures: FailureList
    watches: dict[str, RunWatch] = field(default_factory=dict)
    """By run; what was read of each."""
    finished: dict[str, RunStatus] = field(default_factory=dict)
    """By run; no more comes of these."""

    def look(self, *, run_id: str | None = None) -> Status:
        """Ask everything, some at once; what does not answer is left out and named in ``unknown``.

        Args:
            run_id: Of this run instead of the newest.

        Raises:
            InputError: there is no such run.
            BackfillError: the runs' folder cannot be read, and so nothing is known.
        """
        pause = paused(self.runs)
        found = self._look_at_runs(run_id, pause)
        now_ms = self.clock.now_ms()
        questions: dict[str, Callable[[], Any]] = {
            "failed_images": lambda: self.failures.failure_counts(self.bucket),
            **{f"messages.{queue}": depth.depth for queue, depth in self.depths.items()},
            **{f"doors.{queue}": _looking_at(door) for queue, door in self.doors.items()},
            **{f"jobs.{queue}": _counting(jobs, now_ms - JOBS_OF_MS) for queue, jobs in self.job_lists.items()},
        }
        answers, unknown = _ask(questions)
        return Status(
            stack=self.stack,
            at_ms=now_ms,
            paused=pause,
            run=found.run,
            run_is_active=found.is_active,
            others=found.others,
            not_active=found.not_active,
            messages={queue: answers[name] for queue in self.depths if (name := f"messages.{queue}") in answers},
            open_doors={queue: answers[name] for queue in self.doors if (name := f"doors.{queue}") in answers},
            jobs={queue: answers[name] for queue in self.job_lists if (name := f"jobs.{queue}") in answers},
            failures=answers.get("failed_images", {}),
            unknown=unknown,
        )

    def _look_at_runs(self, run_id: str | None, pause: Paused | None) -> _Runs:
        active = active_run(self.runs, bucket=self.bucket)
        if run_id is not None:
            return _Runs(self._run(run_id, pause), run_id == active, (), ())
        run = None if active is None else self._run(active, pause)
        others: list[RunStatus] = []
        not_active: list[str] = []
        for other, request in self._newest(besides=active):
            if request.scope is Scope.BUCKET and other > (active or ""):
                not_active.append(other)
            elif (request.scope is Scope.PART or request.redo is not Redo.NOTHING) and len(others) < OTHERS:
                others += self._worth_telling(self._run(other, pause))
        return _Runs(run, is_active=True, others=tuple(others), not_active=tuple(not_active))

    def _newest(self, *, besides: str | None) -> Iterator[tuple[str, Request]]:
        """Yield the last runs, the newest first; their names sort by time."""
        names = [folder.removeprefix("runs/").rstrip("/") for folder in self.runs.folders("runs/")]
        for run_id in reversed(names[-NEWEST:]):
            # a folder without manifest is on its way in, or out
            with suppress(InputError):
                request = self._watch(run_id).manifest().request
                if run_id != besides:
                    yield run_id, request

    def _worth_telling(self, run: RunStatus) -> Iterator[RunStatus]:
        """Yield a run, unless it ended long ago."""
        ended_ms = run.last_ended_ms or run.progress.inventory_ms
        if not run.progress.finished or self.clock.now_ms() - ended_ms < TOLD_MS:
            yield run

    def _run(self, run_id: str, pause: Paused | None) -> RunStatus:
        found = self.finished.get(run_id) or self._looked_at(run_id, pause)
        if found.progress.finished:
            self.finished[run_id] = found
        return found

    def _looked_at(self, run_id: str, pause: Paused | None) -> RunStatus:
        watch = self._watch(run_id)
        progress, ended = watch.look(), watch.ended()
        pace = whole_pace(ended) if progress.finished else recent_pace(ended, now_ms=self.clock.now_ms())
        return RunStatus(
            progress=progress,
            request=watch.manifest().request,
            pace=pace,
            last_ended_ms=max((shard.ended_ms for shard in ended), default=None),
            longest_shard_ms=max((shard.duration_ms for shard in ended), default=0),
            paused=pause is not None,
        )

    def _watch(self, run_id: str) -> RunWatch:
        return self.watches.setdefault(run_id, RunWatch(RunFolder(self.runs, run_id)))


def _looking_at(door: Door) -> Callable[[], Any]:
    return lambda: door.is_open


def _counting(jobs: JobList, since_ms: int) -> Callable[[], Any]:
    return lambda: jobs.counts(since_ms=since_ms)


def _ask(questions: Mapping[str, Callable[[], T]]) -> tuple[dict[str, T], dict[str, str]]:
    """Ask all at once; give the answers, and why there is none."""
    answers: dict[str, T] = {}
    unknown: dict[str, str] = {}
    with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="status") as askers:
        asked = {name: askers.submit(question) for name, question in questions.items()}
        for name, answer in asked.items():
            try:
                answers[name] = answer.result()
            except BackfillError as error:
                unknown[name] = str(error)
    return answers, unknown
