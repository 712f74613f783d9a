"""Queue of inventories: plans what each message asks for; hands back those that a retry or a person can help.

Messages: S3's events about an inventory's ``manifest.checksum``, by way of EventBridge, and the planner's own. Give it
one message at a time: a CSV may take minutes. What keeps failing ends in the dead-letter queue, which alarms.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from batch_job import logs
from batch_job.backfill.messages import Delivered, PlanFile, read_message
from batch_job.backfill.planner import Planner
from batch_job.settings import PlannerSettings
from batch_job.wiring.planner import open_planner
from lambdas.batches import Context, answer, time_left_s

HAND_BACK_S = 30.0
"""Before the function's end a CSV that is being planned is left to a Batch job: time to write its last shard, to free
its claim and to submit that job."""


def take(body: str, run: Callable[[Delivered | PlanFile], object]) -> None:
    """Do what a message asks for, with ``run``; events about other objects ask for nothing."""
    message = read_message(body)
    if message is not None:
        run(message)


@cache
def _planner() -> Planner:
    logs.configure()
    settings = PlannerSettings.load()
    logs.configure(settings.log_level)
    return open_planner(settings)


def bounded(planner: Planner, context: Context) -> Planner:
    """Have a planner end in time before Lambda ends it."""
    return replace(planner, is_ending=lambda: time_left_s(context) < HAND_BACK_S)


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Answer Lambda."""
    return answer(event, context, lambda body: take(body, bounded(_planner(), context).take))
