"""Planning as a Batch job: its exit codes say what helps."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from batch_job.backfill.jobs import JobTask
from batch_job.backfill.messages import PlanFile
from batch_job.backfill.orders import PAUSE_KEY, EndAtOnce, Orders
from batch_job.backfill.plan_job import PlanJob
from batch_job.backfill.shards import RunFolder
from batch_job.errors import AccessError, ConflictError, InventoryError, UnavailableError
from tests.unit.backfill.planning import World, keys, triples


@pytest.fixture
def world() -> World:
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    return world


def job_of(world: World, owner: str = "job", **other: object) -> PlanJob:
    orders = Orders(world.runs)
    planner = replace(world.planner(owner), is_ending=lambda: orders.ending)
    return PlanJob(replace(planner, **other), world.sent()[0], orders)


def refusing(error: BaseException):
    def open_stream(**_: str):
        raise error

    return open_stream


def test_a_csv_is_planned(world: World):
    assert job_of(world).run() == 0
    assert keys(world.submitted()) == ["1.tif"]
    assert len(world.asked(JobTask.SWEEP)) == 1


def test_a_pause_does_not_hold_planning_back(world: World):
    world.runs.put(PAUSE_KEY, b"{}")
    assert job_of(world).run() == 0
    assert world.jobs.jobs == {}
    record = RunFolder(world.runs, world.sent()[0].run_id).record(world.sent()[0].file_id)
    assert record is not None
    assert record.plan is not None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnavailableError("away"), 75),
        (InventoryError("ORC"), 65),
        (AccessError("denied"), 78),
        (ConflictError("busy"), 0),
        (EndAtOnce("late"), 75),
        (ZeroDivisionError("oh"), 70),
    ],
)
def test_the_exit_code_says_what_helps_and_the_file_is_free(world: World, error: BaseException, code: int):
    with capture_logs() as logs:
        assert job_of(world, open_stream=refusing(error)).run() == code
    assert [line["event"] for line in logs if line["event"] in ("plan.left", "plan.defect")]
    assert job_of(world, "the next").run() == 0
    assert keys(world.submitted()) == ["1.tif"]


def test_after_sigterm_the_file_is_free_and_the_code_means_retry(world: World):
    job = job_of(world)
    job.orders.end()
    assert job.run() == 75
    assert world.jobs.jobs == {}
    assert job_of(world, "the next").run() == 0
    assert keys(world.submitted()) == ["1.tif"]


def test_a_job_beside_another_planner_has_nothing_to_do(world: World):
    message = world.sent()[0]
    RunFolder(world.runs, message.run_id).claim(message.file_id, owner="other", now_ms=world.clock.now_ms())
    assert job_of(world).run() == 0
    assert world.jobs.jobs == {}


def test_a_second_attempt_takes_over_what_the_first_one_had(world: World):
    message = world.sent()[0]
    RunFolder(world.runs, message.run_id).claim(message.file_id, owner="job", now_ms=world.clock.now_ms())
    assert job_of(world, "job").run() == 0
    assert keys(world.submitted()) == ["1.tif"]


def test_a_job_of_no_run_is_no_matter_of_retries(world: World):
    job = job_of(world)
    assert PlanJob(job.planner, PlanFile("none", "none"), job.orders).run() == 65
