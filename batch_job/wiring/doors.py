"""What every door does with one image: reconcile it, log one line."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from batch_job.errors import BackfillError
from batch_job.values.image import ImageRef
from batch_job.values.work import Failed, Indexed, Outcome, Skipped

log = structlog.get_logger()


def logged(reconcile: Callable[[ImageRef], Outcome], image: ImageRef) -> Outcome:
    """Reconcile an image and log how that ended; errors are logged and pass on.

    The line is an interface: ``image.done`` or ``image.left``, with ``image``, ``outcome`` (``indexed``, ``removed``,
    ``skipped``, ``failed``, ``left``), ``reason``, ``error`` (a code, or the name of what was raised), ``labels`` and
    ``duration_ms``, null where there is none; and what the door has bound, ``run_id`` say.
    """
    began = time.monotonic()
    with structlog.contextvars.bound_contextvars(image=image.uri):
        try:
            outcome = reconcile(image)
        except BackfillError as error:
            log.warning("image.left", **_line("left", reason=str(error), error=type(error).__name__), **_since(began))
            raise
        log.info("image.done", **_facts(outcome), **_since(began))
    return outcome


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


def _since(began: float) -> dict[str, int]:
    return {"duration_ms": round((time.monotonic() - began) * 1000)}
