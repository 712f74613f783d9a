"""What people write today: a rasterio window and a Pillow JPEG for each chip, in a plain loop; nothing is found."""

import sys
from io import BytesIO
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window

from benchmarks.task import OVERVIEW_PX, PERCENTILES, RGB, Chips, Task


def cut(task: Task, chips: Chips) -> None:
    """Cut an image; what is not 8-bit is stretched by the percentiles of an overview."""
    with rasterio.open(task.image) as dataset:
        limits = None if dataset.dtypes[0] == "uint8" else _limits(dataset)
        for col_off, row_off, width, height in task.windows(dataset.width, dataset.height):
            pixels = dataset.read(RGB, window=Window(col_off, row_off, width, height))
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


if __name__ == "__main__":
    chips, task = Chips(), Task.from_json(sys.argv[1])
    print(chips.timed(lambda: cut(task, chips)).to_json())
