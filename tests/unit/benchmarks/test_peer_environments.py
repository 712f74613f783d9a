import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.imagery.grid import windows
from batch_job.values.spaces import ChipGrid
from benchmarks import chips, set_up
from benchmarks.set_up import ENVIRONMENTS, OSML, SAHI, Environment, SystemModule
from benchmarks.sides import Side
from benchmarks.task import Task

THERE = SystemModule("json", package="python3-json", python=Path(sys.executable))
ABSENT = SystemModule("of_no_registry", package="python3-of-none", python=Path(sys.executable))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """One without packages, and the only one there is."""
    pins = tmp_path / "pins.lock"
    pins.write_text("")
    environment = Environment("a peer", pins, tmp_path / "home", wants=THERE)
    monkeypatch.setattr(set_up, "ENVIRONMENTS", (environment,))
    return environment


def test_an_environment_of_the_systems_python_sees_its_modules_and_is_made_once(environment, capsys) -> None:
    assert environment.missing == "not installed: make bench-setup"
    assert set_up.main() == 0
    assert environment.missing == ""
    assert "include-system-site-packages = true" in (environment.folder / "pyvenv.cfg").read_text()
    assert subprocess.run([str(environment.python), "-c", "import json"], check=False).returncode == 0
    assert set_up.main() == 0
    assert "already in" in capsys.readouterr().out
    environment.pins.write_text("# others\n")
    assert not environment.is_complete


def test_what_the_system_lacks_is_said_in_one_line_and_the_others_go_on(environment, monkeypatch, capsys) -> None:
    lacking = replace(environment, wants=ABSENT, folder=environment.folder.with_name("none"))
    monkeypatch.setattr(set_up, "ENVIRONMENTS", (lacking, environment))
    assert set_up.main() == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == "a peer: left out. apt-get install python3-of-none, then make bench-setup again, gives it"
    assert lacking.missing == "not installed: apt-get install python3-of-none first, then make bench-setup"
    assert environment.is_complete


def test_pins_that_cannot_be_installed_fail_the_set_up_and_leave_nothing_complete(environment, capfd) -> None:
    environment.pins.write_text("no-such-package==1.0\n")  # without its hash
    assert set_up.main() == 1
    assert "pip failed" in capfd.readouterr().err
    assert not environment.is_complete


@pytest.mark.parametrize("home", ENVIRONMENTS, ids=lambda home: home.folder.name)
def test_every_pin_has_its_hash_and_no_registry_is_named(home: Environment) -> None:
    text = home.pins.read_text()
    pins = [line for line in text.splitlines() if not line.startswith((" ", "#"))]
    assert pins
    assert all(re.match(r"[a-z0-9.-]+==\S+( ; .*)? \\$", pin) for pin in pins)
    assert len(re.findall(r"==.*\\\n    --hash=sha256:", text)) == len(pins)
    assert "://" not in text


def test_a_peers_row_says_what_is_missing_and_its_program_gets_its_variables() -> None:
    side = Side.of("osml", "benchmarks.side_osml", OSML)
    assert (side.python, side.missing) == (OSML.python, OSML.missing)
    assert side.environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert [side.name for side in chips.sides()] == ["ours", "naive", "sahi", "osml"]
    assert Side.of("sahi", "benchmarks.side_sahi", SAHI).environment == {}


def test_a_little_cache_is_given_beside_a_peers_own_variables() -> None:
    by_name = {side.name: side.environment for side in chips.little_cache_sides()}
    assert by_name["osml"] == {**OSML.variables, "GDAL_CACHEMAX": chips.LITTLE_CACHE_MB}
    assert by_name["naive"] == {"GDAL_CACHEMAX": chips.LITTLE_CACHE_MB}


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    chip_px=st.integers(64, 2000),
    overlap=st.floats(0, 0.5),
)
def test_peers_are_asked_for_the_windows_that_we_cut(width: int, height: int, chip_px: int, overlap: float) -> None:
    overlap_px = int(chip_px * overlap)
    task = Task(image="i", truth="t", objects=0, chip_px=chip_px, overlap_px=overlap_px, quality=90)
    ours = windows(ChipGrid(width, height, chip_px=chip_px, overlap_px=overlap_px))
    assert list(task.windows(width, height)) == [(one.col_off, one.row_off, one.width, one.height) for one in ours]
