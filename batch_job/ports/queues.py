"""Where jobs and messages wait."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from batch_job.values.queues import UnendedJob


class JobQueue(Protocol):
    """Where jobs wait for a machine. A submission whose answer is lost may be made twice."""

    def submit(self, name: str, parameters: Mapping[str, str]) -> str:
        """Submit a job of its own; gives its id."""
        ...

    def submit_array(self, name: str, parameters: Mapping[str, str], *, size: int) -> str:
        """Submit a job of 2 to 10,000 children that know their numbers, from 0; gives its id."""
        ...

    def cancel(self, job_id: str, *, reason: str) -> None:
        """Take back what has not started, children too; what runs goes on. That it ended already is no error."""
        ...


class UnendedJobs(Protocol):
    """What of a queue of jobs has not ended."""

    def unended(self) -> Iterator[UnendedJob]:
        """Yield the jobs, as of about now."""
        ...


class Door(Protocol):
    """What lets a queue's messages to the function that works on them."""

    @property
    def is_open(self) -> bool:
        """Tell whether messages come, or will in a moment."""
        ...

    def open(self) -> None:
        """Let messages come; that they do already is no error.

        Raises:
            ConflictError: another change of it is under way; try again in some seconds.
        """
        ...


class MessageQueue(Protocol):
    """Where messages wait for whoever works on them; each may come more than once, in any order."""

    def send(self, bodies: Iterable[str]) -> None:
        """Send all; if this raises, some may have been sent."""
        ...


class Deliveries(Protocol):
    """The messages that come to a Lambda, as it sees them."""

    def postpone(self, receipt: str, *, wait_s: int) -> None:
        """Have a message that is handed back come again after so many seconds, 43,200 at most."""
        ...

    def stop(self) -> None:
        """Have no more of them come until a person wants them again; those under way may."""
        ...
