"""Amazon Rekognition DetectLabels: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html."""

from collections.abc import Mapping, Sequence
from typing import Any

from batch_job.detection.answers.fields import (
    read_box,
    read_confidence,
    read_json,
    read_list,
    read_mapping,
    read_name,
    read_number,
)
from batch_job.values.spaces import ChipDetection, ChipFrame, Label, PixelBox

SAME_BOX_PX = 1.0
"""The service repeats an instance's box under its ancestors (Man, Adult, Person) to the last digit or nearly so."""


def parse_rekognition(body: bytes, frame: ChipFrame, *, min_confidence: float = 0.0) -> list[ChipDetection]:
    """Read the response to DetectLabels.

    ``Parents`` names all ancestors of a label, and each stands in ``Labels`` again. Nothing is counted twice: of a
    label that is an ancestor of one found in this chip, only the instances are kept that no descendant has, and without
    instances of its own it is no detection at all. It stays a term of its descendants.

    Raises:
        AnswerError: not such a response.
    """
    answer = read_mapping(read_json(body), where="answer")
    labels = read_list(answer.get("Labels"), where="Labels")
    found: dict[str, list[ChipDetection]] = {}
    for i, item in enumerate(labels):
        where = f"Labels[{i}]"
        detections = _detections(read_mapping(item, where=where), frame, where=where)
        confident = [detection for detection in detections if detection.confidence >= min_confidence]
        if confident:
            found.setdefault(confident[0].label.name, []).extend(confident)
    below = _descendants(found)
    return [
        detection
        for name, detections in found.items()
        for detection in detections
        if not _is_told(detection, below.get(name))
    ]


def _detections(item: Mapping[str, Any], frame: ChipFrame, *, where: str) -> list[ChipDetection]:
    """Read one label: its instances, or itself when it has none."""
    label = Label(
        read_name(item.get("Name"), where=f"{where}.Name"),
        parents=_names(item, "Parents", where=where),
        aliases=_names(item, "Aliases", where=where),
        categories=_names(item, "Categories", where=where),
    )
    instances = read_list(item.get("Instances") or [], where=f"{where}.Instances")
    if not instances:
        confidence = read_confidence(item.get("Confidence"), where=f"{where}.Confidence")
        return [ChipDetection(label, confidence, box=None)]
    detections = []
    for i, instance in enumerate(instances):
        place = f"{where}.Instances[{i}]"
        facts = read_mapping(instance, where=place)
        confidence = read_confidence(facts.get("Confidence"), where=f"{place}.Confidence")
        box = _box(read_mapping(facts.get("BoundingBox"), where=f"{place}.BoundingBox"), frame, where=place)
        if box is not None:
            detections.append(ChipDetection(label, confidence, box))
    return detections


def _names(item: Mapping[str, Any], key: str, *, where: str) -> tuple[str, ...]:
    entries = read_list(item.get(key) or [], where=f"{where}.{key}")
    named = [read_mapping(entry, where=f"{where}.{key}[{i}]").get("Name") for i, entry in enumerate(entries)]
    return tuple(read_name(name, where=f"{where}.{key}[{i}].Name") for i, name in enumerate(named))


def _box(fractions: Mapping[str, Any], frame: ChipFrame, *, where: str) -> PixelBox | None:
    """Fractions are of the picture that was sent, padding included."""
    left, top, width, height = (
        read_number(fractions.get(key), where=f"{where}.BoundingBox.{key}")
        for key in ("Left", "Top", "Width", "Height")
    )
    cols, rows = frame.encoded_width, frame.encoded_height
    edges = (left * cols, top * rows, (left + width) * cols, (top + height) * rows)
    return read_box(edges, frame, where=f"{where}.BoundingBox")


def _descendants(found: Mapping[str, Sequence[ChipDetection]]) -> dict[str, list[ChipDetection]]:
    """Give for each ancestor what was found of its descendants."""
    below: dict[str, list[ChipDetection]] = {}
    for name, detections in found.items():
        for parent in detections[0].label.parents:
            if parent != name:
                below.setdefault(parent, []).extend(detections)
    return below


def _is_told(detection: ChipDetection, below: Sequence[ChipDetection] | None) -> bool:
    """Tell whether a descendant says the same."""
    if below is None:
        return False
    box = detection.box
    return box is None or any(other.box is not None and _same(box, other.box) for other in below)


def _same(box: PixelBox, other: PixelBox) -> bool:
    apart = (
        box.min_col - other.min_col,
        box.min_row - other.min_row,
        box.max_col - other.max_col,
        box.max_row - other.max_row,
    )
    return max(map(abs, apart)) <= SAME_BOX_PX
