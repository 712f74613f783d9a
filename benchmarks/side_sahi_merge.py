"""SAHI's own merging; runs in SAHI's environment. ``benchmarks.side_merge`` says how it is asked.

Boxes are merged as users call it, by GREEDYNMM and by NMS; time is taken of GREEDYNMM on arrays.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sahi.postprocess.combine import (  # type: ignore[import-not-found]  # only in its own environment
    GreedyNMMPostprocess,
    NMSPostprocess,
    batched_greedy_nmm,
)
from sahi.prediction import ObjectPrediction  # type: ignore[import-not-found]

from benchmarks.side_merge import main

THRESHOLD = 0.5
"""SAHI's default, as are GREEDYNMM, IOS and merging by class."""


def merge(given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as ``get_sliced_prediction`` does by default, and by plain NMS."""
    options = {"match_threshold": THRESHOLD, "class_agnostic": False}
    return {
        "sahi": _merged(given, GreedyNMMPostprocess(match_metric="IOS", **options)),
        "nms": _merged(given, NMSPostprocess(match_metric="IOU", **options)),
    }


def _merged(given: Mapping[str, Any], rule: Any) -> Any:
    predictions = [
        ObjectPrediction(bbox=box, score=score / 100, category_id=label, category_name=str(label))
        for box, score, label in zip(
            given["boxes"].tolist(), given["confidences"].tolist(), given["labels"].tolist(), strict=True
        )
    ]
    rows = [[*one.bbox.to_xyxy(), one.category.id] for one in rule(predictions)]
    return np.array(rows, dtype=float).reshape(-1, 5)


def timed(given: Mapping[str, Any]) -> Callable[[], int]:
    """Get ready to call its function on arrays."""
    predictions = np.column_stack((given["boxes"], given["confidences"] / 100, given["labels"]))
    return lambda: len(batched_greedy_nmm(predictions, match_metric="IOS", match_threshold=THRESHOLD))


if __name__ == "__main__":
    main(merge, timed)
