"""From what was seen to the service's answer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from local.rekognition.labels import SCENE_RULES, TAXA
from local.rekognition.request import DetectLabels
from local.rekognition.sight import MAX_CONFIDENCE, Picture, Sighting, look

SCENE_CONFIDENCE = 60.0
"""Of a label without boxes, at no objects; each object adds one."""
_COLOR_BITS = 4
"""Dominant colours are counted over the upper bits of each channel."""


def answer(request: DetectLabels, picture: Picture, *, model_version: str) -> dict[str, Any]:
    """Look at a picture and say what is asked for; the service's response."""
    response: dict[str, Any] = {"LabelModelVersion": model_version, "Labels": []}
    if "GENERAL_LABELS" in request.features:
        rows, cols = picture.shape[:2]
        response["Labels"] = _labels(request, look(picture), width=cols, height=rows)
    if "IMAGE_PROPERTIES" in request.features:
        response["ImageProperties"] = _properties(picture, max_colors=request.max_colors)
    return response


def _labels(request: DetectLabels, seen: Sequence[Sighting], *, width: int, height: int) -> list[dict[str, Any]]:
    sure = [sighting for sighting in seen if sighting.confidence >= request.min_confidence]
    labels = [
        _label(name, confidence, _instances(name, sure, width=width, height=height))
        for name, confidence in _confidences(seen).items()
        if confidence >= request.min_confidence and request.filters.let_pass(name=name, category=TAXA[name].category)
    ]
    labels.sort(key=lambda label: (-label["Confidence"], label["Name"]))
    return labels[: request.max_labels]


def _confidences(sightings: Sequence[Sighting]) -> dict[str, float]:
    """Name every label of the picture: what was seen, what follows from it, and all their parents."""
    counts = Counter(sighting.label for sighting in sightings)
    found = {name: max(s.confidence for s in sightings if s.label == name) for name in counts}
    for rule in SCENE_RULES:
        if counts[rule.of] >= rule.at_least:
            found[rule.label] = min(MAX_CONFIDENCE, SCENE_CONFIDENCE + counts[rule.of])
    for name, confidence in list(found.items()):
        for parent in TAXA[name].parents:
            found[parent] = max(confidence, found.get(parent, 0.0))
    return found


def _label(name: str, confidence: float, instances: list[dict[str, Any]]) -> dict[str, Any]:
    taxon = TAXA[name]
    return {
        "Name": name,
        "Confidence": confidence,
        "Instances": instances,
        "Parents": [{"Name": parent} for parent in taxon.parents],
        "Aliases": [{"Name": alias} for alias in taxon.aliases],
        "Categories": [{"Name": taxon.category}],
    }


def _instances(name: str, sightings: Iterable[Sighting], *, width: int, height: int) -> list[dict[str, Any]]:
    return [
        {
            "BoundingBox": {
                "Width": seen.box.width / width,
                "Height": seen.box.height / height,
                "Left": seen.box.min_col / width,
                "Top": seen.box.min_row / height,
            },
            "Confidence": seen.confidence,
        }
        for seen in sightings
        if seen.label == name
    ]


def _properties(picture: Picture, *, max_colors: int) -> dict[str, Any]:
    """Measure brightness, sharpness and contrast (0–100, by our own simple definitions) and count the colours."""
    grey = picture.mean(axis=2)
    quality = {
        "Brightness": float(grey.mean() / 2.55),
        "Sharpness": float(min(100.0, np.abs(np.diff(grey, axis=1)).mean())),
        "Contrast": float(min(100.0, grey.std() / 1.28)),
    }
    bits = (picture >> (8 - _COLOR_BITS)).astype(np.int32)
    codes = (bits[..., 0] << 2 * _COLOR_BITS) | (bits[..., 1] << _COLOR_BITS) | bits[..., 2]
    counts = np.bincount(codes.ravel())
    most = [int(code) for code in np.argsort(-counts, kind="stable")[:max_colors] if counts[code]]
    return {"Quality": quality, "DominantColors": [_color(code, counts[code] / codes.size) for code in most]}


def _color(code: int, share: float) -> dict[str, Any]:
    channels = [((code >> shift * _COLOR_BITS) & 15) * 17 for shift in (2, 1, 0)]
    red, green, blue = channels
    return {
        "Red": red,
        "Green": green,
        "Blue": blue,
        "HexCode": f"#{red:02x}{green:02x}{blue:02x}",
        "PixelPercent": 100 * float(share),
    }
