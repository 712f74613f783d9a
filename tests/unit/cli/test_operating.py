"""start, pause, resume and failures retry, over a deployment in memory."""

from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from batch_job.backfill.inventory import parse_manifest
from batch_job.backfill.orders import PAUSE_KEY
from batch_job.backfill.shards import RunFolder, activate
from batch_job.cli import resume as resume_module
from batch_job.cli.commands import commands
from batch_job.errors import AccessError, BackfillError, ErrorCode, SetUpError
from batch_job.values.image import ImageRef
from batch_job.values.inventory import Manifest, Request, Scope
from batch_job.values.ledger import State
from batch_job.values.queues import JobCounts, Jobs, JobState, Messages
from batch_job.values.work import Redo
from batch_job.wiring.memory_operator import BUCKET, memory_operator
from batch_job.wiring.operator import Operator
from tests.unit.ledger.entries import INDEXED


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    made = memory_operator()
    monkeypatch.setattr("batch_job.cli.stack.open_operator", lambda *_args, **_facts: made)
    monkeypatch.setattr(resume_module.time, "sleep", lambda _s: None)
    for key in ("a.tif", "b/c.tif", "b/notes.txt"):
        made.objects.put(ImageRef(BUCKET, key), b"xyz")
    return made


def call(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(commands, ["--stack", "Mine", *arguments], input=answer)


def announced(operator: Operator) -> list[Manifest]:
    bodies = operator.reports.objects
    return [
        parse_manifest(body, checksum=bodies[key.removesuffix("json") + "checksum"])
        for key, body in sorted(bodies.items())
        if key.endswith("manifest.json")
    ]


def test_start_lists_the_bucket_and_names_the_run(operator: Operator) -> None:
    done = call("start")
    [manifest] = announced(operator)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{manifest.run_id}\n"
    assert manifest.request == Request(scope=Scope.BUCKET)
    assert "3 objects listed, 2 of them images" in done.stderr
    assert "imagery-backfill --stack Mine status --watch" in done.stderr


def test_a_prefix_makes_a_run_of_its_own(operator: Operator) -> None:
    assert call("start", "--prefix", "b/").exit_code == 0
    assert announced(operator)[0].request == Request(scope=Scope.PART)


def test_a_misspelt_prefix_is_refused(operator: Operator) -> None:
    done = call("start", "--prefix", "B/")
    assert done.exit_code == 2
    assert "is the prefix right?" in done.stderr
    assert announced(operator) == []


def test_start_says_that_all_stands_still(operator: Operator) -> None:
    call("pause")
    assert "imagery-backfill --stack Mine resume" in call("start").stderr


def test_an_empty_bucket_is_told(operator: Operator) -> None:
    for key in ("a.tif", "b/c.tif", "b/notes.txt"):
        operator.objects.delete(ImageRef(BUCKET, key))
    assert "the bucket is empty" in call("start").stderr


def unfinished(operator: Operator) -> Manifest:
    call("start")
    [manifest] = announced(operator)
    RunFolder(operator.runs, manifest.run_id).write_manifest(manifest)
    activate(operator.runs, manifest.run_id, bucket=BUCKET)
    operator.reports.objects.clear()
    return manifest


def test_a_run_that_is_not_finished_is_superseded_only_on_purpose(operator: Operator) -> None:
    manifest = unfinished(operator)
    done = call("start")
    assert done.exit_code == 2
    assert f"run {manifest.run_id} is not finished: 0 of 1 CSVs planned" in done.stderr
    assert announced(operator) == []
    assert call("start", "--prefix", "b/").exit_code == 0
    assert call("start", "--supersede").exit_code == 0
    assert len(announced(operator)) == 2


def test_redo_says_its_price_and_asks(operator: Operator) -> None:
    done = call("start", "--redo")
    assert done.exit_code == 2
    assert "2 images are asked for again: by their bytes up to about 2 calls, about $0.00" in done.stderr
    assert "--yes" in done.stderr
    assert announced(operator) == []
    agreed = call("start", "--redo", "--yes")
    assert agreed.exit_code == 0
    assert announced(operator)[0].request == Request(scope=Scope.BUCKET, redo=Redo.DETECTION)


@pytest.mark.parametrize(("answer", "runs"), [("y\n", 1), ("n\n", 0)])
def test_a_person_is_asked_whether_to_go_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, answer: str, runs: int
) -> None:
    monkeypatch.setattr("batch_job.cli.start.is_somebody_there", lambda: True)
    call("start", "--redo", answer=answer)
    assert len(announced(operator)) == runs


def test_pause_is_told_and_may_be_repeated(operator: Operator) -> None:
    busy = JobCounts(by_state={JobState.RUNNING: 3, JobState.RUNNABLE: 7}, oldest_ms=1)
    operator.job_lists[Jobs.BACKFILL].given = busy
    first, second = call("pause"), call("pause")
    assert "paused: the backfill" in first.output
    assert "3 jobs run" in first.output
    assert "7 jobs wait" in first.output
    assert "paused already: the backfill" in second.output
    assert operator.runs.get(PAUSE_KEY) == b'{"live":false}'


def test_a_pause_before_any_work_says_so(operator: Operator) -> None:
    assert "no job runs or waits" in call("pause").output


def test_pause_all_holds_live_events_and_a_plain_pause_does_not_let_them_on(operator: Operator) -> None:
    assert "the backfill and live events" in call("pause", "--all").output
    assert "stay held back" in call("pause").output
    assert operator.runs.get(PAUSE_KEY) == b'{"live":true}'


def test_resume_without_a_pause_is_no_error(operator: Operator) -> None:
    done = call("resume")
    assert (done.exit_code, done.output) == (0, "nothing was paused\nnothing that was planned is left\n")


def test_a_run_that_lacks_nothing_is_not_told_of(operator: Operator) -> None:
    manifest = unfinished(operator)  # no CSV of it is planned: that is the planner's to do
    done = call("resume")
    assert "nothing that was planned is left" in done.output
    assert manifest.run_id not in done.output


def test_resume_ends_the_pause_and_opens_what_it_shut(operator: Operator) -> None:
    call("pause", "--all")
    operator.doors[Messages.LIVE].is_open = False
    done = call("resume")
    assert "let on: the backfill and live events" in done.output
    assert "messages of the live queue come again" in done.output
    assert operator.runs.get(PAUSE_KEY) is None
    assert operator.doors[Messages.LIVE].is_open


def fail(operator: Operator, key: str, code: ErrorCode) -> None:
    entry = replace(INDEXED, image=ImageRef(BUCKET, key), state=State.FAILED, live=None, error_code=code)
    operator.failures.ledger.put(entry, over=None)


@pytest.fixture
def failing(operator: Operator) -> Operator:
    fail(operator, "b/broken.tif", ErrorCode.UNREADABLE)
    fail(operator, "hooked.tif", ErrorCode.BAD_HOOK)
    fail(operator, "frozen.tif", ErrorCode.ARCHIVED)
    operator.failures.ledger.put(replace(INDEXED, image=ImageRef(BUCKET, "good.tif")), over=None)
    return operator


def retried(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(commands, ["--stack", "Mine", "failures", "retry", *arguments], input=answer)


@pytest.mark.parametrize(
    ("arguments", "objects"),
    [((), 2), (("--code", "bad_hook"), 1), (("--prefix", "b/"), 1), (("--code", "archived"), 1)],
)
def test_what_failed_is_asked_again_and_nothing_else(
    failing: Operator, arguments: tuple[str, ...], objects: int
) -> None:
    done = retried(*arguments, "--yes")
    assert done.exit_code == 0, done.output
    assert f"{objects} objects listed" in done.stderr
    [manifest] = announced(failing)
    assert manifest.request == Request(scope=Scope.PART, redo=Redo.FAILED)


def test_retry_says_its_price_and_asks(failing: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    done = retried()
    assert done.exit_code == 2
    assert "2 images are asked for again: by their bytes up to about 2 calls, about $0.00" in done.stderr
    assert "--yes" in done.stderr
    monkeypatch.setattr("batch_job.cli.start.is_somebody_there", lambda: True)
    assert retried(answer="n\n").exit_code == 1
    assert announced(failing) == []
    assert retried(answer="y\n").exit_code == 0
    assert len(announced(failing)) == 1


def test_without_failures_nothing_is_started(operator: Operator) -> None:
    done = retried()
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing failed so" in done.stderr
    assert announced(operator) == []


@pytest.mark.parametrize("command", ["start", "pause", "resume"])
@pytest.mark.parametrize("error", [SetUpError("no stack"), AccessError("denied")])
def test_a_stack_that_cannot_be_reached_is_told(
    monkeypatch: pytest.MonkeyPatch, command: str, error: BackfillError
) -> None:
    def refuse(*_args: object, **_facts: object) -> Operator:
        raise error

    monkeypatch.setattr("batch_job.cli.stack.open_operator", refuse)
    assert call(command).exception is error


@pytest.mark.parametrize("command", ["start", "pause", "resume"])
def test_a_stack_must_be_named(command: str) -> None:
    done = CliRunner(env={"BACKFILL_STACK": ""}).invoke(commands, [command])
    assert done.exit_code == 2
    assert "which stack?" in done.stderr
