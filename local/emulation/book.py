"""All jobs by id, and how the children of each array stand. Not safe for threads by itself: its owner holds a lock."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from local.emulation.jobs import ENDED, Job, Status


class JobBook:
    """Jobs by id; an array's parent follows its children."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._children: dict[str, tuple[str, ...]] = {}
        self._summaries: dict[str, Counter[Status]] = {}

    def __iter__(self) -> Iterator[Job]:
        """Yield plain jobs and parents, the oldest first."""
        return (job for job in self._jobs.values() if not job.parent_id)

    def add(self, job: Job, children: Iterable[Job] = ()) -> None:
        """Enter a new job with its children."""
        self._jobs[job.job_id] = job
        if job.array_size:
            added = {child.job_id: child for child in children}
            self._jobs |= added
            self._children[job.job_id] = tuple(added)
            self._summaries[job.job_id] = Counter(child.status for child in added.values())

    def get(self, job_id: str) -> Job | None:
        """Find a job, a parent or a child (``PARENT:INDEX``)."""
        return self._jobs.get(job_id)

    def children(self, parent_id: str) -> tuple[Job, ...]:
        """Give an array's children in order; none for a plain job."""
        return tuple(self._jobs[child] for child in self._children.get(parent_id, ()))

    def summary(self, parent_id: str) -> dict[str, int]:
        """Count an array's children by status, all statuses named."""
        counts = self._summaries.get(parent_id, Counter())  # it may have been forgotten meanwhile
        return {status.value: counts[status] for status in Status}

    def change(self, job_id: str, **changes: Any) -> tuple[Job, ...]:
        """Replace fields of a job.

        Returns:
            The jobs whose status changed: this one, and its parent if this was the last child to end.
        """
        old = self._jobs[job_id]
        new = self._jobs[job_id] = replace(old, **changes)
        if new.status is old.status:
            return ()
        return (new, *self._parent_follows(old, new)) if new.parent_id else (new,)

    def clear(self) -> None:
        """Forget everything."""
        self._jobs.clear()
        self._children.clear()
        self._summaries.clear()

    def _parent_follows(self, old: Job, new: Job) -> tuple[Job, ...]:
        counts = self._summaries[new.parent_id]
        counts[old.status] -= 1
        counts[new.status] += 1
        parent = self._jobs[new.parent_id]
        if sum(counts[status] for status in ENDED) < parent.array_size:
            return ()
        failed = counts[Status.FAILED] > 0
        return self.change(
            parent.job_id,
            status=Status.FAILED if failed else Status.SUCCEEDED,
            status_reason="Array Child Job failed" if failed else "",
            stopped_ms=new.stopped_ms,
        )
