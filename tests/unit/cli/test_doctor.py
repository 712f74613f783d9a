"""``imagery-backfill doctor``: settings as the CDK reads them, lines with cures, an exit code."""

import orjson
import pytest
from click.testing import CliRunner

from batch_job.cli import doctor as module
from batch_job.cli.doctor import doctor
from batch_job.errors import SettingsError
from batch_job.values.checkup import Finding, Verdict

WARNED = Finding("quota", Verdict.WARNING, "[4] unknown", "look")
WRONG = Finding("bucket", Verdict.WRONG, "elsewhere", "go there")


@pytest.fixture
def asked(monkeypatch):
    """What the checkup was asked; it finds what is put under ``findings``."""
    asked = {"findings": [WARNED]}

    def checkup(settings, *, region, environment):
        asked.update(settings=settings, region=region)
        return iter(asked["findings"])

    monkeypatch.setattr(module, "checkup", checkup)
    return asked


def run(*arguments):
    return CliRunner().invoke(doctor, arguments, standalone_mode=False, catch_exceptions=False)


def test_settings_come_from_cdk_json_under_what_is_given(tmp_path, asked):
    file = tmp_path / "cdk.json"
    file.write_bytes(orjson.dumps({"context": {"bucket": "scenes", "max_vcpus": 9, "live_vcpus": 3, "@aws/x": True}}))
    assert run("--cdk-json", str(file), "-c", "max_vcpus=5", "--region", "eu-west-1").return_value == 0
    assert (asked["settings"].bucket, asked["settings"].max_vcpus, asked["settings"].live_vcpus) == ("scenes", 5, 3)
    assert asked["region"] == "eu-west-1"


def test_without_cdk_json_the_bucket_is_enough(tmp_path, asked):
    assert run("--cdk-json", str(tmp_path / "none"), "--bucket", "scenes").return_value == 0
    assert asked["settings"].bucket == "scenes"


def test_a_warning_ends_well_and_a_wrong_one_does_not(tmp_path, asked):
    arguments = ("--cdk-json", str(tmp_path / "none"), "--bucket", "scenes")
    warned = run(*arguments)
    assert warned.return_value == 0
    assert "[4] unknown" in warned.output
    assert "→ look" in warned.output
    asked["findings"] = [WRONG, WARNED]
    assert run(*arguments).return_value == 78


def test_json_is_a_line_for_each_finding(tmp_path, asked):
    asked["findings"] = [Finding("bucket", Verdict.FINE, "there"), WRONG]
    lines = run("--cdk-json", str(tmp_path / "none"), "--bucket", "scenes", "--json").output.splitlines()
    assert [orjson.loads(line)["verdict"] for line in lines] == ["fine", "wrong"]
    assert orjson.loads(lines[0])["cure"] is None


def test_bad_settings_are_all_named(tmp_path, asked):
    file = tmp_path / "cdk.json"
    file.write_bytes(b'{"context": {"max_vcpus": 1}}')
    with pytest.raises(SettingsError, match=r"bucket: (.|\n)*max_vcpus: "):
        run("--cdk-json", str(file))


def test_a_damaged_cdk_json_is_named(tmp_path, asked):
    file = tmp_path / "cdk.json"
    file.write_bytes(b"[")
    with pytest.raises(SettingsError, match=r"cdk\.json is no JSON object"):
        run("--cdk-json", str(file), "--bucket", "scenes")
