"""What every door does with one image: reconcile it, log one line; emit its figures, where each image is work alone."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from batch_job.errors import BackfillError
from batch_job.ledger.nightly import Unfinished, Unforgotten, visit
from batch_job.metrics import Metric, Metrics
from batch_job.ports import Count
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Failed, Indexed, Outcome, Skipped

_BOUND = ("run_id", "shard")

log = structlog.get_logger()


def measured(visit: Callable[[ImageRef], Outcome], image: ImageRef, *, tally: Tally, metrics: Metrics) -> Outcome:
    """Visit an image and count it, and emit what that came to: for doors where each image is work of its own.

    Args:
        visit: ``logged``, with the reconciler.
        image: The image.
        tally: What the stages count into; one image at a time.
        metrics: Where the figures go.
    """
    began, before = time.monotonic(), tally.figures()
    try:
        with tally.visit():
            outcome = visit(image)
        if not (isinstance(outcome, Skipped) and outcome.worth_retrying):
            tally.ended(outcome)
    finally:
        figures = {metric: n - before[metric] for metric, n in tally.figures().items()}
        metrics.emit(figures | {Metric.SECONDS: time.monotonic() - began}, image=image.uri)
    return outcome


def logged(reconcile: Callable[[ImageRef], Outcome], image: ImageRef, *, tally: Tally) -> Outcome:
    """Reconcile an image and log how that ended; errors are logged and pass on.

    The line is an interface: ``image.done`` or ``image.left``, with ``image``, ``outcome`` (``indexed``, ``removed``,
    ``skipped``, ``failed``, ``left``), ``reason``, ``error`` (a code, or the name of what was raised), ``chips``,
    ``labels``, ``duration_ms`` and, as the door has bound them, ``run_id`` and ``shard``; null where there is none.

    Args:
        reconcile: The reconciler's.
        image: The image.
        tally: What its stages count into; one image at a time.
    """
    began, chips = time.monotonic(), tally.counts[Count.CHIPS]

    def spent() -> dict[str, int]:
        return {
            "chips": tally.counts[Count.CHIPS] - chips,
            "duration_ms": round((time.monotonic() - began) * 1000),
        }

    bound = structlog.contextvars.get_contextvars()
    keys = {name: bound.get(name) for name in _BOUND}
    with structlog.contextvars.bound_contextvars(**keys, image=image.uri):
        try:
            outcome = reconcile(image)
        except BackfillError as error:
            log.warning("image.left", **_line("left", reason=str(error), error=type(error).__name__), **spent())
            raise
        log.info("image.done", **_facts(outcome), **spent())
    return outcome


def visited(reconcile: Callable[[ImageRef], Outcome], image: ImageRef, *, tally: Tally) -> Outcome | Unfinished:
    """Reconcile an image as one step of a night: as ``logged``, but what goes wrong with it alone is a value.

    A defect of ours is logged as ``image.defect``. ``tally`` counts no chips and labels of a visit without end.
    """

    def counted(image: ImageRef) -> Outcome:
        with tally.visit():
            return logged(reconcile, image, tally=tally)

    ended = visit(counted, image)
    if isinstance(ended, Unfinished) and not isinstance(ended.error, BackfillError):
        log.error("image.defect", image=image.uri, exc_info=ended.error)
    return ended


def log_unforgotten(left: Unforgotten) -> None:
    """Log that old labels of an image stay until the next night."""
    log.warning("labels.not_forgotten", image=left.image.uri, error=f"{type(left.error).__name__}: {left.error}")


def _facts(outcome: Outcome) -> dict[str, Any]:
    name = type(outcome).__name__.lower()
    match outcome:
        case Indexed(labels=labels):
            return _line(name, labels=labels)
        case Failed(code=code, message=message):
            return _line(name, reason=message, error=str(code))
        case Skipped(reason=reason, code=code):
            return _line(name, reason=str(reason), error=None if code is None else str(code))
    return _line(name)


def _line(
    outcome: str, *, reason: str | None = None, error: str | None = None, labels: int | None = None
) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "error": error, "labels": labels}
