"""A ceiling on the calls of one process."""

from collections.abc import Iterable, Iterator

from batch_job.errors import OutOfBudgetError
from batch_job.ports import Detector, Keep
from batch_job.values.answers import Answer
from batch_job.values.spaces import Chip


class CappedDetector:
    """Passes on at most ``max_calls`` chips to another detector, over all images."""

    def __init__(self, detector: Detector, *, max_calls: int) -> None:
        """Wrap ``detector``."""
        self._detector, self._max_calls, self.calls = detector, max_calls, 0

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield as ``ports.Detector``.

        Raises:
            OutOfBudgetError: the next chip would be one too many; the answers so far were yielded.
        """
        return self._detector.detect(self._counted(chips), keep=keep)

    def _counted(self, chips: Iterable[Chip]) -> Iterator[Chip]:
        for chip in chips:
            if self.calls >= self._max_calls:
                raise OutOfBudgetError(
                    f"all {self._max_calls} calls allowed are spent; {chip.image.uri} has more chips"
                )
            self.calls += 1
            yield chip
