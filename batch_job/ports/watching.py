"""What a person sees of a deployment: where it is, what waits, what runs."""

from typing import Protocol

from batch_job.values.deployment import Deployment
from batch_job.values.queues import Depth, JobCounts


class Deployments(Protocol):
    """Stacks by their names."""

    def find(self, name: str) -> Deployment:
        """Read what a stack's outputs say.

        Raises:
            SetUpError: there is no such stack here, or none that works.
            UnavailableError: it is being made.
        """
        ...


class QueueDepth(Protocol):
    """A queue of messages, from outside."""

    def depth(self) -> Depth:
        """Tell how many messages there are, about: the service counts roughly, and seconds late."""
        ...


class JobList(Protocol):
    """A queue of jobs, from outside."""

    def counts(self, *, since_ms: int) -> JobCounts:
        """Count the jobs that have not ended, and those that failed and were submitted since ``since_ms``.

        Jobs that succeeded are counted only as children of an array that has not ended, or has failed.
        """
        ...
