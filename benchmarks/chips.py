"""Chips alone, beside what else cuts images: naive rasterio + Pillow, SAHI's slicing, OSML's tiles.

``python -m benchmarks.chips`` prints a table, ``--json`` rows; ``--quick`` takes small images and one round. The same
windows and JPEG quality on every side; the pictures must agree. ``--wide`` measures how much memory ours needs for
images 60,000 px a side.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.pipeline import OURS, QUICK_PX, ROUNDS, scenes, table, task_of
from benchmarks.set_up import FOLDER, OSML, SAHI
from benchmarks.sides import DisagreementError, Result, Side, SideError, measure
from benchmarks.task import Task
from benchmarks.wide import SIDE_PX, WideImage

WHOLE_PX = (10_000, 10_000)
CHIP_PX, OVERLAP_PX = 640, 128
"""400 chips; 20 % overlap."""
WIDE_CHIP_PX, WIDE_OVERLAP_PX = 1024, 204
"""The pipeline's defaults."""
WIDE_ROWS = 4
"""Of chips: what is held in memory is the same after the second."""
BAR_MB = 400

LITTLE_CACHE_MB = "16"
"""Of GDAL: less than the rows of a row of chips, as 5 % of the memory of a small machine is for wide images."""

WIDE = {
    "COG, JPEG blocks": WideImage(512, 512, jpeg=True),
    "COG, deflate blocks": WideImage(512, 512),
    "blocks of 1,024 px": WideImage(1024, 1024),
    "16 bit, 4 bands, blocks": WideImage(512, 512, bits=16, bands=4),
    "strips of 16 rows": WideImage(SIDE_PX, 16),
    "16 bit, 4 bands, strips of a row": WideImage(SIDE_PX, 1, bits=16, bands=4),
}


def sides() -> tuple[Side, ...]:
    """Name ours, then the peers."""
    return (
        Side(OURS, "benchmarks.side_chips"),
        Side("naive", "benchmarks.side_naive"),
        Side.of("sahi", "benchmarks.side_sahi", SAHI),
        Side.of("osml", "benchmarks.side_osml", OSML),
    )


def little_cache_sides() -> tuple[Side, ...]:
    """Name ours, and the peers that read by window where GDAL's cache does not hold a row of chips."""
    little = {"GDAL_CACHEMAX": LITTLE_CACHE_MB}
    osml = Side.of("osml", "benchmarks.side_osml", OSML)
    return (
        Side(OURS, "benchmarks.side_chips"),
        Side("naive", "benchmarks.side_naive", environment=little),
        replace(osml, environment={**osml.environment, **little}),
    )


def measure_wide(case: str, image: WideImage, folder: Path) -> dict[str, Any]:
    """Measure the memory that chips of a wide image need; gives a row."""
    task = Task(
        image=str(image.make(folder).resolve()),
        truth="",
        objects=0,
        chip_px=WIDE_CHIP_PX,
        overlap_px=WIDE_OVERLAP_PX,
        quality=90,
        rows=WIDE_ROWS,
    )
    report = Side(OURS, "benchmarks.side_chips").run(task)
    return {"case": f"60,000 px, {case}", "unit": "peak MB", "ours": round(report.peak_mb), "bar": BAR_MB}


def _task(case: str, *, quick: bool, folder: Path) -> Task:
    scene = scenes(*(QUICK_PX if quick else WHOLE_PX))[case]
    return replace(task_of(scene, folder), chip_px=CHIP_PX, overlap_px=OVERLAP_PX)


def _wide_table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table(title="peak memory of the whole process", title_justify="left")
    for heading in ("image", "peak MB", "bar"):
        shown.add_column(heading, justify="left" if heading == "image" else "right")
    for row in rows:
        shown.add_row(row["case"], str(row["ours"]), str(row["bar"]))
    return shown


def _measured(given: argparse.Namespace, cases: Sequence[str]) -> list[Result]:
    rounds = 1 if given.quick else ROUNDS
    if given.little_cache:
        return [
            measure(
                f"{case}, cache of {LITTLE_CACHE_MB} MB",
                _task(case, quick=given.quick, folder=given.folder),
                little_cache_sides(),
                rounds=1,
            )
            for case in cases
        ]
    return [
        measure(case, _task(case, quick=given.quick, folder=given.folder), sides(), rounds=rounds) for case in cases
    ]


def main() -> int:
    """Measure what was asked for; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--quick", action="store_true", help="small images, one round: whether it works, not how fast")
    parser.add_argument("--only", action="append", metavar="CASE", help="measure this case; may be given again")
    parser.add_argument("--wide", action="store_true", help="measure memory on images 60,000 px a side, nothing else")
    parser.add_argument(
        "--little-cache",
        action="store_true",
        help="beside naive and OSML, which get a GDAL cache of 16 MB; minutes a case",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER / "scenes", help="where the images are kept")
    given = parser.parse_args()
    known = WIDE if given.wide else scenes(*QUICK_PX)
    if unknown := set(given.only or ()) - known.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    cases = [case for case in known if case in (given.only or known)]
    try:
        if given.wide:
            return _told([measure_wide(case, WIDE[case], given.folder) for case in cases], [], given)
        return _told([], _measured(given, cases), given)
    except (SideError, DisagreementError) as error:
        print(f"{OURS}: {error}", file=sys.stderr)
        return 1


def _told(wide: list[dict[str, Any]], results: Sequence[Result], given: argparse.Namespace) -> int:
    console = Console()
    if given.json:
        print(json.dumps({"rows": [*wide, *(row for result in results for row in result.rows(OURS))]}))
    elif wide:
        console.print(_wide_table(wide))
    else:
        console.print(table(results, title="chips alone; ratio above 1: ours is faster"))
    for result in results:
        for name, note in result.notes.items():
            print(f"{result.case}: {name}: {note}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
