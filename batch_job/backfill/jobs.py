"""What a Batch job is asked to do: ``python -m batch_job TASK WHAT``, from the job's two parameters."""

from collections.abc import Mapping
from enum import StrEnum, auto

from batch_job.backfill.messages import PlanFile
from batch_job.ports import JobQueue
from batch_job.values.work import ShardRange

TASK, WHAT = "task", "what"
"""The job's parameters; the job definition's command is ``["Ref::task", "Ref::what"]``."""


class JobTask(StrEnum):
    """The tasks."""

    SHARDS = auto()
    """Work through shards; ``ShardRange.to_text``."""
    SWEEP = auto()
    """Compare the ledger with all keys of an inventory; the run's id."""
    PLAN = auto()
    """Plan a CSV; ``PlanFile.to_text``."""
    OBJECT = auto()
    """Reconcile one image; ``WorkItem.to_ndjson``."""


def job_parameters(task: JobTask, what: str) -> Mapping[str, str]:
    """Ask a job for something."""
    return {TASK: str(task), WHAT: what}


def submit_shards(jobs: JobQueue, shards: ShardRange) -> str:
    """Have shards worked through, by an array if there are several; gives the job's id."""
    name = f"{shards.run_id}-{shards.plan}-{shards.first}"
    parameters = job_parameters(JobTask.SHARDS, shards.to_text())
    if shards.count == 1:
        return jobs.submit(name, parameters)
    return jobs.submit_array(name, parameters, size=shards.count)


def submit_sweep(jobs: JobQueue, run_id: str) -> str:
    """Have the sweep of a run made; gives the job's id."""
    return jobs.submit(f"{run_id}-sweep", job_parameters(JobTask.SWEEP, run_id))


def submit_plan(jobs: JobQueue, wanted: PlanFile) -> str:
    """Have a CSV planned that is too large for a Lambda; gives the job's id."""
    return jobs.submit(f"{wanted.run_id}-plan-{wanted.file_id}", job_parameters(JobTask.PLAN, wanted.to_text()))
