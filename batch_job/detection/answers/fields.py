"""Reading the fields of answers: every check names the place in the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from batch_job.errors import AnswerError, GeometryError
from batch_job.values.spaces import ChipFrame, PixelBox

MAX_CONFIDENCE = 100.0
MAX_LABEL_CHARS = 256
"""Longer than any class's name or IRI, shorter than what an index takes as one term (32,766 bytes)."""
MAX_REACH = 1.0
"""How far a box may reach beyond the picture, in pictures. Detectors guess where a cut object ends, and are clamped;
a box further out is in other coordinates than the chip's."""
_SHOWN_CHARS = 80


def read_json(body: bytes) -> Any:
    """Decode an answer's body."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AnswerError(f"not JSON ({error}); it begins {shown(body)}") from error


def shown(value: object) -> str:
    """Show a value in a message, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def read_mapping(value: Any, *, where: str) -> Mapping[str, Any]:
    """Expect a JSON object."""
    if not isinstance(value, dict):
        raise AnswerError(f"{where}: expected an object, found {shown(value)}")
    return value


def read_list(value: Any, *, where: str) -> Sequence[Any]:
    """Expect a JSON array."""
    if not isinstance(value, list):
        raise AnswerError(f"{where}: expected an array, found {shown(value)}")
    return value


def read_number(value: Any, *, where: str) -> float:
    """Expect a number; JSON has no infinite ones, and orjson reads none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnswerError(f"{where}: expected a number, found {shown(value)}")
    return float(value)


def read_name(value: Any, *, where: str) -> str:
    """Expect what may serve as a label's name."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_LABEL_CHARS:
        raise AnswerError(f"{where}: expected a name of 1 to {MAX_LABEL_CHARS} characters, found {shown(value)}")
    return value


def read_confidence(value: Any, *, out_of: float = MAX_CONFIDENCE, where: str) -> float:
    """Expect a number between 0 and ``out_of``, and give it as 0–100."""
    number = read_number(value, where=where)
    if not 0 <= number <= out_of:
        raise AnswerError(f"{where}: expected 0 to {out_of:g}, found {number}")
    return number * (MAX_CONFIDENCE / out_of)


def read_box(edges: Sequence[float], frame: ChipFrame, *, where: str) -> PixelBox | None:
    """Make a box in the chip's pixels, ending where the image's own pixels end.

    Args:
        edges: min_col, min_row, max_col, max_row in pixels of the encoded picture.
        frame: The chip's.
        where: Place in the answer.

    Returns:
        None for a box that shows nothing: of no width or height, as models leave when they clamp at an edge, or beside
        the content, in the padding say.
    """
    min_col, min_row, max_col, max_row = edges
    reach_cols, reach_rows = frame.encoded_width * MAX_REACH, frame.encoded_height * MAX_REACH
    if (
        min(min_col + reach_cols, min_row + reach_rows) < 0
        or max_col > frame.encoded_width + reach_cols
        or max_row > frame.encoded_height + reach_rows
    ):
        size = f"{frame.encoded_width} x {frame.encoded_height} px"
        raise AnswerError(f"{where}: {list(edges)} is far outside a chip of {size}; are these the chip's pixels?")
    if min_col == max_col or min_row == max_row:
        return None
    try:
        PixelBox(min_col=min_col, min_row=min_row, max_col=max_col, max_row=max_row)
    except GeometryError as error:
        raise AnswerError(f"{where}: {error}") from error
    min_col, min_row = max(min_col, 0.0), max(min_row, 0.0)
    max_col, max_row = min(max_col, float(frame.content_width)), min(max_row, float(frame.content_height))
    if min_col >= max_col or min_row >= max_row:
        return None
    return PixelBox(min_col=min_col, min_row=min_row, max_col=max_col, max_row=max_row)
