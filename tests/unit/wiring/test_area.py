"""Planner and workers of a deployment go by one area of interest: what its file says when they start."""

from pathlib import Path

import pytest

from batch_job.settings import JobSettings, PlannerSettings
from batch_job.wiring.deployed import open_services
from batch_job.wiring.planner import open_planner
from tests.unit.wiring.test_planner import SETTINGS

HERE = '{"type": "Polygon", "coordinates": [[[9, 53], [10, 53], [10, 54], [9, 53]]]}'
ELSEWHERE = HERE.replace(", 53]", ", 43]").replace(", 54]", ", 44]")
WORKERS = {
    "index_url": "http://127.0.0.1:9",
    "runs_uri": "s3://data",
    "archive_uri": "s3://data",
    "detector": "http@http://127.0.0.1:9",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def planners(area: str) -> str:
    planner = open_planner(PlannerSettings.load(**SETTINGS, area_of_interest=area))
    for adapter in (planner.open_stream, planner.messages, planner.jobs, planner.ledger):
        adapter._client.close()
    return planner.rules.index_fingerprint


def test_they_take_the_same_images_for_done_until_the_file_says_something_else(tmp_path: Path):
    path, seen = tmp_path / "area.geojson", []
    for body, south in ((HERE, 53), (ELSEWHERE, 43)):
        path.write_text(body, encoding="utf-8")
        services = open_services(JobSettings.load(**WORKERS, area_of_interest=str(path)), run_id="r")
        services.buckets.client.close()
        assert services.stages.area is not None
        assert services.stages.area.for_key("any.tif")[0].bounds[1] == south
        assert services.settings.index_fingerprint == planners(str(path))
        seen.append(services.settings.index_fingerprint)
    assert len({*seen, planners("")}) == 3
