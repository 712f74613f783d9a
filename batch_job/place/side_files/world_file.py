"""World files: six numbers, and no word of the CRS that they are in."""

from math import isfinite

from batch_job.values.place import Georeference

NUMBERS = 6


def parse_world_file(body: bytes) -> Georeference:
    """Read a world file; its last two numbers are the place of the first pixel's middle.

    Raises:
        ValueError: these are not six numbers.
    """
    numbers = [float(text.replace(",", ".")) for text in body.decode("ascii").split()]
    if len(numbers) < NUMBERS or not all(map(isfinite, numbers)):
        raise ValueError(f"{len(numbers)} numbers where a world file has {NUMBERS}")
    a, d, b, e, x, y = numbers[:NUMBERS]
    return Georeference(transform=(a, b, x - (a + b) / 2, d, e, y - (d + e) / 2))
