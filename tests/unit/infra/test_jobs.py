"""Batch: how much runs at once, what is retried, and what a job finds around it."""

import json
import os
from typing import Any

import pytest

from batch_job import errors
from batch_job.settings import JobSettings, PlannerSettings
from local.emulation.cloudformation import to_request
from local.emulation.jobs import Attempt, is_retried
from local.emulation.plans import make_plan
from tests.unit.infra.reading import BROUGHT, CHANGED, environment, job_of, reference, resources

NAMES = ("ImageryBackfill-backfill", "ImageryBackfill-live")


@pytest.mark.parametrize(
    ("settings", "cap", "kinds"), [({}, 4, {"FARGATE_SPOT", "FARGATE"}), (BROUGHT, 64, {"FARGATE"})]
)
def test_max_vcpus_is_the_cap_over_all_of_batch(
    template_json: Any, settings: dict[str, Any], cap: int, kinds: set[str]
) -> None:
    environments = resources(template_json(**settings), "AWS::Batch::ComputeEnvironment").values()
    assert sum(one["ComputeResources"]["MaxvCpus"] for one in environments) == cap
    assert {one["ComputeResources"]["Type"] for one in environments} == kinds


@pytest.mark.parametrize(("settings", "live_vcpus"), [({}, 1), (BROUGHT, 4)])
def test_the_live_lane_has_its_own_queue_and_on_demand_environment(
    template_json: Any, settings: dict[str, Any], live_vcpus: int
) -> None:
    template = template_json(**settings)
    queues, environments = (resources(template, f"AWS::Batch::{kind}") for kind in ("JobQueue", "ComputeEnvironment"))
    behind = {
        name: [reference(place["ComputeEnvironment"]) for place in queue["ComputeEnvironmentOrder"]]
        for name, queue in queues.items()
    }
    live = reference(template["Outputs"]["LiveJobQueue"]["Value"])
    backfill = reference(template["Outputs"]["JobQueue"]["Value"])
    assert set(behind) == {live, backfill}
    assert [len(places) for places in behind.values()] == [1, 1]
    assert behind[live] != behind[backfill]
    live_place = environments[behind[live][0]]["ComputeResources"]
    assert (live_place["Type"], live_place["MaxvCpus"]) == ("FARGATE", live_vcpus)


def retries(template: Any, name: str, *, code: int | None, status: str = "Essential container in task exited") -> bool:
    """Ask the local Batch, which takes the rules as Batch does."""
    definition = to_request(job_of(template, name))
    attempt = Attempt(exit_code=code, reason="", status_reason=status, log_stream="", started_ms=0, stopped_ms=1)
    return is_retried(make_plan(definition, {}), (attempt,))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("code", "again"),
    [
        (errors.TransientError.exit_code, True),
        (errors.InputError.exit_code, False),
        (errors.DeploymentError.exit_code, False),
        (errors.BackfillError.exit_code, False),
        (128 + 9, True),
        (128 + 15, True),
        (128 + 6, True),
        (128 + 11, True),
        (1, False),
        (2, False),
    ],
)
def test_exit_codes_decide_what_is_retried(template_json: Any, name: str, code: int, *, again: bool) -> None:
    assert retries(template_json(), name, code=code) is again


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", ["Your Spot Task was interrupted.", "Task failed to start"])
def test_a_job_that_its_machine_failed_is_retried(template_json: Any, name: str, status: str) -> None:
    assert retries(template_json(), name, code=None, status=status)


def test_the_rules_are_as_many_as_batch_takes_and_say_what_is_final(template_json: Any) -> None:
    strategy = job_of(template_json(), NAMES[0])["RetryStrategy"]
    assert len(strategy["EvaluateOnExit"]) <= 5
    assert 1 < strategy["Attempts"] <= 10
    assert {one["Action"] for one in strategy["EvaluateOnExit"]} == {"EXIT"}
    assert all(one["OnExitCode"].isdecimal() for one in strategy["EvaluateOnExit"])


@pytest.mark.parametrize("name", NAMES)
def test_a_job_is_nobodys_root_and_can_write_only_below_tmp(template_json: Any, name: str) -> None:
    container = job_of(template_json(), name)["ContainerProperties"]
    assert container["User"].split(":")[0] not in ("", "0", "root")
    assert container["ReadonlyRootFilesystem"] is True
    volumes = {one["Name"]: one for one in container["Volumes"]}
    assert [(one["ContainerPath"], volumes[one["SourceVolume"]]["Host"]) for one in container["MountPoints"]] == [
        ("/tmp", {})  # noqa: S108
    ]
    assert "Privileged" not in container


@pytest.mark.parametrize("name", NAMES)
def test_a_job_hears_sigterm_from_its_first_moment(template_json: Any, name: str) -> None:
    assert job_of(template_json(), name)["ContainerProperties"]["LinuxParameters"]["InitProcessEnabled"] is True


@pytest.mark.parametrize("name", NAMES)
def test_a_job_takes_task_and_what_and_ends_some_day(template_json: Any, name: str) -> None:
    job = job_of(template_json(), name)
    assert job["ContainerProperties"]["Command"] == ["Ref::task", "Ref::what"]
    assert set(job["Parameters"]) == {"task", "what"}
    assert 3600 <= job["Timeout"]["AttemptDurationSeconds"] <= 86_400
    assert job["ContainerProperties"]["NetworkConfiguration"] == {"AssignPublicIp": "ENABLED"}
    sizes = {one["Type"]: one["Value"] for one in job["ContainerProperties"]["ResourceRequirements"]}
    assert sizes == {"VCPU": "1", "MEMORY": "4096"}


@pytest.mark.parametrize("name", ["Two-backfill", "Two-live"])
def test_a_jobs_output_goes_to_a_group_of_its_own_that_forgets(template_json: Any, name: str) -> None:
    template = template_json(**CHANGED)
    logging = job_of(template, name)["ContainerProperties"]["LogConfiguration"]
    assert logging["LogDriver"] == "awslogs"
    group = resources(template, "AWS::Logs::LogGroup")[reference(logging["Options"]["awslogs-group"])]
    assert group["RetentionInDays"] == 7


def load(monkeypatch: pytest.MonkeyPatch, kind: Any, variables: dict[str, str]) -> Any:
    """Read a job's variables as it would; references look like the addresses that they become."""
    for name in [name for name in os.environ if name.startswith("BACKFILL_")]:
        monkeypatch.delenv(name)
    for name, text in variables.items():
        value = "https://queue.example" if name.endswith("QUEUE_URL") else text
        monkeypatch.setenv(name, "1795287283" if name.endswith("_REVISION") else value.strip("<>").replace("<", ""))
    return kind.load()


def test_jobs_run_under_the_settings_of_the_deployment(template_json: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    template = template_json(**CHANGED)
    backfill, live = (environment(job_of(template, f"Two-{lane}")) for lane in ("backfill", "live"))
    for variables, lane in ((backfill, "backfill"), (live, "live")):
        settings = load(monkeypatch, JobSettings, variables)
        assert (settings.lane, settings.chip_px, settings.min_confidence, settings.stack) == (lane, 800, 70, "Two")
        assert settings.overlap_px == 160
        assert settings.include_labels == ("Boat", "Car")
        assert settings.dem == "s3://maps/heights/europe.tif"
        assert settings.budget_table
        assert settings.settings_revision == 1795287283
    planner = load(monkeypatch, PlannerSettings, backfill)
    assert planner.exclude_prefixes == ("old/",)
    assert planner.job_definition == "Two-backfill"


def test_every_worker_reads_the_same_settings(template_json: Any) -> None:
    template = template_json()
    told = [environment(job_of(template, name)) for name in NAMES]
    told += [
        {name: json.dumps(value) for name, value in one["Environment"]["Variables"].items()}
        for one in resources(template, "AWS::Lambda::Function").values()
        if one.get("ImageConfig", {}).get("Command", [""])[0]
        in ("lambdas.on_object.handler", "lambdas.plan_inventory.handler")
    ]
    assert len(told) == 4
    for name in ("BACKFILL_CHIP_PX", "BACKFILL_STACK", "BACKFILL_SETTINGS_REVISION", "BACKFILL_BUDGET_TABLE"):
        assert all(name in one for one in told), name
