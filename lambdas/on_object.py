"""Queue of the bucket's events: makes the index say what the bucket says of each object that something happened to.

Messages: S3's events by way of EventBridge, S3's own notifications, and images that a paused job gave back. Pixel
libraries are imported at the start, when Lambda gives a whole vCPU for nothing, and not when the first image waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import structlog

from batch_job import logs
from batch_job.backfill.live import LiveDoor
from batch_job.backfill.objects import RUN_ID
from batch_job.backfill.orders import ended_at_once_after
from batch_job.settings import LiveSettings
from batch_job.wiring.live import Live, open_live
from lambdas.batches import Context, answer, time_left_s

HAND_BACK_S = 45.0
"""Before the function's end: what is under way then is handed back: a call of 30 s, and the ledger's write."""
AT_ONCE_S = 15.0
"""... and a worker that did not listen until then is ended where it is: enough to release its image."""


@dataclass
class Invocation:
    """One call of the function; opens the door when the first message needs it."""

    open_live: Callable[[], Live]
    context: Context

    @cached_property
    def _door(self) -> LiveDoor:
        return self.open_live().door(time_s=time_left_s(self.context) - HAND_BACK_S)

    def take(self, body: str) -> None:
        """Take a message; see ``LiveDoor.take``."""
        door = self._door
        at_once_s = time_left_s(self.context) - AT_ONCE_S
        with structlog.contextvars.bound_contextvars(run_id=RUN_ID), ended_at_once_after(at_once_s, door.orders):
            door.take(body)


@cache
def _live() -> Live:
    logs.configure()
    settings = LiveSettings.load()
    logs.configure(settings.log_level)
    return open_live(settings)


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Answer Lambda."""
    return answer(event, context, Invocation(_live, context).take)
