"""How the command line, as a door, treats an image that fails: the retries that a queue would make."""

import os
import random
import time
from collections.abc import Callable

import structlog
from rich.console import Console

from batch_job.errors import (
    BackfillError,
    DeploymentError,
    DetectorDownError,
    DiskFullError,
    OutOfBudgetError,
    TransientError,
)
from batch_job.ledger.nightly import Unfinished
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Failed, Outcome, Skipped
from batch_job.wiring.doors import logged

log = structlog.get_logger()

TRIES = 4
"""Visits of one image before it is left for a later run."""
FIRST_WAIT_S = 0.5
"""Doubled each time, with jitter: a server that restarts gets about four seconds."""
STOPS = (DeploymentError, OutOfBudgetError, DiskFullError, DetectorDownError)
"""Every other image would end the same way, and the last one has been patient already."""
LEFT_IN_A_ROW = 3
"""So many images left one after the other are no matter of the images: a service is down, stop."""


class Patience:
    """Visits images, one after the other; remembers what was left and what failed."""

    def __init__(self, tally: Tally, console: Console, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Count into ``tally`` and tell ``console`` of failures."""
        self._tally, self._console, self._sleep = tally, console, sleep
        self._in_a_row = self._defects = 0
        self.left: dict[ImageRef, str] = {}
        """Images that a later run must do, and why."""

    def visit(self, image: ImageRef, reconcile: Callable[[ImageRef], Outcome]) -> Outcome | Unfinished:
        """Visit an image until there is an outcome, or leave it for later.

        Raises:
            BackfillError: one of STOPS.
            Exception: several images in a row had to be left.
        """
        try:
            outcome = self._outcome(image, reconcile)
        except STOPS as error:
            self._tally.left()
            self.left[image] = str(error)
            raise
        except Exception as error:
            # at a door also a defect of ours is one image's matter, as long as it is
            self._leave(image, str(error) if isinstance(error, BackfillError) else self._defect(error))
            self._in_a_row += 1
            if self._in_a_row >= LEFT_IN_A_ROW:
                raise
            return Unfinished(image, error)
        self._in_a_row = 0
        if isinstance(outcome, Skipped) and outcome.worth_retrying:
            self._leave(image, f"another worker has it ({outcome.reason})")
            return outcome
        self._tally.ended(outcome)
        if isinstance(outcome, Failed):
            self._say(f"failed: {image.uri}: {outcome.code}: {outcome.message}", style="red")
        return outcome

    @property
    def exit_code(self) -> int:
        """0, or why not."""
        if self._defects:
            return os.EX_SOFTWARE
        if self._tally.images["left"]:
            return os.EX_TEMPFAIL
        failed = self._tally.images["failed"] + self._tally.images["failed_before"]
        return os.EX_DATAERR if failed else os.EX_OK

    def _outcome(self, image: ImageRef, reconcile: Callable[[ImageRef], Outcome]) -> Outcome:
        for attempt in range(1, TRIES):
            try:
                return self._visit(image, reconcile)
            except STOPS:
                raise
            except TransientError:
                self._sleep(FIRST_WAIT_S * 2 ** (attempt - 1) * random.uniform(1, 1.5))  # noqa: S311  jitter
        return self._visit(image, reconcile)

    def _visit(self, image: ImageRef, reconcile: Callable[[ImageRef], Outcome]) -> Outcome:
        with self._tally.visit():
            return logged(reconcile, image, tally=self._tally)

    def _defect(self, error: Exception) -> str:
        self._defects += 1
        log.error("image.defect", exc_info=True)
        return f"a defect of ours, please report it: {error!r}"

    def _leave(self, image: ImageRef, why: str) -> None:
        self._tally.left()
        self.left[image] = why
        self._say(f"left for a later run: {image.uri}: {why}", style="yellow")

    def _say(self, line: str, *, style: str) -> None:
        self._console.print(line, style=style, markup=False, soft_wrap=True)
