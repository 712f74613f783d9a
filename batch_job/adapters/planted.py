"""A detector without a service: it knows what is where, and answers at once. For tests and benchmarks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from batch_job.ports import Detector, Keep
from batch_job.values.answers import Answer, RawAnswer
from batch_job.values.spaces import Chip, ChipFrame, PixelBox

ENGINE = "http"
"""It answers in the plain form of model servers."""


@dataclass(frozen=True, slots=True)
class PlantedObject:
    """Something in an image, in image space."""

    label: str
    confidence: float
    box: PixelBox | None
    """None: everywhere."""


class PlantedDetector:
    """Sees in each chip the visible part of what was planted, exactly; fits ``ports.Detector``."""

    def __init__(self, planted: Sequence[PlantedObject] = ()) -> None:
        """Plant the same in every image."""
        self._planted = tuple(planted)

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield the answer to each chip, in order; one chip is alive."""
        for chip in chips:
            keep()
            features = [feature for planted in self._planted for feature in _seen(planted, chip.frame)]
            yield RawAnswer(chip.frame, engine=ENGINE, body=orjson.dumps(features), model_version="planted")


def _seen(planted: PlantedObject, frame: ChipFrame) -> Iterator[dict[str, Any]]:
    """Yield the feature of what a chip shows of an object, if anything."""
    properties = {"label": planted.label, "confidence": planted.confidence}
    if planted.box is None:
        yield {"type": "Feature", "geometry": None, "properties": properties}
        return
    box, window = planted.box, frame.window
    per_col, per_row = frame.content_width / window.width, frame.content_height / window.height
    low_col = max((box.min_col - window.col_off) * per_col, 0.0)
    low_row = max((box.min_row - window.row_off) * per_row, 0.0)
    high_col = min((box.max_col - window.col_off) * per_col, frame.content_width)
    high_row = min((box.max_row - window.row_off) * per_row, frame.content_height)
    if low_col < high_col and low_row < high_row:
        corners = [[low_col, low_row], [high_col, high_row]]
        geometry = {"type": "LineString", "coordinates": corners}
        yield {"type": "Feature", "geometry": geometry, "properties": properties}


if TYPE_CHECKING:
    _fits: type[Detector] = PlantedDetector
