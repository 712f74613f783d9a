"""Blocks of a TIFF, decoded by rasterio's GDAL, by what the product uses for JPEG, and by imagecodecs.

``python -m benchmarks.codecs`` prints a table, ``--json`` rows; ``--quick`` decodes once. Blocks of 512 x 512 px, with
differences of neighbours (predictor 2) where that is usual. What the libraries decode must agree: to the bit, but for
JPEG, whose blocks' means must. The time is that of the processor, of one thread.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.set_up import FOLDER, IMAGECODECS
from benchmarks.side_codecs import BLOCK_PX
from benchmarks.sides import ROOT, TIMEOUT_S, DisagreementError, SideError

SIDE_PX = 2048
ROUNDS = 15
MEANS_DIFFER = 0.5
"""Levels of 255 between the means of a JPEG block, decoded by two libraries."""


@dataclass(frozen=True, slots=True)
class Case:
    """How a file is written."""

    codec: str
    """As imagecodecs names it."""
    bands: int
    bits: int
    profile: Mapping[str, Any]
    """For rasterio."""

    @property
    def dtype(self) -> str:
        """Of its pixels."""
        return f"uint{self.bits}"


@dataclass(frozen=True, slots=True)
class Task:
    """What a side is told, as JSON."""

    path: str
    codec: str
    bands: int
    dtype: str
    rounds: int
    tables: str
    """JPEG's, in hexadecimal."""
    places: list[tuple[int, int]] = field(default_factory=list)
    """Column and row of each block, in blocks."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Where it begins in the file, and how many bytes it has."""


def _lossless(codec: str, bits: int) -> Case:
    return Case(codec, 3 if bits == 8 else 4, bits, {"compress": codec, "predictor": 2})


CASES = {
    "deflate, 8 bit": _lossless("deflate", 8),
    "LZW, 8 bit": _lossless("lzw", 8),
    "ZSTD, 8 bit": _lossless("zstd", 8),
    "WebP": Case("webp", 3, 8, {"compress": "webp"}),
    "WebP, lossless": Case("webp", 3, 8, {"compress": "webp", "webp_lossless": True}),
    "JPEG": Case("jpeg", 3, 8, {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": 90}),
    "deflate, 16 bit, 4 bands": _lossless("deflate", 16),
    "LZW, 16 bit, 4 bands": _lossless("lzw", 16),
    "ZSTD, 16 bit, 4 bands": _lossless("zstd", 16),
}


def picture(case: Case) -> NDArray[Any]:
    """Make (bands, rows, columns): waves, edges, and a sensor's noise; the same each time."""
    dice = np.random.default_rng(1)
    rows, cols = np.mgrid[:SIDE_PX, :SIDE_PX]
    fields = 30.0 * ((rows // 90 + cols // 130) % 3)
    bands = [
        70
        + fields
        + 40 * np.sin(rows / (31 + 7 * band))
        + 30 * np.cos(cols / (23 + 5 * band))
        + dice.normal(0, 4, rows.shape)
        for band in range(case.bands)
    ]
    levels = np.stack(bands).clip(0, 255)
    return (levels if case.bits == 8 else 40 * levels).astype(case.dtype)


def written(case: Case, folder: Path, *, rounds: int) -> Task:
    """Write a case's file, and tell where its blocks are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "blocks.tif"
    blocked = {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "interleave": "pixel"}
    facts = {"width": SIDE_PX, "height": SIDE_PX, "count": case.bands, "dtype": case.dtype, **blocked}
    with rasterio.open(path, "w", driver="GTiff", **facts, **case.profile) as made:
        made.write(picture(case))
    across = range(SIDE_PX // BLOCK_PX)
    places = [(col, row) for row in across for col in across]
    with rasterio.open(path) as made:
        tags = [
            tuple(int(made.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
            for col, row in places
        ]
        tables = made.get_tag_item("JPEGTABLES", "TIFF", bidx=1) or ""
    spans = [(start, size) for start, size in tags]
    return Task(str(path.resolve()), case.codec, case.bands, case.dtype, rounds, tables, places, spans)


def decoded(library: str, python: Path, task: Task) -> dict[str, Any]:
    """Have a library decode, in a process of its own.

    Raises:
        SideError: it cannot.
    """
    command = [str(python), "-W", "ignore", "-m", "benchmarks.side_codecs", library, json.dumps(asdict(task))]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ended.returncode:
        raise SideError(f"{library} cannot: {ended.stderr.strip().splitlines()[-1]}")
    report: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return report


def measured(name: str, case: Case, folder: Path, *, rounds: int) -> dict[str, Any]:
    """Give a row: milliseconds of the processor for a block.

    Raises:
        SideError, DisagreementError: a side does.
    """
    task, ours = written(case, folder, rounds=rounds), Path(sys.executable)
    reports = {"rasterio": decoded("rasterio", ours, task)}
    if case.codec == "jpeg":
        reports["simplejpeg"] = decoded("simplejpeg", ours, task)
    if not IMAGECODECS.missing:
        reports["imagecodecs"] = decoded("imagecodecs", IMAGECODECS.python, task)
    for library, report in reports.items():
        check_agreement(library, report, reports["rasterio"], is_exact=case.codec != "jpeg")
    used = "simplejpeg" if case.codec == "jpeg" else "rasterio"
    times = {library: report["ms_a_block"] for library, report in reports.items()}
    row = {"case": name, "unit": "ms/block", "used": used, "ours": times[used]} | times
    if "imagecodecs" in times:
        row["ratio"] = times["imagecodecs"] / times[used]
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()}


def check_agreement(library: str, report: Mapping[str, Any], expected: Mapping[str, Any], *, is_exact: bool) -> None:
    """Make sure that two libraries decode the same.

    Raises:
        DisagreementError: they do not.
    """
    off = max(abs(one - other) for one, other in zip(report["means"], expected["means"], strict=True))
    if off > MEANS_DIFFER or (is_exact and report["digests"] != expected["digests"]):
        raise DisagreementError(f"{library} decodes other pixels than rasterio")


def _table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(title="ms of the processor for a block of 512 px; ratio above 1: what is used is faster")
    for heading in ("blocks", "rasterio", "simplejpeg", "imagecodecs", "used", "ratio"):
        shown.add_column(heading, justify="left" if heading in ("blocks", "used") else "right")
    for row in rows:
        times = [f"{row[name]:.2f}" if name in row else "" for name in ("rasterio", "simplejpeg", "imagecodecs")]
        shown.add_row(row["case"], *times, row["used"], f"{row['ratio']:.2f}" if "ratio" in row else "")
    return shown


def main() -> int:
    """Measure; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--quick", action="store_true", help="decode once: whether it works, not how fast")
    parser.add_argument("--only", action="append", choices=CASES, metavar="CASE", help="may be given again")
    parser.add_argument("--folder", type=Path, default=FOLDER / "codecs", help="where the file is written")
    given = parser.parse_args()
    if IMAGECODECS.missing:
        print(f"imagecodecs: {IMAGECODECS.missing}", file=sys.stderr)
    chosen = {name: case for name, case in CASES.items() if name in (given.only or CASES)}
    rounds = 1 if given.quick else ROUNDS
    try:
        rows = [measured(name, case, given.folder, rounds=rounds) for name, case in chosen.items()]
    except (SideError, DisagreementError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"rows": rows})) if given.json else Console().print(_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
