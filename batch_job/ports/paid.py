"""The detector, and the budget of its calls."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from batch_job.ports.work import Keep
from batch_job.values.answers import Answer
from batch_job.values.budget import Draw, Drawn
from batch_job.values.spaces import Chip


class Detector(Protocol):
    """A model behind some service."""

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield what the model said of each chip, in any order; as many chips are alive as calls are in flight.

        ``keep`` is called before every attempt of a paid call. When it raises, or pulling the next chip does, no
        further call is started, the answers under way are still yielded, and then that error passes on.

        Raises:
            DetectorDownError: the service kept refusing; the answers got were yielded.
            AccessError: nobody may call it; stop.
        """
        ...


class BudgetStore(Protocol):
    """What is left of the calls allowed, the same for all workers."""

    def draw(self, draw: Draw) -> Drawn:
        """Take calls from a lane in one atomic step, if its next free moment is not after ``draw.now_us``.

        Raises:
            UnavailableError, ThrottledError: whether they were taken is not known; then they are nobody's.
        """
        ...

    def time_s(self) -> int:
        """Ask what time it is by the clock whose dates stand in the answers of ``draw``; whole seconds since 1970."""
        ...
