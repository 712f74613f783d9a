"""What stays of a shard, or of a sweep, that came to its end: a done marker, a line of log, a line of metrics."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from batch_job.errors import DeploymentError
from batch_job.metrics import NO_METRICS, Metric, Metrics
from batch_job.tally import Tally
from batch_job.values.work import ShardDone

_WANTS_A_PERSON = (os.EX_SOFTWARE, DeploymentError.exit_code)

log = structlog.get_logger()


class End(Protocol):
    """How it ended; ``str`` gives its name."""

    @property
    def exit_code(self) -> int:
        """What Batch's retry rules go by."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Sums up one piece of work."""

    tally: Tally
    """Of this work alone."""
    began: float
    """By ``now``."""
    metrics: Metrics = NO_METRICS
    now: Callable[[], float] = time.monotonic
    """Seconds."""

    def marker(self, name: str) -> ShardDone:
        """Give the done marker."""
        summary = self.tally.summary()
        return ShardDone(
            name=name,
            images=dict(self.tally.images),
            errors=dict(self.tally.errors),
            calls=summary["calls"]["answered"],
            labels=summary["labels"],
            duration_ms=self._duration_ms,
        )

    def tell(self, event: str, end: End, error: str | None) -> None:
        """Write both lines; louder when a person must act."""
        facts: dict[str, Any] = {name: n for name, n in self.tally.summary().items() if name != "seconds"}
        write = log.error if end.exit_code in _WANTS_A_PERSON else log.info
        write(
            event,
            outcome=str(end),
            error=error,
            **facts,
            exit_code=end.exit_code,
            duration_ms=self._duration_ms,
        )
        figures = self.tally.figures() | {Metric.SECONDS: self.now() - self.began}
        self.metrics.emit(figures, outcome=str(end), **structlog.contextvars.get_contextvars())

    @property
    def _duration_ms(self) -> int:
        return round((self.now() - self.began) * 1000)
