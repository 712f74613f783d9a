"""The command without what only it needs."""

import subprocess
import sys

import pytest


def run_without(name: str) -> "subprocess.CompletedProcess[str]":
    """Ask for help as if a package were not there."""
    program = f"import sys; sys.modules[{name!r}] = None; from batch_job.cli import main; main(['run', '--help'])"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(name):
    done = run_without(name)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"error: {name} is missing: pip install 'imagery-backfill[cli]'\n"


def test_another_missing_module_is_a_defect_and_not_hidden():
    done = run_without("orjson")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
