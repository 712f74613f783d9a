"""What people write today: a rasterio window and a Pillow JPEG for each chip, in a plain loop; nothing is found."""

import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window

from benchmarks.task import Chips, Task

RGB = [1, 2, 3]
PERCENTILES = (2, 98)
OVERVIEW_PX = 1024


def cut(task: Task, chips: Chips) -> None:
    """Cut an image; what is not 8-bit is stretched by the percentiles of an overview."""
    with rasterio.open(task.image) as dataset:
        limits = None if dataset.dtypes[0] == "uint8" else _limits(dataset)
        for row_off in _offsets(dataset.height, task):
            for col_off in _offsets(dataset.width, task):
                window = Window(col_off, row_off, min(task.chip_px, dataset.width), min(task.chip_px, dataset.height))
                pixels = dataset.read(RGB, window=window)
                shown = pixels if limits is None else _stretched(pixels, *limits)
                out = BytesIO()
                Image.fromarray(shown.transpose(1, 2, 0)).save(out, "JPEG", quality=task.quality)
                chips.add(out.getvalue(), col_off=col_off, row_off=row_off)


def _limits(dataset: Any) -> tuple[float, float]:
    shrink = max(dataset.width, dataset.height, OVERVIEW_PX) / OVERVIEW_PX
    shape = (len(RGB), round(dataset.height / shrink), round(dataset.width / shrink))
    low, high = np.percentile(dataset.read(RGB, out_shape=shape), PERCENTILES)
    return float(low), float(high)


def _stretched(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    stretched: NDArray[np.uint8] = ((pixels - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    return stretched


def _offsets(length: int, task: Task) -> Iterator[int]:
    last = max(length - task.chip_px, 0)
    yield from range(0, last, task.chip_px - task.overlap_px)
    yield last


if __name__ == "__main__":
    chips, task = Chips(), Task.from_json(sys.argv[1])
    print(chips.timed(lambda: cut(task, chips)).to_json())
