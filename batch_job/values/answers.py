"""What a detector said of one chip, before anybody interprets it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from batch_job.values.spaces import ChipFrame, Window


def _frame_to_json(frame: ChipFrame) -> list[int]:
    window = frame.window
    return [
        window.col_off,
        window.row_off,
        window.width,
        window.height,
        frame.encoded_width,
        frame.encoded_height,
        frame.content_width,
        frame.content_height,
    ]


def _frame_from_json(numbers: list[int]) -> ChipFrame:
    col_off, row_off, width, height, *sizes = numbers
    return ChipFrame(Window(col_off=col_off, row_off=row_off, width=width, height=height), *sizes)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A paid answer, byte for byte, so that it can be parsed again by better code."""

    frame: ChipFrame
    engine: str
    """Names the parser in ``detection/answers``: ``rekognition`` or ``http``."""
    body: bytes = field(repr=False)
    """The engine's JSON."""
    model_version: str = ""

    def to_ndjson(self) -> bytes:
        """Encode as one line, its end included."""
        facts = {
            "frame": _frame_to_json(self.frame),
            "engine": self.engine,
            "model_version": self.model_version,
            "body": base64.b64encode(self.body).decode(),
        }
        return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class ChipRejected:
    """The detector refused this chip for good; an outcome of the chip, not of the image."""

    frame: ChipFrame
    code: str
    """The service's own error code."""
    message: str

    def to_ndjson(self) -> bytes:
        """Encode as one line, its end included."""
        facts = {"frame": _frame_to_json(self.frame), "code": self.code, "message": self.message}
        return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class ChipBlank:
    """There was no picture in this chip, so nobody was asked."""

    frame: ChipFrame

    def to_ndjson(self) -> bytes:
        """Encode as one line, its end included."""
        return orjson.dumps({"frame": _frame_to_json(self.frame), "blank": True}, option=orjson.OPT_APPEND_NEWLINE)


Answer = RawAnswer | ChipRejected
"""What a detector yields."""
ArchivedAnswer = Answer | ChipBlank
"""What is known of a chip."""


def answer_from_ndjson(line: bytes) -> ArchivedAnswer:
    """Decode what any ``to_ndjson`` wrote."""
    facts: Mapping[str, Any] = orjson.loads(line)
    frame = _frame_from_json(facts["frame"])
    if "blank" in facts:
        return ChipBlank(frame)
    if "code" in facts:
        return ChipRejected(frame, code=facts["code"], message=facts["message"])
    body = base64.b64decode(facts["body"])
    return RawAnswer(frame, engine=facts["engine"], body=body, model_version=facts["model_version"])
