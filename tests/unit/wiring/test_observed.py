"""What every door says of itself: whose figures they are, and the fixed keys of its lines."""

import io
import json
from types import SimpleNamespace

import pytest
import structlog

from batch_job import logs
from batch_job.backfill.orders import Orders
from batch_job.metrics import Metrics
from batch_job.settings import JobSettings, LiveSettings, PlannerSettings
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Indexed, WorkItem
from batch_job.wiring.doors import logged
from batch_job.wiring.job import open_object_child
from batch_job.wiring.live import open_live
from batch_job.wiring.planner import open_planner
from lambdas.on_object import Invocation

IMAGE = ImageRef("imagery", "a.tif")
FIXED = {"run_id", "shard", "image", "chips", "labels", "duration_ms", "outcome", "reason", "error"}
NOBODY = "http://127.0.0.1:9"
COMMON = {
    "index_url": NOBODY,
    "runs_uri": "s3://data",
    "detector": f"http@{NOBODY}",
    "stack": "Survey",
}
ARCHIVE = {"archive_uri": "s3://data"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)


def whose(metrics: Metrics) -> tuple[str, str]:
    return metrics.stack, metrics.lane


@pytest.mark.parametrize("lane", ["backfill", "live"])
def test_a_jobs_figures_are_its_stacks_and_lanes(lane):
    settings = JobSettings.load(**COMMON, **ARCHIVE, lane=lane)
    assert whose(open_object_child(settings, WorkItem(IMAGE, 1)).metrics) == ("Survey", lane)


def test_the_planners_figures_are_the_backfills():
    settings = PlannerSettings.load(
        **COMMON, bucket="imagery", plan_queue_url=NOBODY, job_queue="q", job_definition="d"
    )
    assert whose(open_planner(settings).metrics) == ("Survey", "backfill")


def test_the_live_doors_figures_are_the_live_lanes():
    settings = LiveSettings.load(**COMMON, **ARCHIVE, bucket="imagery", live_job_queue="q", live_job_definition="d")
    assert whose(open_live(settings).door(time_s=60).visit.keywords["metrics"]) == ("Survey", "live")


@pytest.fixture
def lines():
    file = io.StringIO()
    logs.configure(file=file)
    yield lambda: [json.loads(line) for line in file.getvalue().splitlines()]
    structlog.reset_defaults()


def visit(_body=None):
    logged(lambda image: Indexed(image, 2), IMAGE, tally=Tally())


def test_the_line_of_an_image_has_every_key_at_a_door_that_binds_none(lines):
    visit()
    [line] = lines()
    assert line.keys() == FIXED | {"event", "level", "timestamp"}
    assert (line["run_id"], line["shard"]) == (None, None)


def test_a_live_image_is_of_the_run_live(lines):
    door = SimpleNamespace(take=visit, orders=Orders(None, now=lambda: 0.0))
    live = SimpleNamespace(door=lambda **_time: door)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 600_000)
    Invocation(lambda: live, context).take("{}")
    visit()
    assert [line["run_id"] for line in lines()] == ["live", None]
