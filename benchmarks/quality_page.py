"""Puts the tables of ``border_quality`` and ``merge`` into docs/quality.md.

``python -m benchmarks.quality_page border_quality ROWS.json`` (or ``merge``, or ``crowded`` for what ``border_quality
--crowded`` gave); ROWS.json is what ``--json`` printed.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.border_peers import RULES

PAGE = Path("docs/quality.md")
NOTHING = "–"
SIDES = {"ours": "ours", **RULES}


def quality_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give a table of extra and missed objects."""
    lines = [f"| detector, scene, chips | objects | {' | '.join(SIDES.values())} |", f"|---|---|{'---|' * len(SIDES)}"]
    for row in rows:
        errors = " | ".join(_errors(row, side) for side in SIDES)
        lines.append(f"| {row['case']} | {row['objects']:,} | {errors} |")
    for detector in dict.fromkeys(row["detector"] for row in rows):
        of = [row for row in rows if row["detector"] == detector]
        sums = " | ".join(_sum(row[side] for row in of) for side in SIDES)
        lines.append(f"| **{detector}, all errors** | {sum(row['objects'] for row in of):,} | {sums} |")
    return lines


def merge_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give a table of times."""
    headings = ("boxes", "ours, s", "SAHI, s", "ratio", "OSML, s", "ratio", "ours, peak MB", "SAHI, MB", "OSML, MB")
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    keys = ("ours", "sahi", "ratio_sahi", "osml", "ratio_osml", "peak_mb", "peak_mb_sahi", "peak_mb_osml")
    return lines + [f"| {row['case']} | {' | '.join(str(row.get(key) or NOTHING) for key in keys)} |" for row in rows]


def _errors(row: Mapping[str, Any], side: str) -> str:
    return NOTHING if row[side] is None else f"{row[f'{side}_extra']} / {row[f'{side}_missed']}"


def _sum(errors: Iterable[int | None]) -> str:
    counted = [one for one in errors if one is not None]
    return f"**{sum(counted):,}**" if counted else NOTHING


TABLES = {
    **dict.fromkeys(("border_quality", "border_shapes", "crowded"), quality_lines),
    "merge": merge_lines,
}


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
    put(PAGE, name, TABLES[name](rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
