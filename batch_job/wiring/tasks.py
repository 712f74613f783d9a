"""What a Batch job can be asked to do; each task connects itself to what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batch_job import logs
from batch_job.backfill.child import Child
from batch_job.backfill.jobs import JobTask
from batch_job.backfill.orders import Orders
from batch_job.settings import JobSettings
from batch_job.values.work import ShardRange
from batch_job.wiring.job import open_child

CHILD_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
"""Set in children of array jobs alone: AWS Batch user guide, "Job environment variables"."""


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
OpenChild = Callable[[JobSettings, str], Child]


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


TASKS: Mapping[str, OpenTask] = {JobTask.SHARDS: open_shard}

if TYPE_CHECKING:
    _shard: type[Task] = ShardTask
