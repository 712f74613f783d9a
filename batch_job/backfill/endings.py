"""What stays of a shard, or of a sweep, that came to its end: a done marker, a line of log, a line of metrics."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any

import structlog

from batch_job.errors import DeploymentError, TransientError
from batch_job.metrics import NO_METRICS, Metric, Metrics
from batch_job.tally import Tally
from batch_job.values.work import ShardDone

_WANTS_A_PERSON = (os.EX_SOFTWARE, DeploymentError.exit_code)

log = structlog.get_logger()


class WorkEnd(StrEnum):
    """How a shard, or a sweep, ended."""

    DONE = auto()
    """Every image was visited to its end, or ledger and inventory agree; recorded failures are an end too."""
    DONE_BEFORE = auto()
    """An earlier attempt wrote the done marker."""
    SUPERSEDED = auto()
    """Of a sweep: a newer inventory is planned, whose sweep does all that this one would."""
    PAUSED = auto()
    """Whoever resumes submits it again, as it has no done marker."""
    ENDED = auto()
    """This worker was told to end: Spot, a time limit, a person."""
    LEFT = auto()
    """Something is left for the next attempt, which costs nothing where this one came to an end."""
    DEFECT = auto()
    """A defect of ours keeps some images from their end; the others are done."""
    REFUSED = auto()
    """Nothing would fare better until a person acts."""

    @property
    def exit_code(self) -> int:
        """What Batch's retry rules go by."""
        return _EXIT_CODES.get(self, os.EX_OK)


_EXIT_CODES = {
    WorkEnd.ENDED: TransientError.exit_code,
    WorkEnd.LEFT: TransientError.exit_code,
    WorkEnd.DEFECT: os.EX_SOFTWARE,
    WorkEnd.REFUSED: DeploymentError.exit_code,
}


def said(error: BaseException) -> str:
    """Name an error and what it says, for a line's ``error``."""
    return f"{type(error).__name__}: {error}"


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
            blank_chips=summary["chips"]["blank"],
            duration_ms=self._duration_ms,
        )

    def tell(self, event: str, end: WorkEnd, error: str | None) -> None:
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
