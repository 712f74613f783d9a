"""What every door does with one image: reconcile it, log one line."""

import time
from collections.abc import Callable

import structlog

from batch_job.errors import BackfillError
from batch_job.values.image import ImageRef
from batch_job.values.work import Outcome

log = structlog.get_logger()


def logged(reconcile: Callable[[ImageRef], Outcome], image: ImageRef) -> Outcome:
    """Reconcile an image and log how that ended; errors are logged and pass on."""
    began = time.monotonic()
    with structlog.contextvars.bound_contextvars(image=image.uri):
        try:
            outcome = reconcile(image)
        except BackfillError as error:
            log.warning("image.left", error=str(error), duration_ms=_ms_since(began))
            raise
        log.info("image.done", outcome=type(outcome).__name__.lower(), duration_ms=_ms_since(began))
    return outcome


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
