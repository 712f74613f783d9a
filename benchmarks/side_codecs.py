"""Decodes blocks of a TIFF by one library, again and again; runs in that library's environment.

``python -m benchmarks.side_codecs LIBRARY TASK``, a task being ``benchmarks.codecs.Task`` as JSON; prints a ``Report``.
Each library is imported only where it is asked for.
"""

import importlib
import json
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_PX = 512
CACHE_BYTES = 4 * 1024**2
"""Of GDAL: a third of the blocks of 8 bits, so that none is kept until it is asked for again."""

Pixels = NDArray[Any]
Decode = Callable[[int], Pixels]
"""Decodes the n-th block to (rows, columns, bands)."""


def by_rasterio(task: dict[str, Any], _blocks: list[bytes]) -> Decode:
    """Read windows of the file, which the system holds in memory, into one array."""
    rasterio = importlib.import_module("rasterio")
    window = importlib.import_module("rasterio.windows").Window
    rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES).__enter__()
    dataset = rasterio.open(task["path"])
    pixels = np.empty((BLOCK_PX, BLOCK_PX, task["bands"]), task["dtype"])
    places = [window(col * BLOCK_PX, row * BLOCK_PX, BLOCK_PX, BLOCK_PX) for col, row in task["places"]]

    def decode(number: int) -> Pixels:
        dataset.read(list(dataset.indexes), window=places[number], out=pixels.transpose(2, 0, 1))
        return pixels

    return decode


def by_imagecodecs(task: dict[str, Any], blocks: list[bytes]) -> Decode:
    """Decode, and undo the differences (predictor 2) into one array."""
    codecs = importlib.import_module("imagecodecs")
    pixels = np.empty((BLOCK_PX, BLOCK_PX, task["bands"]), task["dtype"])
    tables = bytes.fromhex(task["tables"])
    if task["codec"] == "jpeg":
        return lambda number: codecs.jpeg8_decode(blocks[number], tables=tables)
    if task["codec"] == "webp":
        return lambda number: codecs.webp_decode(blocks[number], hasalpha=False)
    decode_bytes = getattr(codecs, f"{task['codec']}_decode")

    def decode(number: int) -> Pixels:
        body = decode_bytes(blocks[number], out=pixels.nbytes)
        differences = np.frombuffer(body, pixels.dtype).reshape(pixels.shape)
        codecs.delta_decode(differences, axis=1, out=pixels)
        return pixels

    return decode


def by_simplejpeg(task: dict[str, Any], blocks: list[bytes]) -> Decode:
    """Decode JPEG as the product does."""
    simplejpeg = importlib.import_module("simplejpeg")
    tables = bytes.fromhex(task["tables"])[: -len(b"\xff\xd9")]
    return lambda number: simplejpeg.decode_jpeg(tables + blocks[number][len(b"\xff\xd8") :])


LIBRARIES = {"rasterio": by_rasterio, "imagecodecs": by_imagecodecs, "simplejpeg": by_simplejpeg}


def main() -> int:
    """Decode all blocks once for the results, then as often as asked for the time."""
    library, task = sys.argv[1], json.loads(sys.argv[2])
    with Path(task["path"]).open("rb") as file:
        body = file.read()
    blocks = [body[start : start + size] for start, size in task["spans"]]
    decode = LIBRARIES[library](task, blocks)
    shown = [decode(number).copy() for number in range(len(blocks))]
    rounds = []
    for _ in range(task["rounds"]):
        began = time.process_time()
        for number in range(len(blocks)):
            decode(number)
        rounds.append(time.process_time() - began)
    print(
        json.dumps(
            {
                "ms_a_block": 1000 * statistics.median(rounds) / len(blocks),
                "digests": [zlib.crc32(block.tobytes()) for block in shown],
                "means": [float(block.mean()) for block in shown],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
