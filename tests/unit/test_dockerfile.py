"""Promises of the Dockerfile, its lock and what it copies; tests/end_to_end/image builds and runs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks import imports
from local.emulation.entrypoint import read_entrypoint

PROJECT = Path(__file__).parents[2]
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
LOCK = (PROJECT / "requirements-image.lock").read_text(encoding="utf-8")
NEVER_IMPORTED = {"grpcio", "opensearch-protobufs", "protobuf"}
"""Wanted by opensearch-py for gRPC alone."""


def names(requirements: list[str]) -> set[str]:
    """Name what the image's Python takes of them."""
    taken = [one for one in requirements if "python_version < '3.12'" not in one]
    return {re.split(r"[^A-Za-z0-9-]", one, maxsplit=1)[0].lower() for one in taken}


def pinned(text: str, *, python: str = "3.12") -> dict[str, str]:
    """Give the versions of a lock's packages that a Python takes."""
    packages = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; (.*?))? \\$", text, flags=re.MULTILINE)
    return {name: version for name, version, marker in packages if f"python_full_version < '{python}'" not in marker}


def extras() -> dict[str, set[str]]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["optional-dependencies"] | {"": project["dependencies"]}
    return {extra: names(requirements) for extra, requirements in listed.items()}


def test_the_emulator_starts_jobs_as_the_image_does():
    assert read_entrypoint(PROJECT).with_command(("shards", "a/b/0/1")) == (
        sys.executable,
        "-m",
        "batch_job",
        "shards",
        "a/b/0/1",
    )


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_the_base_is_one_patch_of_python_on_one_debian():
    assert re.findall(r"^ARG BASE=(.*)$", DOCKERFILE, flags=re.MULTILINE) == ["python:3.12.13-slim-bookworm"]


def test_it_runs_as_nobody_special():
    assert re.findall(r"^USER (.*)$", STAGES[-1], flags=re.MULTILINE) == ["1000:1000"]


def test_tmp_is_a_volume_or_fargate_would_mount_it_for_root_alone():
    assert 'VOLUME ["/tmp"]' in STAGES[-1]


def test_the_benchmark_of_imports_has_the_variables_of_the_image():
    for name, value in imports.ENVIRONMENT.items():
        assert re.search(rf"^(ENV|   ) {name}={value} ", DOCKERFILE, flags=re.MULTILINE)


def test_every_package_of_the_lock_is_pinned_and_hashed():
    entries = re.split(r"\n(?=[a-z])", LOCK.strip())
    assert len(entries) == len(pinned(LOCK)) > 20
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_names_no_place_to_fetch_from():
    assert not re.search(r"https?:|index-url|find-links", LOCK)


def test_the_lock_holds_what_the_product_and_lambda_need_and_of_the_other_extras_nothing_of_their_own():
    held, wanted = pinned(LOCK).keys(), extras()
    needed = wanted[""] | wanted["lambda"]
    assert needed <= held
    others = {name for extra, listed in wanted.items() if extra not in ("", "lambda") for name in listed}
    assert held & (others - needed) == {"click"}  # rasterio's
    assert not held & NEVER_IMPORTED


def test_the_image_has_the_versions_that_are_tested():
    tested = pinned((PROJECT / "requirements.lock").read_text(encoding="utf-8"))
    own = {name: version for name, version in pinned(LOCK).items() if name in tested}
    assert own == {name: tested[name] for name in own}
    assert pinned(LOCK).keys() - tested.keys() == {"awslambdaric", "simplejson", "snapshot-restore-py"}


@pytest.mark.parametrize("line", ["COPY . ", "ADD "])
def test_nothing_is_copied_wholesale(line):
    assert line not in DOCKERFILE
