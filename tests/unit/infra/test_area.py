"""An area of interest in a deployment: checked before anything is made, put where workers read it, and only they."""

import json
from pathlib import Path

import pytest

from batch_job.settings import DeploySettings
from batch_job.settings.area import area_digest
from infra.environments import revision
from tests.unit.infra.conftest import context
from tests.unit.infra.reading import allowed, function_of, job_of
from tests.unit.infra.test_app import run_app
from tests.unit.infra.test_grants import ROLES

BODY = json.dumps({"type": "Polygon", "coordinates": [[[9, 53], [10, 53], [10, 54], [9, 54], [9, 53]]]})
OBJECT = "s3://my-plans/areas/harbour.geojson"
READERS = ("backfill-job", "live-job", "planner", "live")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    # the same path for all workers of a test run: the template is made once
    path = Path(tmp_path_factory.getbasetemp()) / "area.geojson"
    path.write_text(BODY, encoding="utf-8")
    return str(path)


def environments(template) -> list[dict[str, str]]:
    functions = [
        function_of(template, f"lambdas.{name}.handler")[1]["Environment"]["Variables"]
        for name in ("plan_inventory", "on_object")
    ]
    jobs = (job_of(template, f"ImageryBackfill-{lane}")["ContainerProperties"] for lane in ("backfill", "live"))
    return functions + [{one["Name"]: one["Value"] for one in job["Environment"]} for job in jobs]


def who_may_read(template, ending: str) -> set[str]:
    return {
        name
        for name, find in ROLES.items()
        for action, resource in allowed(template, find(template))
        if action == "s3:GetObject" and resource.endswith(ending)
    }


def test_without_an_area_nobody_hears_of_one(template_json):
    template = template_json()
    assert all("BACKFILL_AREA_OF_INTEREST" not in variables for variables in environments(template))
    assert "Area" not in " ".join(template["Resources"])


def test_a_file_is_uploaded_and_all_workers_are_told_where_it_is(template_json, file):
    template = template_json(area_of_interest=file)
    [uri] = {json.dumps(variables["BACKFILL_AREA_OF_INTEREST"]) for variables in environments(template)}
    assert uri.startswith('{"Fn::Sub": "s3://cdk-')
    assert uri.endswith('.geojson"}')
    name = uri.rpartition("/")[2].removesuffix('"}')
    assert who_may_read(template, f"/{name}") == set(READERS)
    assert all("BACKFILL_AREA_DIGEST" not in variables for variables in environments(template))


def test_an_object_of_ones_own_is_read_where_it_stands_and_nothing_beside_it(template_json):
    template = template_json(area_of_interest=OBJECT)
    assert {variables["BACKFILL_AREA_OF_INTEREST"] for variables in environments(template)} == {OBJECT}
    assert who_may_read(template, ":s3:::my-plans/areas/harbour.geojson") == set(READERS)
    [bucket] = {r for find in ROLES.values() for _, r in allowed(template, find(template)) if "my-plans" in r}
    assert bucket.endswith("harbour.geojson")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (BODY.replace("[9, 53]", "[565000, 5934000]"), "ogr2ogr -t_srs EPSG:4326"),
        ("{", "not JSON"),
        (None, "No such file"),
    ],
)
def test_a_bad_file_ends_the_synthesis_with_what_to_do(tmp_path, body, said):
    path, made = tmp_path / "area.geojson", tmp_path / "out"
    made.mkdir()
    if body is not None:
        path.write_text(body, encoding="utf-8")
    ended = run_app(made, area_of_interest=str(path))
    assert (ended.returncode, "Traceback" in ended.stderr) == (78, False)
    assert str(path) in ended.stderr
    assert said in ended.stderr


def test_another_area_is_another_revision_and_none_is_todays():
    settings = DeploySettings.from_context(context())
    revisions = [revision(settings, area_digest=digest) for digest in ("", area_digest(b"1"), area_digest(b"2"))]
    assert len(set(revisions)) == 3
    assert revisions[0] == revision(settings)
