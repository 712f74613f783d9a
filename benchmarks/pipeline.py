"""Chips per second, end to end, with a detector that takes no time, beside what else cuts images into chips.

``python -m benchmarks.pipeline`` prints a table, ``--json`` rows; ``--quick`` takes small images and one round. Ours
does more in the time measured: it also merges, places and describes what the detector found.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from batch_job.settings import PipelineSettings
from benchmarks.set_up import FOLDER, SAHI
from benchmarks.sides import DisagreementError, Result, Side, SideError, measure
from benchmarks.task import Task
from local.scenes import Bands, Compression, Layout, Scene, Spacing, make

ROUNDS = 3
WHOLE_PX = (10_000, 8_000)
"""Width and height; the demo's main scene has the same."""
QUICK_PX = (2_000, 1_600)
PX_PER_OBJECT = 80_000
MAX_OBJECT_PX = 200
"""Under the overlap of chips, so that each is found once."""
GEOREFERENCE = {"crs": "EPSG:32633", "transform": (0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0)}

OURS = "ours"


def scenes(width: int, height: int) -> dict[str, Scene]:
    """Describe the image of each case; they show the same objects."""

    def scene(name: str, **facts: object) -> Scene:
        count = width * height // PX_PER_OBJECT
        common = {"count": count, "max_object_px": MAX_OBJECT_PX, "spacing": Spacing.BY_LABEL, "seed": 1}
        return Scene(name=name, width=width, height=height, **{**common, **facts})  # type: ignore[arg-type]

    return {
        "COG, JPEG blocks": scene("cog-jpeg", layout=Layout.COG, compression=Compression.JPEG, **GEOREFERENCE),
        "COG, deflate blocks": scene("cog-deflate", layout=Layout.COG, **GEOREFERENCE),
        "TIFF in strips": scene("strips", layout=Layout.STRIPS, **GEOREFERENCE),
        "plain JPEG": scene("plain-jpeg", layout=Layout.JPEG),
        "16 bit, 4 bands": scene("sixteen-bit", layout=Layout.COG, bands=Bands.RGBN, bits=16, **GEOREFERENCE),
    }


def sides() -> tuple[Side, ...]:
    """Name ours, then the peers."""
    return (
        Side(OURS, "benchmarks.side_ours"),
        Side("naive", "benchmarks.side_naive"),
        Side(
            "sahi",
            "benchmarks.side_sahi",
            python=SAHI.python,
            missing="" if SAHI.is_complete else "not installed: make bench-setup",
        ),
    )


def task_of(scene: Scene, folder: Path) -> Task:
    """Ask for a scene's chips as the pipeline's defaults cut them; the scene is made if the folder does not hold it."""
    # equal scenes make equal files, so a folder named for the whole description holds what we need, or nothing
    home = folder / hashlib.sha256(repr(scene).encode()).hexdigest()[:16]
    done = home / "done"
    if not done.exists():
        print(f"making {scene.file_name}, {scene.width} x {scene.height} px", file=sys.stderr, flush=True)
        make(scene, home)
        done.touch()
    settings = PipelineSettings()
    return Task(
        image=str((home / scene.file_name).resolve()),
        truth=str((home / scene.truth_name).resolve()),
        objects=scene.count,
        chip_px=settings.chip_px,
        overlap_px=settings.overlap_px,
        quality=settings.jpeg_quality,
    )


def table(results: Sequence[Result], *, title: str) -> Table:
    """Lay the figures out for people."""
    shown = Table(title=title, title_justify="left")
    for heading in ("image", "side"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("chips/s", "ratio", "chips/CPU s", "ratio", "peak MB"):
        shown.add_column(heading, justify="right")
    for result in results:
        ours = result.medians[OURS]
        for name, one in result.medians.items():
            ratios = [ours.chips_per_s / one.chips_per_s, ours.chips_per_cpu_s / one.chips_per_cpu_s]
            wall, cpu = (f"{ratio:.2f}" if name != OURS else "" for ratio in ratios)
            figures = (f"{one.chips_per_s:.1f}", wall, f"{one.chips_per_cpu_s:.1f}", cpu, f"{one.peak_mb:.0f}")
            shown.add_row(result.case if name == OURS else "", name, *figures)
        for name in result.notes:
            shown.add_row("", name, "–", "", "–", "", "–")
        shown.add_section()
    return shown


def main() -> int:
    """Measure every case; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with rows")
    parser.add_argument("--quick", action="store_true", help="small images, one round: whether it works, not how fast")
    parser.add_argument("--only", action="append", metavar="CASE", help="measure this case; may be given again")
    parser.add_argument("--folder", type=Path, default=FOLDER / "scenes", help="where the images are kept")
    given = parser.parse_args()
    cases = scenes(*(QUICK_PX if given.quick else WHOLE_PX))
    if unknown := set(given.only or ()) - cases.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are: {', '.join(cases)}")
    try:
        results = [
            measure(case, task_of(scene, given.folder), sides(), rounds=1 if given.quick else ROUNDS)
            for case, scene in cases.items()
            if case in (given.only or cases)
        ]
    except (SideError, DisagreementError) as error:
        print(f"{OURS}: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({"rows": [row for result in results for row in result.rows(OURS)]}))
    else:
        console = Console()
        console.print(table(results, title="whole pipeline, no detector's time; ratio above 1: ours is faster"))
        for result in results:
            for name, note in result.notes.items():
                console.print(f"{result.case}: {name}: {note}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
