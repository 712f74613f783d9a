"""Which job runs when: first come, first served in each queue, under its environments' vCPUs and a cap on processes."""

import contextvars
import queue
import tempfile
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from local.emulation import cloud
from local.emulation.book import JobBook
from local.emulation.cloud import Environment
from local.emulation.container import Container
from local.emulation.detail import to_detail
from local.emulation.entrypoint import Entrypoint
from local.emulation.jobs import ENDED, EXITED, TIMED_OUT, WAITING, Attempt, Job, Status, is_retried
from local.emulation.surroundings import variables


class Scheduler:
    """Runs jobs as processes; every method may be called from any thread, and none waits for a job."""

    def __init__(self, entrypoint: Entrypoint, *, max_processes: int) -> None:
        self.book = JobBook()
        self._entrypoint = entrypoint
        self._max_processes = max_processes
        self._lock = threading.RLock()
        self._waiting: defaultdict[str, deque[str]] = defaultdict(deque)
        self._used_vcpus: defaultdict[str, float] = defaultdict(float)
        self._processes = 0
        self._running: dict[str, Container] = {}
        self._contexts: dict[str, contextvars.Context] = {}
        self._is_closed = False
        self._news: queue.SimpleQueue[tuple[contextvars.Context, Job]] = queue.SimpleQueue()
        threading.Thread(target=self._announce, name="batch-events", daemon=True).start()

    def submit(self, job: Job, children: Iterable[Job] = ()) -> None:
        """Enter a job, or an array with its children, and start what fits."""
        with self._lock:
            self.book.add(job, children)
            self._contexts[job.job_id] = contextvars.copy_context()
            if job.array_size:
                self._change(job.job_id, status=Status.PENDING)
            for one in self._runs(job.job_id):
                self._change(one.job_id, status=Status.RUNNABLE)
                self._waiting[job.queue_arn].append(one.job_id)
        self.start_what_fits()

    def cancel(self, job_id: str, reason: str) -> None:
        """End what has not started yet; what runs goes on."""
        with self._lock:
            for one in self._runs(job_id):
                if one.status in WAITING:
                    changes = {"status": Status.FAILED, "status_reason": reason, "stopped_ms": now_ms()}
                    self._change(one.job_id, ended_by_user=reason, **changes)

    def terminate(self, job_id: str, reason: str) -> None:
        """End what has not started, and stop what runs."""
        with self._lock:
            self.cancel(job_id, reason)
            for one in self._runs(job_id):
                if one.status not in ENDED:
                    self._change(one.job_id, ended_by_user=reason)
                    if one.job_id in self._running:
                        self._running[one.job_id].stop()

    def start_what_fits(self) -> None:
        """Start jobs from the head of each queue while there is capacity."""
        with self._lock:
            for waiting in self._waiting.values():
                while waiting and not self._is_closed and self._leaves(waiting[0]):
                    waiting.popleft()

    def clear(self) -> None:
        """Kill all processes and forget all jobs."""
        with self._lock:
            self._waiting.clear()
            self.book.clear()
            for container in self._running.values():
                container.kill()

    def close(self) -> None:
        """Kill all processes; no other starts after."""
        with self._lock:
            self._is_closed = True
            self.clear()

    def _runs(self, job_id: str) -> tuple[Job, ...]:
        """Give the jobs that have containers: an array's children, or the job itself."""
        job = self.book.get(job_id)
        return self.book.children(job_id) or ((job,) if job else ())

    def _leaves(self, job_id: str) -> bool:
        """Start the head of a queue if there is room; false when it has to wait."""
        job = self.book.get(job_id)
        if job is None or job.status is not Status.RUNNABLE:
            return True  # it ended while it waited
        context = self._contexts[job.root_id].copy()
        place = context.run(self._place_for, job)
        if place is None:
            return False
        self._processes += 1
        self._used_vcpus[place.arn] += job.plan.vcpus
        self._change(job_id, status=Status.STARTING)
        threading.Thread(target=context.run, args=(self._attempt, job, place), daemon=True).start()
        return True

    def _place_for(self, job: Job) -> Environment | None:
        if self._processes >= self._max_processes:
            return None
        places = cloud.environments(job.queue_arn)
        return next((one for one in places if self._used_vcpus[one.arn] + job.plan.vcpus <= one.max_vcpus), None)

    def _attempt(self, job: Job, place: Environment) -> None:
        """Run a job once; in a thread of its own, in the submitter's context."""
        started_ms, stream = now_ms(), f"{job.plan.log_prefix}/default/{uuid.uuid4().hex}"
        cloud.open_log(job.plan.log_group, stream)
        code, reason = None, ""
        with tempfile.TemporaryDirectory(prefix="job-", ignore_cleanup_errors=True) as scratch:
            try:
                ended = self._start(job, place, stream, Path(scratch)).wait(job.plan.timeout_s)
                code, status_reason = ended.code, TIMED_OUT if ended.is_timed_out else EXITED
            except (OSError, ValueError) as error:  # no such program; a variable that no process can have
                reason, status_reason = f"CannotStartContainerError: {error}", "Task failed to start"
        attempt = Attempt(
            exit_code=code,
            status_reason=status_reason,
            reason=reason,
            log_stream=stream,
            started_ms=started_ms,
            stopped_ms=now_ms(),
        )
        with self._lock:
            self._processes -= 1
            self._used_vcpus[place.arn] -= job.plan.vcpus
            self._running.pop(job.job_id, None)
            self._conclude(job.job_id, attempt)
        self.start_what_fits()

    def _start(self, job: Job, place: Environment, stream: str, scratch: Path) -> Container:
        size = len(self.book.children(job.parent_id)) if job.parent_id else 0
        env = variables(job, array_size=size, place=place, scratch=scratch)
        argv = self._entrypoint.with_command(job.plan.command)
        write_line = partial(cloud.log, job.plan.log_group, stream)
        with self._lock:  # whoever closes or terminates at this moment finds it, or comes before it
            container = Container(argv, env=env, cwd=scratch, write_line=write_line)
            self._running[job.job_id] = container
            current = self.book.get(job.job_id)
            if current is None or self._is_closed:
                container.kill()
                return container
            self._change(job.job_id, status=Status.RUNNING, started_ms=now_ms(), log_stream=stream)
            if current.ended_by_user:
                container.stop()
        return container

    def _conclude(self, job_id: str, attempt: Attempt) -> None:
        """Enter what an attempt came to; a job that is tried again goes to the end of its queue."""
        job = self.book.get(job_id)
        if job is None:
            return
        attempts = (*job.attempts, attempt)
        changes: dict[str, Any] = {"attempts": attempts, "status_reason": job.ended_by_user or attempt.status_reason}
        is_final = bool(job.ended_by_user) or attempt.status_reason == TIMED_OUT
        if attempt.exit_code == 0 and not is_final:
            self._change(job_id, **changes, status=Status.SUCCEEDED, stopped_ms=attempt.stopped_ms)
        elif is_final or not is_retried(job.plan, attempts):
            self._change(job_id, **changes, status=Status.FAILED, stopped_ms=attempt.stopped_ms)
        else:
            self._change(job_id, **changes, status=Status.RUNNABLE)
            self._waiting[job.queue_arn].append(job_id)

    def _change(self, job_id: str, **changes: Any) -> None:
        for changed in self.book.change(job_id, **changes):
            self._news.put((self._contexts[changed.root_id], changed))

    def _announce(self) -> None:
        while True:
            context, job = self._news.get()
            context.copy().run(cloud.announce, to_detail(job, self.book))


def now_ms() -> int:
    """Read the clock, ms since 1970."""
    return time.time_ns() // 1_000_000
