"""OSML's own choice among boxes; runs in OSML's environment. ``benchmarks.side_merge`` says how it is asked.

Its ``FeatureSelector`` with the options that an ``ImageRequest`` has by default. For quality it compares all boxes of
an image: a job compares those of one overlap of its own grid after another, which is another grid than the one here.
For time it is a job's way, on a scene that its grid fits.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from aws.osml.model_runner.common import FeatureDistillationNMS  # type: ignore[import-not-found]  # its own environment
from aws.osml.model_runner.inference import FeatureSelector  # type: ignore[import-not-found]
from aws.osml.model_runner.tile_worker.variable_overlap_tiling_strategy import (  # type: ignore[import-not-found]
    VariableOverlapTilingStrategy,
)
from geojson import Feature  # type: ignore[import-not-found]

from benchmarks.side_merge import main

DEFAULT = FeatureDistillationNMS()
"""Plain NMS of each class, intersection over union above 0.75."""


REGION_PX = 10_240
"""Of an image handled at once, as its settings have it by default."""
CLASS = "class "
"""Before a number: its selector keeps names and numbers of classes in one mapping."""


def merge(given: Mapping[str, Any]) -> dict[str, Any]:
    """Select; a box that is left keeps its edges."""
    left = [one["properties"] for one in FeatureSelector(DEFAULT).select_features(_features(given))]
    rows = [[*one["imageBBox"], int(one["featureClasses"][0]["iri"].removeprefix(CLASS))] for one in left]
    return {"osml": np.array(rows, dtype=float).reshape(-1, 5)}


def timed(given: Mapping[str, Any]) -> Callable[[], int]:
    """Get ready: the features are made, and what it compiles is compiled."""
    features, windows = _features(given), given["windows"].astype(int)
    FeatureSelector(DEFAULT).select_features(features[:2])
    whole, chip = ((0, 0), tuple(windows[:, 2:].max(axis=0).tolist())), windows[0, 2].item()
    overlap = chip - windows[1, 0].item()
    squares = [(px, px) for px in (REGION_PX, chip, overlap)]
    job = VariableOverlapTilingStrategy()
    return lambda: len(job.cleanup_duplicate_features(whole, *squares, features, FeatureSelector(DEFAULT)))


def _features(given: Mapping[str, Any]) -> list[Any]:
    columns = (given["boxes"].tolist(), given["labels"].tolist(), given["confidences"].tolist())
    return [
        Feature(properties={"imageBBox": box, "featureClasses": [{"iri": f"{CLASS}{label}", "score": score / 100}]})
        for box, label, score in zip(*columns, strict=True)
    ]


if __name__ == "__main__":
    main(merge, timed)
