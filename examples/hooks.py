r"""One hook of each kind, to copy from.

imagery-backfill run examples/colorado.tif --to colorado.geojson --local \
        --before-detection examples.hooks:grey_world --after-merging examples.hooks:save_cut_outs
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batch_job.hooks import MergedImage
from batch_job.values.spaces import Feature, Kind, Window

MARGIN_PX = 8


def grey_world(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take out a colour cast: scale each band so that all have the same mean.

    Args:
        pixels: (3, rows, columns).
    """
    means = pixels.reshape(3, -1).mean(axis=1)
    gains = means.mean() / np.maximum(means, 1)
    balanced: NDArray[np.uint8] = np.clip(pixels * gains[:, None, None], 0, 255).astype(np.uint8)
    return balanced


def save_cut_outs(features: Sequence[Feature], image: MergedImage) -> None:
    """Save a PNG of every detected object below the folder that CUT_OUTS names (default ``cut-outs``)."""
    folder = Path(os.environ.get("CUT_OUTS", "cut-outs")) / image.image.id
    folder.mkdir(parents=True, exist_ok=True)
    for number, feature in enumerate(features):
        found = feature.detection
        if found.kind is Kind.OBJECT:
            rgb = image.read_rgb(_window_around(feature, image))
            picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb, 0, -1)))
            picture.save(folder / f"{number:06d}-{found.label.name.replace(' ', '_')}.png")


def _window_around(feature: Feature, image: MergedImage) -> Window:
    box = feature.detection.box
    left, top = max(math.floor(box.min_col) - MARGIN_PX, 0), max(math.floor(box.min_row) - MARGIN_PX, 0)
    right = min(math.ceil(box.max_col) + MARGIN_PX, image.width)
    bottom = min(math.ceil(box.max_row) + MARGIN_PX, image.height)
    return Window(col_off=left, row_off=top, width=right - left, height=bottom - top)
