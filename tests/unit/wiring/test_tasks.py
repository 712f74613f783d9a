"""What a Batch job is asked for, and what it is connected to."""

from functools import partial

import pytest

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.jobs import JobTask, job_parameters
from batch_job.backfill.orders import Orders
from batch_job.backfill.shards import RunFolder
from batch_job.backfill.sweep import Sweep
from batch_job.errors import SettingsError
from batch_job.settings import JobSettings, PlannerSettings
from batch_job.tally import Tally
from batch_job.wiring.tasks import JOB_ID, TASKS, WrongUsageError, open_plan_task, open_sweep_task
from tests.unit.backfill.planning import World, keys, triples
from tests.unit.ledger.fakes import World as Ledgers

PLACES = {
    "BUCKET": "imagery",
    "RUNS_URI": "s3://runs",
    "ARCHIVE_URI": "s3://archive",
    "INDEX_URL": "http://127.0.0.1:9",
    "PLAN_QUEUE_URL": "http://127.0.0.1:9/plan",
    "JOB_QUEUE": "backfill",
    "JOB_DEFINITION": "child",
}


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLACES.items():
        monkeypatch.setenv(f"BACKFILL_{name}", value)


@pytest.mark.parametrize(
    ("task", "what"), [("sweep", ""), ("sweep", "run/file"), ("plan", "run"), ("plan", "a/b/c"), ("shards", "run")]
)
def test_what_cannot_be_read_is_wrong_usage(places, task: str, what: str):
    with pytest.raises(WrongUsageError, match=f"^{task} "):
        TASKS[task](what, {})


@pytest.mark.parametrize(("task", "what"), [("sweep", "run"), ("plan", "run/file"), ("shards", "run/p/0/1")])
def test_without_settings_no_task_begins(task: str, what: str):
    with pytest.raises(SettingsError):
        TASKS[task](what, {})


def test_every_task_that_is_submitted_is_known():
    assert {JobTask.SHARDS, JobTask.SWEEP, JobTask.PLAN} <= set(TASKS)
    assert job_parameters(JobTask.SWEEP, "run") == {"task": "sweep", "what": "run"}


def test_a_plan_task_plans_under_the_jobs_id(places):
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))

    def connect(settings: PlannerSettings):
        assert settings.plan_queue_url == PLACES["PLAN_QUEUE_URL"]
        return world.planner("a process")

    (message,) = world.sent()
    task = open_plan_task(message.to_text(), {JOB_ID: "job-1"}, connect)
    assert task.run() == 0
    assert keys(world.submitted()) == ["1.tif"]
    record = RunFolder(world.runs, message.run_id).record(message.file_id)
    assert record is not None
    assert record.owner == "job-1"


def test_a_plan_task_hears_its_orders(places):
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    task = open_plan_task(world.sent()[0].to_text(), {}, lambda _settings: world.planner())
    task.orders.end()
    assert task.run() == 75


def test_a_sweep_task_sweeps_its_run(places):
    ledgers, runs = Ledgers(), MemoryRunStore()

    def connect(settings: JobSettings, run_id: str) -> Sweep:
        assert settings.archive_uri == PLACES["ARCHIVE_URI"]
        return Sweep(
            folder=RunFolder(runs, run_id),
            reconciler=ledgers.reconciler(),
            visit=partial(pytest.fail, "visited"),
            tell=pytest.fail,
            orders=Orders(runs),
            tally=Tally(),
        )

    task = open_sweep_task("run", {}, connect)
    assert task.orders is task.sweep.orders
    assert task.run() == 78  # there is no such run
