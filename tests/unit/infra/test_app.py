"""The app as the CDK's command line starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch_job.settings import DeploySettings
from tests.unit.infra.conftest import PROJECT, context


def run_app(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "CDK_OUTDIR": str(tmp_path),
        "CDK_CONTEXT_JSON": json.dumps(context(**settings)),
        "PYTHONPATH": str(PROJECT),
    }
    argv = [sys.executable, "-m", "infra.app"]
    return subprocess.run(argv, env=env, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_bad_settings_are_all_named_in_a_few_lines_and_nothing_is_written(tmp_path: Path) -> None:
    ended = run_app(tmp_path, max_vcpus="1", removal="burn", bucket="No", chip_size="512")
    assert ended.returncode == 78
    assert all(name in ended.stderr for name in ("max_vcpus", "removal", "bucket", "chip_size"))
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_vpc_domain_is_refused_with_the_reason(tmp_path: Path) -> None:
    ended = run_app(tmp_path, vpc_id="vpc-1")
    assert ended.returncode == 78
    assert "NAT gateways" in ended.stderr


def test_settings_in_cdk_json_are_settings() -> None:
    names = json.loads((PROJECT / "cdk.json").read_text())["context"]
    assert {name for name in names if not name.startswith(("@", "//"))} <= set(DeploySettings.model_fields)


@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
def test_the_command_line_is_pinned_and_no_registry_is_named(name: str) -> None:
    text = (PROJECT / name).read_text()
    assert "2.1148.1" in text
    assert "http" not in text
