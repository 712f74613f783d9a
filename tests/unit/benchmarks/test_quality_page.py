from pathlib import Path

import pytest

from benchmarks.quality_page import PAGE, TABLES, merge_lines, put, quality_lines

ROW = {
    "case": "ideal, large, 640/128 px",
    "detector": "ideal",
    "objects": 1200,
    **{"ours": 3, "ours_extra": 1, "ours_missed": 2},
    **{"sahi": 7, "sahi_extra": 5, "sahi_missed": 2},
    **{"osml": 1030, "osml_extra": 1030, "osml_missed": 0},
    "nms": None,
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_side_has_its_column_and_a_sum_for_each_detector() -> None:
    lines = quality_lines([ROW, ROW, {**ROW, "detector": "noisy", "case": "noisy, large"}])
    assert cells(lines[0])[2:] == ["ours", "SAHI default", "OSML NMS", "NMS, IoU 0.5"]
    assert cells(lines[2]) == ["ideal, large, 640/128 px", "1,200", "1 / 2", "5 / 2", "1030 / 0", "–"]
    assert cells(lines[5]) == ["**ideal, all errors**", "2,400", "**6**", "**14**", "**2,060**", "–"]
    assert {len(cells(line)) for line in lines} == {6}


def test_a_peer_without_figures_leaves_its_cells_of_the_table_of_times_empty() -> None:
    row = {
        "case": "10 boxes",
        **{"ours": 0.5, "peak_mb": 40, "sahi": 1.0, "peak_mb_sahi": 60, "ratio_sahi": 2.0},
        **{"osml": None, "peak_mb_osml": 0, "ratio_osml": None},
    }
    lines = merge_lines([row])
    assert cells(lines[2]) == ["10 boxes", "0.5", "1.0", "2.0", "–", "–", "40", "60", "–"]
    assert {len(cells(line)) for line in lines} == {9}


def test_a_table_is_put_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- merge -->\nold\n<!-- end of merge -->\nafter\n")
    put(page, "merge", ["| a |", "|---|"])
    assert page.read_text() == "before\n<!-- merge -->\n| a |\n|---|\n<!-- end of merge -->\nafter\n"


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_a_place_for_every_table(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0]
    assert len({line.count("|") for line in table.splitlines()}) == 1
