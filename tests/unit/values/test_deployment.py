from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.errors import SetUpError
from batch_job.settings import Output, PlannerSettings
from batch_job.values.deployment import Deployment

OUTPUTS = {str(output): f"the {output}" for output in Output}
SETTINGS = PlannerSettings(
    bucket="imagery",
    runs_uri="s3://data",
    index_url="https://index",
    plan_queue_url="https://queue",
    job_queue="q",
    job_definition="d",
    include_prefixes="a/,b/",
    stack="Mine",
)

outputs = st.fixed_dictionaries({str(output): st.text(max_size=20) for output in Output})


@given(outputs)
def test_outputs_round_trip(given_outputs: dict[str, str]):
    found = Deployment.from_outputs("Mine", region="us-east-1", outputs=given_outputs)
    assert found.to_outputs() == given_outputs
    assert (found.name, found.region) == ("Mine", "us-east-1")


def test_there_is_one_field_for_each_output():
    assert {at.name for at in fields(Deployment)} == {"name", "region"} | {output.name.lower() for output in Output}


def test_every_missing_output_is_named():
    without = {name: text for name, text in OUTPUTS.items() if name not in ("RunsUri", "JobQueue")}
    with pytest.raises(SetUpError, match=r"stack Mine in us-east-1 has no output RunsUri, JobQueue: .*deploy it again"):
        Deployment.from_outputs("Mine", region="us-east-1", outputs=without)


def test_outputs_of_others_are_passed_over():
    found = Deployment.from_outputs("Mine", region="us-east-1", outputs={**OUTPUTS, "Theirs": "x"})
    assert "Theirs" not in found.to_outputs()


def deployed_with(settings: str) -> Deployment:
    return Deployment.from_outputs("Mine", region="us-east-1", outputs={**OUTPUTS, "Settings": settings})


def test_the_workers_settings_come_from_the_stack_and_not_from_who_asks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKFILL_CHIP_PX", "500")
    told = {name: text for name, text in SETTINGS.to_env().items() if name != "BACKFILL_CHIP_PX"}
    assert deployed_with(orjson.dumps(told).decode()).planner_settings() == SETTINGS


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"BACKFILL_NEVER": "1"}'])
def test_settings_of_another_version_are_told(text: str):
    with pytest.raises(SetUpError, match="settings of stack Mine are not this version's"):
        deployed_with(text).planner_settings()
