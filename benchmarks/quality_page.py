"""Puts the tables of ``border_quality`` and ``merge`` into docs/quality.md.

``python -m benchmarks.quality_page border_quality ROWS.json`` (or ``merge``); ROWS.json is what ``--json`` printed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path("docs/quality.md")
SIDES = {"ours": "ours", "sahi": "SAHI default", "sahi_nms": "NMS, IoU 0.5"}


def quality_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give a table of extra and missed objects."""
    lines = [f"| detector, scene, chips | objects | {' | '.join(SIDES.values())} |", "|---|---|---|---|---|"]
    for row in rows:
        errors = " | ".join(f"{row[f'{side}_extra']} / {row[f'{side}_missed']}" for side in SIDES)
        lines.append(f"| {row['case']} | {row['objects']:,} | {errors} |")
    for detector in dict.fromkeys(row["detector"] for row in rows):
        of = [row for row in rows if row["detector"] == detector]
        sums = " | ".join(f"**{sum(row[side] for row in of):,}**" for side in SIDES)
        lines.append(f"| **{detector}, all errors** | {sum(row['objects'] for row in of):,} | {sums} |")
    return lines


def merge_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give a table of times."""
    lines = ["| boxes | ours, s | SAHI, s | ratio | ours, peak MB | SAHI, peak MB |", "|---|---|---|---|---|---|"]
    keys = ("ours", "sahi", "ratio", "peak_mb", "peak_mb_sahi")
    return lines + [f"| {row['case']} | {' | '.join(str(row[key] or '–') for key in keys)} |" for row in rows]


def put(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between a table's marks."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text("\n".join([f"{before}{begin}", *lines, f"{end}{after}"]), encoding="utf-8")


def main() -> int:
    """Do what the arguments say."""
    name, path = sys.argv[1:]
    rows = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    put(PAGE, name, {"border_quality": quality_lines, "merge": merge_lines}[name](rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
