"""What is known of one image's chips while answers arrive, from the archive or from a detector."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from batch_job.detection.answers import parse
from batch_job.detection.dechip import dechip
from batch_job.errors import AnswerError
from batch_job.imagery.chosen import Chosen
from batch_job.values.answers import ArchivedAnswer, ChipBlank, ChipRejected, RawAnswer
from batch_job.values.documents import ChipCounts
from batch_job.values.spaces import ChipGrid, ImageDetection, Window


@dataclass(slots=True)
class Findings:
    """What is known of an image's chips; grows while answers arrive."""

    chosen: Chosen
    """What is to be known; what is known of other chips is passed over."""
    min_confidence: float
    known: set[Window] = field(default_factory=set)
    detections: list[ImageDetection] = field(default_factory=list)
    blank: int = 0
    sent: int = 0
    rejected: int = 0
    refused: dict[Window, ChipRejected] = field(default_factory=dict)
    model_version: str = ""

    @property
    def grid(self) -> ChipGrid:
        """How the image is cut."""
        return self.chosen.grid

    def add(self, answer: ArchivedAnswer) -> None:
        """Add what is known of a chip.

        Raises:
            AnswerError: the detector broke its contract.
        """
        window = answer.frame.window
        match answer:
            case ChipBlank():
                self.blank += 1
            case ChipRejected():
                self.sent += 1
                self.rejected += 1
                self.refused[window] = answer
            case RawAnswer():
                self._add_detections(answer)
        self.known.add(window)

    def _add_detections(self, answer: RawAnswer) -> None:
        detections = parse(answer, min_confidence=self.min_confidence)
        self.detections.extend(dechip(found, answer.frame, self.grid) for found in detections)
        self.model_version = max(self.model_version, answer.model_version)
        self.sent += 1

    def recall_all(self, answers: Iterable[ArchivedAnswer]) -> None:
        """Add archived answers, the newest first; what is of no use is not known, and will be asked for again.

        Of no use are answers that cannot be read, and refusals when there is nothing else: then the detector was out of
        order, not the chips.
        """
        for answer in answers:
            if answer.frame.window not in self.known and answer.frame.window in self.chosen:
                with suppress(AnswerError):
                    self.add(answer)
        if self.sent and self.sent == self.rejected:
            self.known -= self.refused.keys()
            self.sent = self.rejected = 0
            self.refused.clear()

    def check(self) -> None:
        """Make sure that the detector looked at anything.

        Raises:
            AnswerError: it refused every chip.
        """
        if self.sent and self.sent == self.rejected:
            first = min(self.refused.items())[1]
            raise AnswerError(f"the detector refused all {self.sent} chips; the first: {first.code}: {first.message}")

    @property
    def counts(self) -> ChipCounts:
        """Count the chips by what became of them."""
        skipped = self.chosen.skipped
        total = skipped + self.chosen.count
        return ChipCounts(total=total, sent=self.sent, blank=self.blank, rejected=self.rejected, skipped=skipped)
