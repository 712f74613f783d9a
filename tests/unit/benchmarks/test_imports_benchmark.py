import pytest

from benchmarks.imports import BARS, PEER, ROOT, Imported, ImportFailedError, measure, measure_import, rows, table


def test_a_row_says_how_many_times_as_long_as_the_peer_and_what_the_bar_is():
    measured = {PEER: Imported(0.1, 20.0), "lambdas.plan_inventory": Imported(0.3, 60.4)}
    [row] = rows(measured)
    assert row == {
        "case": "lambdas.plan_inventory",
        "unit": "s",
        "ours": 0.3,
        PEER: 0.1,
        "ratio": 0.333,
        "times": 3.0,
        "bar": 3.5,
        "peak_mb": 60,
    }
    assert table([row]).row_count == 1


def test_the_shortest_round_counts_and_the_round_before_the_first_does_not(monkeypatch):
    seconds = iter([9.0, 3.0, 2.0, 4.0])
    monkeypatch.setattr("benchmarks.imports.measure_import", lambda _module: Imported(next(seconds), next(memory)))
    memory = iter([90.0, 1.0, 3.0, 2.0])
    assert measure([PEER], rounds=3) == {PEER: Imported(2.0, 3.0)}


def test_an_import_takes_time_and_memory():
    found = measure_import("json")
    assert 0 < found.seconds < 60
    assert found.peak_mb > 1


def test_a_module_that_cannot_be_imported_is_named_with_the_reason():
    with pytest.raises(ImportFailedError, match=r"lambdas\.nobody: ModuleNotFoundError"):
        measure_import("lambdas.nobody")


def test_every_lambda_of_the_image_is_measured():
    handlers = {
        f"lambdas.{path.stem}" for path in (ROOT / "lambdas").glob("*.py") if "\ndef handler(" in path.read_text()
    }
    assert handlers == {name for name in BARS if name.startswith("lambdas.")}
