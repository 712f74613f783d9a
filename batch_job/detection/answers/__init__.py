"""From a raw answer to what it says; one parser per engine, and none needs a client, so that archives parse too."""

from types import MappingProxyType
from typing import Protocol

from batch_job.detection.answers.http import parse_http
from batch_job.detection.answers.rekognition import parse_rekognition
from batch_job.errors import AnswerError
from batch_job.values.answers import RawAnswer
from batch_job.values.spaces import ChipDetection, ChipFrame


class Parser(Protocol):
    """Reads one engine's JSON about one chip."""

    def __call__(self, body: bytes, frame: ChipFrame, *, min_confidence: float = 0.0) -> list[ChipDetection]:
        """Give the detections of at least ``min_confidence``; raises ``AnswerError``."""
        ...


PARSERS: MappingProxyType[str, Parser] = MappingProxyType({"rekognition": parse_rekognition, "http": parse_http})
"""By ``RawAnswer.engine``."""


def parse(answer: RawAnswer, *, min_confidence: float = 0.0) -> list[ChipDetection]:
    """Read what an engine said of one chip.

    Boxes end at the content of the chip: what lies in its padding is left out.

    Args:
        answer: As archived.
        min_confidence: 0–100; detections below it are left out, also where an engine was not asked to.

    Raises:
        AnswerError: the answer breaks its engine's contract; the message names the place in the answer.
    """
    parser = PARSERS.get(answer.engine)
    if parser is None:
        raise AnswerError(f"no parser for answers of engine {answer.engine!r}; there are {', '.join(PARSERS)}")
    try:
        return parser(answer.body, answer.frame, min_confidence=min_confidence)
    except AnswerError as error:
        raise AnswerError(f"answer about {answer.frame.window}: {error}") from error
