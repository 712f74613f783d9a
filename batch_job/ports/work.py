"""Working on one claimed image, and who watches."""

from collections.abc import Callable
from enum import StrEnum, auto
from typing import Protocol

from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.work import Processed, Work

Keep = Callable[[], None]
"""``Keeper.keep``, for those who need no more of it."""


class Keeper(Protocol):
    """Holds the lease while somebody works."""

    def keep(self) -> None:
        """Renew the lease when that is due; make sure that it is still ours. Call it often, and before each paid call.

        Raises:
            LeaseLostError: the image is no longer ours; archive what was paid, then let this error pass.
            OutOfBudgetError: the same, for money.
        """
        ...

    def part_archived(self) -> None:
        """Note that a part reached the archive: progress, so the count of attempts starts again."""
        ...


class Processing(Protocol):
    """From a claimed version of an image to its documents; ``process.py`` is the real one."""

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        """Tell whether the archive holds every answer of this version, so that nothing would have to be bought."""
        ...

    def process(self, work: Work, keeper: Keeper) -> Processed:
        """Do all stages; whatever was paid for stands in the archive when this returns or raises.

        Raises:
            InputError: this version cannot be processed.
            ChangedError: the object is no longer this version.
            LeaseLostError, OutOfBudgetError: as ``keeper.keep``.
        """
        ...


class Count(StrEnum):
    """What a run counts while it works."""

    CHIPS = auto()
    """Chips planned."""
    BLANK = auto()
    """... of these without a picture, not sent."""
    ANSWERS = auto()
    """... of these answered (paid)."""
    KEPT = auto()
    """... of these answered from the archive."""
    REJECTED = auto()
    THROTTLED = auto()
    """Attempts that the service refused for going too fast; not paid."""
    LABELS = auto()
    SKIPPED = auto()
    """Chips outside the area of interest: none of those planned."""
    NOT_LIMITED = auto()
    """Images cut whole although there is an area of interest: they have no place on the ground."""


class Progress(Protocol):
    """Somebody who watches a run; called from several threads."""

    def add(self, count: Count, n: int = 1) -> None:
        """Count."""
        ...

    def spent(self, stage: str, seconds: float) -> None:
        """Note the time that a stage took."""
        ...
