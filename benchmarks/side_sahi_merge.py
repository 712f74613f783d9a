"""SAHI's own merging; runs in SAHI's environment.

``python -m benchmarks.side_sahi_merge IN.npz OUT.npz`` merges boxes as users call it (GREEDYNMM, or NMS), or, given
``--arrays``, times its function on arrays.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sahi.postprocess.combine import (  # type: ignore[import-not-found]  # only in its own environment
    GreedyNMMPostprocess,
    NMSPostprocess,
    batched_greedy_nmm,
)
from sahi.prediction import ObjectPrediction  # type: ignore[import-not-found]

from batch_job.cli.memory import peak_mb

THRESHOLD = 0.5
"""SAHI's default, as are GREEDYNMM, IOS and merging by class."""


def merge(given: Any, rule: Any) -> Any:
    """Merge as ``get_sliced_prediction`` does by default; gives (n, 5): a box and its label."""
    predictions = [
        ObjectPrediction(bbox=box, score=score / 100, category_id=label, category_name=str(label))
        for box, score, label in zip(
            given["boxes"].tolist(), given["confidences"].tolist(), given["labels"].tolist(), strict=True
        )
    ]
    merged = rule(predictions)
    rows = [[*one.bbox.to_xyxy(), one.category.id] for one in merged]
    return np.array(rows, dtype=float).reshape(-1, 5)


def time_arrays(given: Any) -> None:
    """Print seconds, what is left, and the peak memory."""
    predictions = np.column_stack((given["boxes"], given["confidences"] / 100, given["labels"]))
    began = time.process_time()
    left = batched_greedy_nmm(predictions, match_metric="IOS", match_threshold=THRESHOLD)
    print(time.process_time() - began, len(left), peak_mb())


def main() -> None:
    """Do what the arguments say."""
    given = np.load(sys.argv[1])
    if sys.argv[2] == "--arrays":
        time_arrays(given)
        return
    options = {"match_threshold": THRESHOLD, "class_agnostic": False}
    greedy = GreedyNMMPostprocess(match_metric="IOS", **options)
    plain = NMSPostprocess(match_metric="IOU", **options)
    np.savez(Path(sys.argv[2]), sahi=merge(given, greedy), sahi_nms=merge(given, plain))


if __name__ == "__main__":
    main()
