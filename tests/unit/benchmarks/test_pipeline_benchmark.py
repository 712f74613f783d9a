import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.pipeline import scenes, task_of
from benchmarks.sides import DisagreementError, Median, Report, Result, Side, SideError, check_agreement, measure
from benchmarks.task import Task
from local.scenes import Layout, Scene

TASK = Task(image="i", truth="t", objects=2, chip_px=1024, overlap_px=204, quality=90)
REPORT = Report([[0, 0], [0, 820]], {"0,0": [10, 20, 30]}, seconds=0.5, cpu_seconds=1.0, peak_mb=100.4, labels=2)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sides that do nothing but report what they are given, or end with an error."""
    monkeypatch.setattr("benchmarks.sides.ROOT", tmp_path)

    def side(name: str, report: Report | None, *, missing: str = "") -> Side:
        line = f"print({report.to_json()!r})" if report else "raise ValueError('of no use')"
        (tmp_path / f"{name}.py").write_text(line)
        return Side(name, name, missing=missing)

    return side


def test_a_quick_run_prints_one_row_a_unit_with_ours_the_peers_and_ratios(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.pipeline", "--quick", "--json", "--folder", str(tmp_path)]
    ended = subprocess.run([*command, "--only", "TIFF in strips"], capture_output=True, check=True)
    rows = json.loads(ended.stdout)["rows"]
    assert [(row["case"], row["unit"]) for row in rows] == [
        ("TIFF in strips", "chips/s"),
        ("TIFF in strips", "chips/CPU s"),
    ]
    for row in rows:
        assert {"case", "unit", "ours", "naive", "ratio_naive", "sahi", "ratio_sahi", "peak_mb"} <= row.keys()
        assert row["ratio_naive"] == pytest.approx(row["ours"] / row["naive"], rel=0.02)
        assert row["peak_mb"] > 50


def test_an_image_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene(name="little", width=300, height=200, count=2, max_object_px=40, layout=Layout.STRIPS)
    assert task_of(scene, tmp_path) == task_of(scene, tmp_path)
    assert capsys.readouterr().err.count("making") == 1
    assert task_of(replace(scene, seed=3), tmp_path) != task_of(scene, tmp_path)


def test_all_cases_show_the_same_objects() -> None:
    assert len({(scene.count, scene.seed, scene.width, scene.height) for scene in scenes(2000, 1600).values()}) == 1


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (replace(REPORT, offsets=[[0, 0]]), "cut 1 chips"),
        (replace(REPORT, thumbnails={"0,0": [10, 25, 30]}), "0,0 is off by 5 levels"),
        (replace(REPORT, labels=3), "found 3 objects of 2"),
    ],
)
def test_sides_that_do_not_do_the_same_are_named(other: Report, where: str) -> None:
    with pytest.raises(DisagreementError, match=where):
        check_agreement(other, REPORT, TASK)


def test_sides_that_find_nothing_and_encode_a_little_otherwise_agree() -> None:
    check_agreement(replace(REPORT, labels=None, thumbnails={"0,0": [11, 19, 32]}), REPORT, TASK)


def test_chips_that_cannot_be_compared_do_not_agree() -> None:
    with pytest.raises(DisagreementError, match="no chips"):
        check_agreement(REPORT, replace(REPORT, thumbnails={}), TASK)


def test_a_peer_that_fails_differs_or_is_missing_leaves_a_note_in_its_row(says) -> None:
    sides = (
        says("ours", REPORT),
        says("same", replace(REPORT, seconds=1.0)),
        says("broken", None),
        says("other", replace(REPORT, offsets=[])),
        says("absent", REPORT, missing="not installed: make bench-setup"),
    )
    [by_wall, by_cpu] = measure("case", TASK, sides, rounds=2).rows("ours")
    assert by_wall == {
        "case": "case",
        "unit": "chips/s",
        "ours": 4.0,
        "same": 2.0,
        "ratio_same": 2.0,
        "broken": None,
        "ratio_broken": None,
        "note_broken": "cannot: ValueError: of no use",
        "other": None,
        "ratio_other": None,
        "note_other": "cut 0 chips elsewhere than our 2",
        "absent": None,
        "ratio_absent": None,
        "note_absent": "not installed: make bench-setup",
        "peak_mb": 100,
    }
    assert (by_cpu["unit"], by_cpu["ours"], by_cpu["ratio_same"]) == ("chips/CPU s", 2.0, 1.0)


def test_ours_may_not_fail(says) -> None:
    with pytest.raises(SideError, match="of no use"):
        measure("case", TASK, (says("ours", None),), rounds=1)


def test_rounds_become_their_median_and_the_highest_peak() -> None:
    rounds = [replace(REPORT, seconds=seconds, peak_mb=peak) for seconds, peak in ((1, 5), (2, 9), (8, 7))]
    assert Median.of(rounds) == Median(chips_per_s=1.0, chips_per_cpu_s=2.0, peak_mb=9)
    assert Result("case", {"ours": Median.of(rounds)}, {}).rows("ours")[0]["peak_mb"] == 9
