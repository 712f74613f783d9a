"""What a Batch job is asked to do: ``python -m batch_job TASK WHAT``, from the job's two parameters."""

from collections.abc import Mapping
from enum import StrEnum, auto

TASK, WHAT = "task", "what"
"""The job's parameters; the job definition's command is ``["Ref::task", "Ref::what"]``."""


class JobTask(StrEnum):
    """The tasks."""

    SHARDS = auto()
    """Work through shards; ``ShardRange.to_text``."""
    SWEEP = auto()
    """Compare the ledger with all keys of an inventory; the run's id."""
    PLAN = auto()
    """Plan a CSV; ``RUN/FILE``."""
    OBJECT = auto()
    """Reconcile one image; ``WorkItem.to_ndjson``."""


def job_parameters(task: JobTask, what: str) -> Mapping[str, str]:
    """Ask a job for something."""
    return {TASK: str(task), WHAT: what}
