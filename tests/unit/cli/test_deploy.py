"""``imagery-backfill deploy``: what is called, in which order, and what stops it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from batch_job.cli import deploy as module
from batch_job.cli import doctor as doctor_module
from batch_job.cli.deploy import CDK, deploy
from batch_job.errors import SettingsError, SetUpError
from batch_job.values.checkup import Finding, Verdict
from batch_job.wiring.deploying import Target

CDK_SCRIPT = """\
#!/bin/sh
echo "$AWS_REGION $*" >> called
test ! -e "fail-$1"
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with a command line that notes how it is called, an account, and a doctor."""
    cdk = tmp_path / CDK
    cdk.parent.mkdir(parents=True)
    cdk.write_text(CDK_SCRIPT)
    cdk.chmod(0o755)
    (tmp_path / "cdk.json").write_text(json.dumps({"context": {"stack": "Scenes", "@aws-cdk/x": True}}))
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    seen = {"findings": [], "target": Target("111122223333", "eu-west-1", bootstrapped=True)}

    def find_target(settings, *, region):
        seen.update(settings=settings, region=region)
        return seen["target"]

    def checkup(settings, *, region, environment):
        seen.update(checked=(settings.bucket, region))
        return iter(seen["findings"])

    monkeypatch.setattr(module, "find_target", find_target)
    monkeypatch.setattr(doctor_module, "checkup", checkup)
    return seen


def run(*arguments):
    return CliRunner().invoke(deploy, arguments, standalone_mode=False, catch_exceptions=False).return_value


def called():
    file = Path("called")
    return file.read_text().splitlines() if file.exists() else []


def test_a_prepared_region_gets_the_template_and_the_stack(checkout):
    assert run("--bucket", "scenes", "-c", "max_vcpus=8") == 0
    assert called() == [
        "eu-west-1 synth --quiet --output cdk.out -c max_vcpus=8 -c bucket=scenes",
        "eu-west-1 deploy --app cdk.out --require-approval never",
    ]
    assert checkout["checked"] == ("scenes", "eu-west-1")
    assert (checkout["settings"].stack, checkout["settings"].max_vcpus) == ("Scenes", 8)


def test_another_region_is_prepared_first(checkout):
    checkout["target"] = Target("111122223333", "eu-west-1", bootstrapped=False)
    assert run("--bucket", "scenes") == 0
    assert [line.split()[1] for line in called()] == ["synth", "bootstrap", "deploy"]
    assert called()[1].endswith("aws://111122223333/eu-west-1")


def test_what_the_doctor_calls_wrong_stops_it_before_anything_is_made(checkout):
    checkout["findings"] = [Finding("keys", Verdict.WRONG, "denied", "grant it")]
    assert run("--bucket", "scenes") == 78
    assert called() == []


def test_a_step_that_fails_is_the_last(checkout):
    Path("fail-synth").touch()
    with pytest.raises(SetUpError, match="cdk synth ended with exit code 1"):
        run("--bucket", "scenes")
    assert len(called()) == 1


def test_bad_settings_are_named_before_anybody_is_asked(checkout):
    with pytest.raises(SettingsError, match="max_vcpus"):
        run("--bucket", "scenes", "-c", "max_vcpus=1")
    assert "checked" not in checkout


def test_without_the_cdk_it_says_how_to_get_it(checkout):
    CDK.unlink()
    with pytest.raises(SetUpError, match="npm ci"):
        run("--bucket", "scenes")


def test_the_region_that_is_said_is_asked_about(checkout):
    run("--bucket", "scenes", "--region", "us-west-2")
    assert checkout["region"] == "us-west-2"


def test_node_is_looked_for_beside_our_python_first():
    path = module.environment(Target("1", "eu-west-1", bootstrapped=True), {"PATH": "/elsewhere"})["PATH"]
    assert path.split(os.pathsep)[1:] == ["/elsewhere"]
    assert Path(path.split(os.pathsep)[0], "python").exists()
