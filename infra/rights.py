"""Each role's part of the work: what is granted is said beside each thing, to whom it is granted stands here."""

from dataclasses import dataclass

from aws_cdk import aws_iam

from infra.parts.area import Area
from infra.parts.budget import Budget
from infra.parts.door import QueueDoor
from infra.parts.grants import allow
from infra.parts.lane import Lane, grant_cancel
from infra.parts.operator import grant_operating
from infra.parts.planner import grant_reports
from infra.parts.queue import WorkQueue
from infra.parts.roles import Roles
from infra.parts.search import Search
from infra.parts.storage import Storage
from infra.parts.work import grant_activating, grant_runs, grant_work


@dataclass(frozen=True, slots=True)
class Way:
    """One way into the pipeline: inventories', or events'."""

    queue: WorkQueue
    lane: Lane
    door: QueueDoor


def grant_each(*, roles: Roles, storage: Storage, search: Search, budget: Budget, plan: Way, live: Way) -> None:
    """Let each role do what its part of the work takes."""
    for worker in roles.workers:
        storage.grant_read_imagery(worker)
        storage.grant_read_dem(worker)
        grant_work(worker, data=storage.data)
        search.grant_writing(worker)
    for reader in roles.readers:
        search.grant_reading(reader)
    budget.grant_draw(roles.workers)
    for planner in (roles.planner, roles.backfill_job):  # a job plans what takes longer than a Lambda may
        grant_reports(planner, reports=storage.reports)
        grant_runs(planner, data=storage.data)
        plan.lane.grant_submit(planner)
    _grant_beginning(roles.planner, storage=storage, plan=plan)
    live.lane.grant_submit(roles.live)
    allow(roles.live_job, ["sqs:SendMessage"], on=[live.queue.queue.queue_arn])
    _grant_operator(roles=roles, storage=storage, plan=plan, live=live)


def grant_area(area: Area, *, roles: Roles) -> None:
    """Let whoever works by the area of interest read it; a planner tells by it what was indexed under another one."""
    for reader in (*roles.workers, roles.planner):
        area.grant_read(reader)


def _grant_beginning(planner: aws_iam.IRole, *, storage: Storage, plan: Way) -> None:
    """Let the Lambda alone begin a run: name it the active one, take back an older one's jobs, pass on its CSVs."""
    grant_activating(planner, data=storage.data)
    grant_cancel(planner)
    allow(planner, ["sqs:SendMessage"], on=[plan.queue.queue.queue_arn])


def _grant_operator(*, roles: Roles, storage: Storage, plan: Way, live: Way) -> None:
    storage.grant_read_imagery(roles.operator)
    for way in (plan, live):
        way.door.grant_shut_and_open("Operator", roles.operator)
    grant_operating(
        roles.operator,
        data=storage.data,
        reports=storage.reports,
        queues=(plan.queue, live.queue),
        lane=plan.lane,
    )
