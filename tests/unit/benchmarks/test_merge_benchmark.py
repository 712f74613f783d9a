import sys
from pathlib import Path
from typing import ClassVar

from benchmarks import merge
from benchmarks.merge import CASES as REAL_CASES
from benchmarks.merge import NOT_ASKED, Took, growth, run, table, to_row


def test_a_row_has_medians_highest_peaks_ratios_and_the_reason_for_what_is_not_there():
    row = to_row(
        "case",
        {
            "ours": [Took(1.0, 90, 50), Took(3.0, 90, 70), Took(2.0, 90, 60)],
            "sahi": [Took(9.0, 91, 100), Took(7.0, 91, 100), Took(8.0, 91, 100)],
            "osml": [NOT_ASKED],
        },
    )
    assert row == {
        "case": "case",
        "unit": "s",
        "ours": 2.0,
        "peak_mb": 70,
        "left_ours": 90,
        "sahi": 8.0,
        "peak_mb_sahi": 100,
        "left_sahi": 91,
        "ratio_sahi": 4.0,
        "osml": None,
        "peak_mb_osml": 0,
        "left_osml": None,
        "note_osml": NOT_ASKED,
        "ratio_osml": None,
    }
    assert table([row]).row_count == 1


class Home:
    """An environment that is there, or says why not."""

    variables: ClassVar[dict[str, str]] = {}
    python = Path("python")

    def __init__(self, missing: str = "") -> None:
        self.missing = missing


def asked(monkeypatch, *, osml: Home, osml_s: float) -> list[str]:
    """Measure a case twice; gives who was run, in order."""
    modules: list[str] = []

    def run(_python, module, *_arguments, **_variables):
        modules.append(module)
        return Took(osml_s if module == "osml" else 1.0, 1, 1.0)

    monkeypatch.setattr(merge, "run", run)
    monkeypatch.setattr(merge, "OSML", osml)
    monkeypatch.setattr(merge, "PEERS", {"sahi": (Home(), "sahi"), "osml": (osml, "osml")})
    monkeypatch.setattr(merge, "CASES", dict.fromkeys(("10,000 boxes", "a pile"), dict))
    merge.measure("10,000 boxes", 2)
    return [module.removeprefix("benchmarks.side_").removesuffix("_merge") for module in modules]


def test_sides_take_turns(monkeypatch):
    assert asked(monkeypatch, osml=Home(), osml_s=1.0) == ["ours", "sahi", "osml"] * 2


def test_a_peer_that_takes_long_is_asked_once(monkeypatch):
    assert asked(monkeypatch, osml=Home(), osml_s=31.0) == ["ours", "sahi", "osml", "ours", "sahi"]


def test_a_peer_that_is_not_there_is_not_run(monkeypatch):
    assert asked(monkeypatch, osml=Home("not installed"), osml_s=1.0) == ["ours", "sahi"] * 2


def test_osml_is_not_asked_for_the_worst_cases(monkeypatch):
    asked(monkeypatch, osml=Home(), osml_s=1.0)
    row = merge.measure("a pile", 1)
    assert (row["osml"], row["note_osml"], row["ratio_sahi"]) == (None, NOT_ASKED, 1.0)
    assert set(merge.OSML_CASES) <= set(REAL_CASES)


def test_our_side_merges_a_case_and_tells_seconds_objects_and_memory(tmp_path):
    took = run(sys.executable, "benchmarks.side_ours_merge", str(tmp_path / "none.npz"))
    assert isinstance(took, str)
    assert took.startswith("cannot: FileNotFoundError")


def test_growth_is_told_for_each_tenfold_that_was_measured():
    rows = [
        {"case": "10,000 boxes", "ours": 0.02, "sahi": 0.1, "osml": None},
        {"case": "100,000 boxes", "ours": 0.18, "sahi": 1.2, "osml": 5.0},
    ]
    [row] = growth(rows)
    assert (row["unit"], row["ours"], row["sahi"], row["osml"]) == ("times", 9.0, 12.0, None)
    assert table([row]).row_count == 1
