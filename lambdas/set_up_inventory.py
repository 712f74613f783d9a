"""Custom resource: the daily inventory of the bucket with the imagery.

Speaks the protocol of CDK's ``custom_resources.Provider``, which answers CloudFormation; an exception fails the
deployment with its message. The physical id is the bucket and the configuration's id: when one of them changes,
CloudFormation asks for the old one to be deleted.
"""

from collections.abc import Callable, Mapping
from typing import Any

from batch_job import logs
from batch_job.metrics import Metric, Metrics, to_stdout
from batch_job.wiring.set_up_inventory import InventorySetUp, Wanted, open_set_up


def handle(
    event: Mapping[str, Any], set_up: InventorySetUp, *, write: Callable[[str], None] = to_stdout
) -> dict[str, Any]:
    """Put the configuration on Create and Update; on Delete take away the one that the physical id names.

    What is put begins the stack's metric of inventories, with none: the alarm on an overdue one waits from then on.

    Raises:
        BackfillError: says what stands in the way, and the cure.
    """
    if event["RequestType"] == "Delete":
        set_up.delete(event["PhysicalResourceId"], event["ResourceProperties"])
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    wanted = Wanted.from_properties(event["ResourceProperties"])
    set_up.put(wanted, before=event.get("OldResourceProperties", {}))
    Metrics(stack=wanted.id, write=write).emit({Metric.INVENTORIES: 0})
    return {"PhysicalResourceId": wanted.physical_id}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer the provider."""
    logs.configure()
    return handle(event, open_set_up())
