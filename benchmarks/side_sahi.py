"""SAHI's own slicing, and a Pillow JPEG of each of its slices; runs in SAHI's environment. Nothing is found."""

import sys
from io import BytesIO

from PIL import Image
from sahi.slicing import slice_image  # type: ignore[import-not-found]  # only in its own environment

from benchmarks.task import Chips, Task


def cut(task: Task, chips: Chips) -> None:
    """Cut an image; SAHI reads it whole, and what is not 8-bit as it can."""
    overlap = task.overlap_px / task.chip_px
    sliced = slice_image(
        image=task.image,
        slice_height=task.chip_px,
        slice_width=task.chip_px,
        overlap_height_ratio=overlap,
        overlap_width_ratio=overlap,
    )
    for pixels, (col_off, row_off) in zip(sliced.images, sliced.starting_pixels, strict=True):
        out = BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=task.quality)
        chips.add(out.getvalue(), col_off=col_off, row_off=row_off)


if __name__ == "__main__":
    chips, task = Chips(), Task.from_json(sys.argv[1])
    print(chips.timed(lambda: cut(task, chips)).to_json())
