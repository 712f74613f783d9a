"""Ours, chips only: read, stretch, drop the blank ones, encode; as the pipeline does it, and nothing after.

``python -m cProfile -s tottime -m benchmarks.side_chips TASK`` shows where the time goes, of the thread that asks.
"""

import sys
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch_job.adapters.ranges import LocalFiles
from batch_job.adapters.raster import RasterOpener
from batch_job.imagery.ahead import done_ahead
from batch_job.imagery.encode import encode, is_blank
from batch_job.imagery.grid import windows
from batch_job.imagery.picture import Picture, open_picture
from batch_job.settings import Encoding, Stretch
from batch_job.values.image import LOCAL_FILES, ImageRef
from batch_job.values.spaces import Chip, ChipGrid, Window
from batch_job.visit import ENCODERS
from benchmarks.task import Chips, Task


def cut(task: Task, chips: Chips) -> None:
    """Cut an image."""
    image = ImageRef(LOCAL_FILES, str(Path(task.image).resolve()))

    def encoded(seen: tuple[Window, NDArray[np.uint8]]) -> Chip:
        window, rgb = seen
        return encode(image, window, rgb, encoding=Encoding.JPEG, quality=task.quality)

    with RasterOpener(LocalFiles())(image, etag=None) as source:
        picture = open_picture(source, stretch=Stretch.JOINT)
        for chip in done_ahead(encoded, _seen(picture, task), threads=ENCODERS):
            window = chip.frame.window
            chips.add(chip.body, col_off=window.col_off, row_off=window.row_off)


def _seen(picture: Picture, task: Task) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    facts = picture.facts
    grid = ChipGrid(facts.width, facts.height, chip_px=task.chip_px, overlap_px=task.overlap_px)
    rows = groupby(windows(grid), key=lambda window: window.row_off)
    wanted = (window for _, row in islice(rows, task.rows) for window in row)
    for window, rgb, valid in picture.read(wanted):
        if not is_blank(rgb, valid):
            yield window, rgb


if __name__ == "__main__":
    noted, given = Chips(), Task.from_json(sys.argv[1])
    print(noted.timed(lambda: cut(given, noted)).to_json())
