"""What a Batch job can be asked to do; each task connects itself to what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from batch_job import logs
from batch_job.adapters.sqs import SqsMessageQueue, sqs_client
from batch_job.backfill.child import Child
from batch_job.backfill.jobs import JobTask
from batch_job.backfill.messages import PlanFile
from batch_job.backfill.objects import ObjectJob
from batch_job.backfill.orders import Orders
from batch_job.backfill.plan_job import PlanJob
from batch_job.backfill.planner import Planner
from batch_job.backfill.sweep import Sweep
from batch_job.settings import JobSettings, PlannerSettings
from batch_job.values.work import ShardRange, WorkItem
from batch_job.wiring.deployed import REGION
from batch_job.wiring.job import open_child, open_object_child
from batch_job.wiring.planner import open_planner
from batch_job.wiring.sweep import open_sweep

CHILD_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
"""Set in children of array jobs alone: AWS Batch user guide, "Job environment variables"."""
JOB_ID = "AWS_BATCH_JOB_ID"
"""Set in every job, the same for all its attempts."""


class WrongUsageError(Exception):
    """The task is asked for something that it cannot read."""


class Task(Protocol):
    """One job's work."""

    @property
    def orders(self) -> Orders:
        """What it is told meanwhile."""
        ...

    def run(self) -> int:
        """Do it, with a line of log at its end; gives the exit code."""
        ...


OpenTask = Callable[[str, Mapping[str, str]], Task]
"""Connects a task, by what it is asked for and the environment; may raise ``WrongUsageError`` and ``BackfillError``."""
OpenSweep = Callable[[JobSettings, str], Sweep]
OpenPlanner = Callable[[PlannerSettings], Planner]
OpenChild = Callable[[JobSettings, str], Child]
OpenObjectChild = Callable[[JobSettings, WorkItem], Child]


@dataclass(frozen=True, slots=True)
class ShardTask:
    """Works through one shard."""

    child: Child
    name: str

    @property
    def orders(self) -> Orders:
        """The child's."""
        return self.child.orders

    def run(self) -> int:
        """Work through it."""
        return self.child.run(self.name).exit_code


def open_shard(what: str, environment: Mapping[str, str], connect: OpenChild = open_child) -> ShardTask:
    """Connect to the shard that this job, or this child of an array, works through.

    Args:
        what: As ``ShardRange.to_text`` gives it.
        environment: Holds the child's number.
        connect: Gives a child of a run.

    Raises:
        WrongUsageError: there is no such shard.
    """
    try:
        shards = ShardRange.from_text(what)
        name = shards.name(int(environment.get(CHILD_INDEX, "0")))
    except ValueError as error:
        raise WrongUsageError(f"shards RUN/PLAN/FIRST/COUNT: {error}") from error
    settings = JobSettings.load()
    logs.configure(settings.log_level)
    return ShardTask(connect(settings, shards.run_id), name)


@dataclass(frozen=True, slots=True)
class SweepTask:
    """Sweeps one run."""

    sweep: Sweep

    @property
    def orders(self) -> Orders:
        """The sweep's."""
        return self.sweep.orders

    def run(self) -> int:
        """Sweep."""
        return self.sweep.run().exit_code


def open_sweep_task(what: str, _environment: Mapping[str, str], connect: OpenSweep = open_sweep) -> SweepTask:
    """Connect to the sweep of a run.

    Args:
        what: The run's id.
        connect: Gives the sweep.

    Raises:
        WrongUsageError: it is no run's id.
    """
    if not what or "/" in what:
        raise WrongUsageError(f"sweep RUN: {what!r}")
    settings = JobSettings.load()
    logs.configure(settings.log_level)
    return SweepTask(connect(settings, what))


def open_plan_task(what: str, environment: Mapping[str, str], connect: OpenPlanner = open_planner) -> PlanJob:
    """Connect to the planning of one CSV.

    Args:
        what: As ``PlanFile.to_text`` gives it.
        environment: Holds the job's id, under which a second attempt claims what the first one had.
        connect: Gives a planner.

    Raises:
        WrongUsageError: it names no CSV.
    """
    try:
        wanted = PlanFile.from_text(what)
    except ValueError as error:
        raise WrongUsageError(f"plan RUN/FILE: {error}") from error
    settings = PlannerSettings.load()
    logs.configure(settings.log_level)
    planner = connect(settings)
    orders = Orders(planner.runs)
    owner = environment.get(JOB_ID, planner.owner)
    return PlanJob(replace(planner, owner=owner, is_ending=lambda: orders.ending), wanted, orders)


def open_object_task(
    what: str, environment: Mapping[str, str], connect: OpenObjectChild = open_object_child
) -> ObjectJob:
    """Connect to one object.

    Args:
        what: As ``WorkItem.to_text`` gives it.
        environment: Says the Region.
        connect: Gives a child that works on it.

    Raises:
        WrongUsageError: it is no object's.
    """
    try:
        item = WorkItem.from_ndjson(what)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WrongUsageError(f"object ITEM: {error}") from error
    settings = JobSettings.load()
    logs.configure(settings.log_level)
    sqs = sqs_client(region=environment.get(REGION)) if settings.live_queue_url else None
    queue = None if sqs is None else SqsMessageQueue(sqs, url=settings.live_queue_url)
    return ObjectJob(connect(settings, item), item, queue)


TASKS: Mapping[str, OpenTask] = {
    JobTask.SHARDS: open_shard,
    JobTask.SWEEP: open_sweep_task,
    JobTask.PLAN: open_plan_task,
    JobTask.OBJECT: open_object_task,
}

if TYPE_CHECKING:
    _shard: type[Task] = ShardTask
    _sweep: type[Task] = SweepTask
    _plan: type[Task] = PlanJob
    _object: type[Task] = ObjectJob
