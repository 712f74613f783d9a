"""Counts a run: what ``--json`` prints and the display shows."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from batch_job.metrics import Metric
from batch_job.ports import Count
from batch_job.values.work import Failed, Indexed, Outcome, Removed, Skipped

_OF_A_VISIT = (Count.CHIPS, Count.BLANK, Count.KEPT, Count.LABELS, Count.SKIPPED, Count.NOT_LIMITED)
"""Counted again when an image is visited again."""


@dataclass(slots=True)
class Tally:
    """Counts of one run; fits ``ports.Progress``, and may be used from several threads."""

    counts: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    """By outcome: ``indexed``, ``removed``, ``failed``, ``failed_before`` (and not tried again), ``skipped_same``, …,
    ``left`` (a later run will do them)."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failed images by error code, those that failed before included."""
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By stage; stages of several images at once add up."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: Count, n: int = 1) -> None:
        """Count."""
        with self._lock:
            self.counts[count] += n

    def spent(self, stage: str, seconds: float) -> None:
        """Note the time that a stage took."""
        with self._lock:
            self.seconds[stage] += seconds

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Count an image's chips and labels only if the visit succeeds; its calls are made either way."""
        before = {count: self.counts[count] for count in _OF_A_VISIT}
        try:
            yield
        except BaseException:
            with self._lock:
                self.counts.update({count: before[count] - self.counts[count] for count in _OF_A_VISIT})
            raise

    def ended(self, outcome: Outcome) -> None:
        """Count an image's outcome."""
        with self._lock:
            match outcome:
                case Indexed():
                    self.images["indexed"] += 1
                case Removed():
                    self.images["removed"] += 1
                case Failed(code=code):
                    self.images["failed"] += 1
                    self.errors[str(code)] += 1
                case Skipped(code=code) if code is not None:
                    self.images["failed_before"] += 1
                    self.errors[str(code)] += 1
                case Skipped(reason=reason):
                    self.images[f"skipped_{reason}"] += 1

    def left(self) -> None:
        """Count an image that a later run must do."""
        with self._lock:
            self.images["left"] += 1

    def figures(self) -> dict[Metric, float]:
        """Give the counts so far that are metrics."""
        with self._lock:
            return {
                Metric.IMAGES: self.images.total() - self.images["left"],
                Metric.CHIPS: self.counts[Count.CHIPS],
                Metric.CALLS: self.counts[Count.ANSWERS] + self.counts[Count.REJECTED],
                Metric.THROTTLES: self.counts[Count.THROTTLED],
                Metric.FAILURES: self.images["failed"],
            }

    def summary(self) -> dict[str, Any]:
        """Give everything counted, as the run's JSON summary names it."""
        counts = self.counts
        calls = counts[Count.ANSWERS] + counts[Count.REJECTED]
        return {
            "images": {"total": sum(self.images.values()), **dict(sorted(self.images.items()))},
            "errors": dict(sorted(self.errors.items())),
            "chips": {
                "total": counts[Count.CHIPS] + counts[Count.SKIPPED],
                "sent": calls,
                "blank": counts[Count.BLANK],
                "from_archive": counts[Count.KEPT],
                "rejected": counts[Count.REJECTED],
                "skipped": counts[Count.SKIPPED],
            },
            "not_limited": counts[Count.NOT_LIMITED],
            "calls": {"answered": calls, "throttled": counts[Count.THROTTLED]},
            "labels": counts[Count.LABELS],
            "seconds": {stage: round(seconds, 2) for stage, seconds in sorted(self.seconds.items())},
        }
