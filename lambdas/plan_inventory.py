"""Queue of inventories: plans what each message asks for; hands back those that a retry or a person can help.

Messages: S3's events about an inventory's ``manifest.checksum``, by way of EventBridge, and the planner's own. Give it
one message at a time: a CSV may take minutes. What keeps failing ends in the dead-letter queue, which alarms.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import structlog

from batch_job import logs
from batch_job.backfill.messages import Delivered, PlanFile, read_message
from batch_job.backfill.planner import Planner
from batch_job.errors import BackfillError, DeploymentError
from batch_job.settings import PlannerSettings
from batch_job.wiring.planner import open_planner

log = structlog.get_logger()


def handle(event: Mapping[str, Any], run: Callable[[Delivered | PlanFile], object]) -> dict[str, Any]:
    """Run each message of an SQS event.

    Raises:
        DeploymentError: every message would fail in the same way; all go back to the queue.
    """
    retry = []
    for record in event["Records"]:
        try:
            message = read_message(record["body"])
            if message is not None:
                run(message)
        except DeploymentError:
            raise
        except BackfillError as error:
            log.warning("plan.left", message_id=record["messageId"], error=str(error))
            retry.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": retry}


@cache
def _planner() -> Planner:
    settings = PlannerSettings.load()
    logs.configure(settings.log_level)
    return open_planner(settings)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer Lambda."""
    return handle(event, _planner().take)
