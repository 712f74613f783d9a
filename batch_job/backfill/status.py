"""How a deployment stands: its newest run, its queues and jobs, what failed; nothing here asks anybody. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from batch_job.backfill.pace import Pace
from batch_job.backfill.pausing import Paused
from batch_job.backfill.progress import RunProgress
from batch_job.values.inventory import Request
from batch_job.values.queues import Depth, JobCounts, Jobs, JobState, Messages

FAILED = ("failed", "failed_before")
"""Outcomes of images that cannot be processed, as ``Tally.images`` names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How far a run is, and how fast."""

    progress: RunProgress
    request: Request
    pace: Pace | None = None
    """None: no shard has ended."""
    last_ended_ms: int | None = None
    """When the last shard ended, ms since 1970."""
    longest_shard_ms: int = 0
    paused: bool = False

    @property
    def found(self) -> int:
        """Images in the CSVs planned, of those that are asked for."""
        counts = self.progress.counts
        return counts.new + counts.changed + counts.done

    @property
    def failed(self) -> int:
        """Images visited that cannot be processed."""
        return sum(self.progress.images.get(outcome, 0) for outcome in FAILED)

    @property
    def done(self) -> int:
        """Images visited, the failed ones left out."""
        return sum(self.progress.images.values()) - self.failed

    @property
    def seconds_left(self) -> float | None:
        """Estimate when the planned images will have been visited; None: nobody knows."""
        if self.paused or not self.progress.left or self.pace is None:
            return None
        return self.pace.seconds_left(self.progress.left)

    def to_json(self) -> dict[str, Any]:
        """Encode; the keys stand in ``docs/operations.md``."""
        run = self.progress
        return {
            "run_id": run.run_id,
            "inventory": iso(run.inventory_ms),
            "scope": str(self.request.scope),
            "redo": str(self.request.redo),
            "csv_files": {"total": run.files, "planned": run.files_planned},
            "images": {
                "found": self.found,
                "new": run.counts.new,
                "changed": run.counts.changed,
                "unchanged": run.counts.done,
                "done": self.done,
                "failed": self.failed,
                "left": run.left,
            },
            "outcomes": dict(sorted(run.images.items())),
            "errors": dict(sorted(run.errors.items())),
            "shards": {"total": run.shards, "done": run.shards_done},
            "sweep": {"state": str(run.sweep), "outcomes": dict(sorted(run.swept.items()))},
            "labels": run.labels,
            "calls": run.calls,
            "blank_chips": run.blank_chips,
            "pace": _pace(self.pace),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left),
            "last_shard_ended": None if self.last_ended_ms is None else iso(self.last_ended_ms),
            "finished": run.finished,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a deployment stood at one moment."""

    stack: str
    at_ms: int
    """By the store, ms since 1970."""
    paused: Paused | None = None
    run: RunStatus | None = None
    """The bucket's active run; None: there is none yet."""
    run_is_active: bool = True
    """Or another was asked for, of which nobody may expect that it goes on."""
    others: tuple[RunStatus, ...] = ()
    """Runs beside it that no newer one supersedes: of parts of the bucket, or of what is done again; newest first."""
    not_active: tuple[str, ...] = ()
    """Runs of the whole bucket that were begun after the active one, and did not take its place."""
    messages: Mapping[Messages, Depth] = field(default_factory=dict)
    open_doors: Mapping[Messages, bool] = field(default_factory=dict)
    """Whether messages of a queue reach who works on them."""
    jobs: Mapping[Jobs, JobCounts] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    """Images of the bucket that cannot be processed now, by error code, whichever run found out."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be asked for, and why; then it is left out, or empty, above."""

    def to_json(self) -> dict[str, Any]:
        """Encode; the keys stand in ``docs/operations.md``."""
        return {
            "stack": self.stack,
            "at": iso(self.at_ms),
            "paused": {"backfill": self.paused is not None, "live": self.paused is Paused.EVERYTHING},
            "run": None if self.run is None else self.run.to_json(),
            "other_runs": [run.to_json() for run in self.others],
            "not_active": list(self.not_active),
            "messages": {str(queue): _depth(depth) for queue, depth in self.messages.items()},
            "doors": {str(queue): "open" if is_open else "shut" for queue, is_open in self.open_doors.items()},
            "jobs": {str(queue): _jobs(counts) for queue, counts in self.jobs.items()},
            "failed_images": dict(self.failures),
            "unknown": dict(self.unknown),
        }


def iso(ms: int) -> str:
    """Give a time of the store, ISO 8601 in UTC, whole seconds."""
    return f"{datetime.fromtimestamp(ms // 1000, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def _pace(pace: Pace | None) -> dict[str, Any] | None:
    if pace is None:
        return None
    return {
        "calls_per_s": round(pace.calls_per_s, 3),
        "images_per_s": round(pace.images_per_s, 3),
        "seconds": round(pace.seconds),
        "shards": pace.shards,
    }


def _depth(depth: Depth) -> dict[str, int]:
    return {"waiting": depth.waiting, "in_flight": depth.in_flight, "delayed": depth.delayed}


def _jobs(counts: JobCounts) -> dict[str, Any]:
    states = {str(state).lower(): counts.by_state.get(state, 0) for state in JobState}
    return {**states, "oldest": None if counts.oldest_ms is None else iso(counts.oldest_ms)}
