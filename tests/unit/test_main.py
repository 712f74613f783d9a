"""The Batch job's command: which task, which shard, which exit code, what SIGTERM does."""

import io
import json
import os
import signal
from functools import partial

import pytest
import structlog

from batch_job import __main__ as job
from batch_job import logs
from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.child import Child
from batch_job.backfill.objects import OneObject
from batch_job.backfill.orders import Orders
from batch_job.backfill.shards import RunFolder
from batch_job.errors import AccessError, UnavailableError
from batch_job.settings import JobSettings
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Indexed, Shard, ShardRange, WorkItem
from batch_job.wiring.tasks import OpenChild, open_object_task, open_shard

SHARDS = ShardRange("run", "f-r", first=5, count=3).to_text()
PLACES = {"RUNS_URI": "s3://runs/all", "ARCHIVE_URI": "s3://archive", "INDEX_URL": "http://127.0.0.1:9"}


class Service:
    """A folder with three shards of one image each, and what happens when one is visited."""

    def __init__(self):
        self.runs, self.visited, self.meanwhile = MemoryRunStore(), [], lambda: None
        self.orders = Orders(self.runs)
        for number in (5, 6, 7):
            item = WorkItem(ImageRef("b", f"{number}.tif"), 1)
            RunFolder(self.runs, "run").write_shard(Shard("run", f"f-r-{number:06d}", (item,)))

    def connect(self, settings: JobSettings, run_id: str) -> Child:
        assert settings.runs_uri == "s3://runs/all"
        folder = RunFolder(self.runs, run_id)
        return Child(folder=folder, visit=self.visit, orders=self.orders, tally=Tally(), lease_s=1)

    def visit(self, image: ImageRef) -> Indexed:
        self.visited.append(image.key)
        self.meanwhile()
        self.orders.check()
        return Indexed(image, 1)

    def main(self, *arguments: str, **environment: str) -> int:
        return main(*arguments, connect=self.connect, **environment)


def main(*arguments: str, connect: OpenChild, **environment: str) -> int:
    return job.main(arguments, environment, {"shards": partial(open_shard, connect=connect)})


@pytest.fixture
def service(monkeypatch):
    for name, value in PLACES.items():
        monkeypatch.setenv(f"BACKFILL_{name}", value)
    before = signal.getsignal(signal.SIGTERM)
    yield Service()
    signal.signal(signal.SIGTERM, before)
    structlog.reset_defaults()


@pytest.mark.parametrize(("index", "key"), [("0", "5.tif"), ("2", "7.tif")])
def test_a_child_of_an_array_works_the_shard_of_its_number(service, index, key):
    assert service.main("shards", SHARDS, AWS_BATCH_JOB_ARRAY_INDEX=index) == 0
    assert service.visited == [key]


def test_a_job_of_its_own_works_the_first_shard(service):
    assert service.main("shards", SHARDS) == 0
    assert service.visited == ["5.tif"]


@pytest.mark.parametrize(
    ("arguments", "index"),
    [(("run",), "0"), (("r/p/x/1",), "0"), ((SHARDS,), "3"), ((SHARDS,), "-1"), ((SHARDS,), "x")],
)
def test_a_shard_that_cannot_be_is_said_and_is_no_matter_of_retries(service, capsys, arguments, index):
    assert service.main("shards", *arguments, AWS_BATCH_JOB_ARRAY_INDEX=index) == 2
    assert service.visited == []
    assert "RUN/PLAN/FIRST/COUNT" in json.loads(capsys.readouterr().err)["error"]


@pytest.mark.parametrize("arguments", [(), ("shards",), (SHARDS,), ("shards", SHARDS, SHARDS), ("shard", SHARDS)])
def test_wrong_usage_is_said_and_is_no_matter_of_retries(service, capsys, arguments):
    assert service.main(*arguments) == 2
    assert service.visited == []
    assert "TASK WHAT, where TASK is one of shards" in json.loads(capsys.readouterr().err)["error"]


def test_every_setting_that_is_missing_is_named(service, monkeypatch, capsys):
    for name in PLACES:
        monkeypatch.delenv(f"BACKFILL_{name}")
    assert service.main("shards", SHARDS) == 78
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["task"], line["what"]) == ("job.not_begun", "shards", SHARDS)
    assert all(f"BACKFILL_{name}: Field required" in line["error"] for name in PLACES)


@pytest.mark.parametrize(("error", "code"), [(AccessError("no"), 78), (UnavailableError("away"), 75)])
def test_what_cannot_be_reached_says_by_its_code_whether_to_retry(service, error, code):
    def connect(_settings, _run_id):
        raise error

    assert main("shards", SHARDS, connect=connect) == code


def test_a_defect_of_ours_before_the_shard_is_no_matter_of_retries(service, capsys):
    def connect(_settings, _run_id):
        raise ZeroDivisionError("oh")

    assert main("shards", SHARDS, connect=connect) == 70
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["what"], line["exit_code"]) == ("job.defect", SHARDS, 70)
    assert "ZeroDivisionError: oh" in line["exception"]


def test_after_sigterm_the_image_is_handed_back_and_the_code_means_retry(service, capsys):
    service.meanwhile = lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert service.main("shards", SHARDS) == 75
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0  # the alarm is off again
    assert '"outcome": "ended"' in capsys.readouterr().err


def test_a_child_that_does_not_hear_sigterm_is_ended_where_it_is(service):
    def deaf():
        os.kill(os.getpid(), signal.SIGTERM)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= job.PATIENCE_S
        os.kill(os.getpid(), signal.SIGALRM)  # its time is up
        pytest.fail("it went on")

    service.meanwhile = deaf
    assert service.main("shards", SHARDS) == 75


def test_time_that_is_up_at_the_last_moment_means_retry_too(service, monkeypatch):
    def late(child, _name):
        child.orders.end_at_once()

    monkeypatch.setattr(Child, "run", late)
    assert service.main("shards", SHARDS) == 75


def test_a_second_sigterm_gives_no_more_time(service):
    def twice():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, 10)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 10

    service.meanwhile = twice
    assert service.main("shards", SHARDS) == 75


def test_sigterm_before_anything_was_begun_means_retry(service):
    def connect(_settings, _run_id):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as end:
        main("shards", SHARDS, connect=connect)
    assert end.value.code == 75


def test_the_settings_of_a_job_come_back_from_its_environment(monkeypatch):
    settings = JobSettings.load(
        runs_uri="s3://r/a", archive_uri="s3://a", index_url="https://i", index_prefix="p", lease_s=9
    )
    for name, value in settings.to_env().items():
        monkeypatch.setenv(name, value)
    assert JobSettings.load() == settings


def test_log_level_is_the_settings(service, monkeypatch):
    monkeypatch.setenv("BACKFILL_LOG_LEVEL", "error")
    configured = []
    monkeypatch.setattr(logs, "configure", lambda level="info": configured.append(level))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=io.StringIO()))
    service.main("shards", SHARDS)
    assert configured == ["info", "error"]


def test_an_object_is_worked_on_by_itself(service):
    item = WorkItem(ImageRef("b", "ä 1.tif"), 5)

    def connect(settings: JobSettings, wanted: WorkItem) -> Child:
        assert wanted == item
        return Child(folder=OneObject(wanted), visit=service.visit, orders=service.orders, tally=Tally(), lease_s=1)

    tasks = {"object": partial(open_object_task, connect=connect)}
    assert job.main(["object", item.to_text()], {}, tasks) == 0
    assert service.visited == ["ä 1.tif"]


def test_an_object_is_given_back_in_the_region_that_the_machine_names(service, monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("BACKFILL_LIVE_QUEUE_URL", "https://queue.example")

    def connect(settings: JobSettings, wanted: WorkItem) -> Child:
        return Child(folder=OneObject(wanted), visit=service.visit, orders=service.orders, tally=Tally(), lease_s=1)

    tasks = {"object": partial(open_object_task, connect=connect)}
    what = WorkItem(ImageRef("b", "k.tif"), 5).to_text()
    assert job.main(["object", what], {"AWS_REGION": "eu-west-3"}, tasks) == 0


@pytest.mark.parametrize("what", ["", "{}", "7", '{"bucket": "b", "key": "k"}', '{"bucket":"b","key":"k","size":-1}'])
def test_what_is_no_object_is_wrong_usage(service, what):
    assert job.main(["object", what], {}, {"object": open_object_task}) == job.WRONG_USAGE
