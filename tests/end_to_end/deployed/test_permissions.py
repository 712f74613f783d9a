"""Least privilege, where the emulator enforces it: the flow uses all that is granted; each right that goes is missed.

What the emulator does not ask for (``UNSEEN``) the tests of the template promise: ``tests/unit/infra/test_grants.py``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from batch_job.adapters.event_sources import EventSource
from batch_job.backfill.planner import LARGE_BYTES
from batch_job.cli import resume
from batch_job.errors import AccessError
from batch_job.values.image import ImageRef
from batch_job.values.work import WorkItem
from infra.parts.search import READING, WRITING
from local import inventory
from tests.end_to_end.deployed.assembly import Assembly
from tests.end_to_end.deployed.rights import Call, Rights, unused
from tests.end_to_end.deployed.site import Site, site
from tests.end_to_end.deployed.stack import BUCKET, Stack

pytestmark = pytest.mark.server

LARGE = {"width": 800, "height": 600}
"""A picture of more than ``MAX_LIVE_BYTES``."""
MAX_LIVE_BYTES = 1_000_000
ENFORCED = {"AUTH": "true", "EMULATOR_NOTE_ALLOWED": "true"}

UNSEEN = {
    ("planner live inventory-set-up search-set-up", "logs:CreateLogStream logs:PutLogEvents", "*"): "Lambda's own",
    ("planner live", "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes", "*"): "Lambda's own",
    ("backfill-job live live-job", "rekognition:DetectLabels", "*"): "a stand-in answers, who asks nobody",
    ("*", " ".join(WRITING), "*"): "the index answers, which asks nobody here",
    ("search-set-up", "es:ESHttpHead es:ESHttpPatch", "*"): "the index answers, which asks nobody here",
    ("*", "batch:SubmitJob", "*:job-definition/*:[*]"): "which revision a name means, AWS alone asks",
    ("planner", "lambda:ListEventSourceMappings lambda:UpdateEventSourceMapping", "*"): "a refused planner's: below",
    ("backfill-job", "s3:ListBucket", "*:imagerybackfill-storagereports*"): "a report that is gone: 404, and not 403",
}
"""Grants that the flow does not show to be used, and why: roles, actions and resources."""


@pytest.fixture(scope="module")
def guarded(
    here: Site,
    assembly: Assembly,
    tmp_path_factory: pytest.TempPathFactory,
    opensearch_url: str,
    rekognition_url: str,
    index_client: OpenSearch,
) -> Iterator[Site]:
    """An emulator that enforces permissions; the other one's stack does without its index meanwhile."""
    here.forget()
    urls = {"opensearch_url": opensearch_url, "rekognition_url": rekognition_url}
    changed = replace(assembly, variables={**assembly.variables, "BACKFILL_MAX_LIVE_BYTES": str(MAX_LIVE_BYTES)})
    folder = tmp_path_factory.mktemp("guarded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resume, "SEEN_S", 0.0)  # the tests wait for doors themselves
        with site(folder, changed, index=index_client, **urls, variables=ENFORCED) as made:
            yield made


@pytest.fixture
def stack(guarded: Site, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack, at rest; made anew after a test that failed."""
    failed = request.session.testsfailed
    yield guarded.stack()
    guarded.heal()
    if request.session.testsfailed > failed:
        guarded.forget()


# -- the flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What came of a night, a day and what operators do."""

    granted: list[Call]
    used: list[Call]
    denied: list[Call]
    only_read: set[str]
    """Methods of requests to the index while the planner and operators alone asked."""
    methods: set[str]
    """... of all."""


@pytest.fixture(scope="module")
def flow(guarded: Site, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    stack = guarded.stack()
    rights = Rights(stack)
    began = len(guarded.index_proxy.seen())
    _night(stack)
    _day(stack)
    only_read = _night_after_a_pause(stack)
    _pause_of_everything(stack)
    only_read |= _looking(stack, tmp_path_factory.mktemp("shown") / "a.png")
    _retry(stack)
    _poison(stack, rights)
    stack.assert_in_line()
    return Flow(
        granted=rights.granted(),
        used=rights.used(),
        denied=rights.denied(),
        only_read=only_read,
        methods={request.method for request in guarded.index_proxy.seen()[began:]},
    )


def _night(stack: Stack) -> None:
    """An inventory, one CSV of which is said to be so large that a job plans it."""
    with stack.before_it_stood():
        stack.put("flow/a.tif", 40)
        stack.put("flow/gone.tif", 100)
        stack.write("flow/broken.tif", b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        write = inventory.write_manifest
        patch.setattr(inventory, "write_manifest", lambda head, files: write(head, _one_large(files)))
        delivery = stack.deliver(data_files=2)
    stack.night_passed(delivery)
    stack.assert_in_line()


def _one_large(files: Any) -> list[Any]:
    first, *others = files
    return [replace(first, size=LARGE_BYTES + 1), *others]


def _day(stack: Stack) -> None:
    stack.put("flow/a.tif", 240)
    stack.delete("flow/gone.tif")
    stack.put("flow/large.tif", 40, 300, **LARGE)
    stack.until(lambda: stack.lefts("flow/large.tif") == (40, 300), "a job has done the large image")
    stack.settled()
    stack.assert_in_line()


def _night_after_a_pause(stack: Stack) -> set[str]:
    """Plan while nothing is submitted, lose an image, go on; gives the methods of requests until then."""
    began = len(stack.site.index_proxy.seen())
    _done(stack, "pause")
    with stack.before_it_stood():
        stack.put("flow/late.tif", 40)
        stack.put("flow/lost.tif", 40)
    run_id = _done(stack, "start").strip()
    stack.until(lambda: _is_planned(stack, run_id), "the plan")
    methods = {request.method for request in stack.site.index_proxy.seen()[began:]}
    with stack.before_it_stood():
        stack.delete("flow/lost.tif")
    _done(stack, "resume")
    _done(stack, "resume")  # finds what the first submitted
    stack.until(lambda: _is_finished(stack), "the run")
    stack.settled()
    stack.assert_in_line()
    return methods


def _is_finished(stack: Stack) -> bool:
    run = stack.status()["run"]
    return run is None or run["finished"]


def _is_planned(stack: Stack, run_id: str) -> bool:
    run = stack.status()["run"]
    return run is not None and run["run_id"] == run_id and run["csv_files"]["planned"] == run["csv_files"]["total"]


def _pause_of_everything(stack: Stack) -> None:
    """An event and a live job meet the pause; both doors are shut when it ends."""
    _done(stack, "pause", "--all")
    _submit_live(stack, "flow/large.tif")
    _submit_live(stack, "flow/never.tif")
    stack.put("flow/c.tif", 100)
    _shuts_itself(stack, "LiveQueueUrl")
    _door(stack, "PlanQueueUrl").shut()
    stack.until(lambda: not stack.status()["jobs"]["live"]["running"], "live jobs hand back")
    _done(stack, "resume")
    _submit_live(stack, "flow/never.tif")
    stack.settled()


def _submit_live(stack: Stack, key: str) -> None:
    """Do what the live Lambda does with a large image."""
    outputs = stack.outputs
    stack.site.client("batch").submit_job(
        jobName="large",
        jobQueue=outputs["LiveJobQueue"],
        jobDefinition=outputs["LiveJobDefinition"],
        parameters={"task": "object", "what": WorkItem(ImageRef(BUCKET, key), size=MAX_LIVE_BYTES + 1).to_text()},
    )


def _door(stack: Stack, queue: str) -> EventSource:
    asked = {"QueueUrl": stack.outputs[queue], "AttributeNames": ["QueueArn"]}
    arn = stack.site.client("sqs").get_queue_attributes(**asked)["Attributes"]["QueueArn"]
    return EventSource(stack.site.client("lambda"), queue_arn=arn)


def _shuts_itself(stack: Stack, queue: str) -> None:
    door = _door(stack, queue)
    stack.until(lambda: not door.is_open, "the door shuts")


def _looking(stack: Stack, picture: Path) -> set[str]:
    """Ask what operators ask; gives the methods of requests."""
    began = len(stack.site.index_proxy.seen())
    _done(stack, "search", "car")
    _done(stack, "show", f"s3://{BUCKET}/flow/a.tif", "--out", str(picture))
    _done(stack, "failures", "list")
    return {request.method for request in stack.site.index_proxy.seen()[began:]}


def _retry(stack: Stack) -> None:
    _done(stack, "failures", "retry", "--yes")
    stack.settled()
    stack.delete("flow/broken.tif")
    stack.settled()


def _poison(stack: Stack, rights: Rights) -> None:
    """A message that nobody can read, and a report that is gone."""
    stack.send("PlanQueueUrl", "poison")
    stack.until(lambda: "dead_letters" in stack.concerns(), "a dead letter")
    stack.purge("PlanDeadLettersUrl")
    about = {
        "bucket": {"name": stack.outputs["ReportsBucket"]},
        "object": {"key": "inventories/gone/manifest.checksum"},
    }
    stack.send("PlanQueueUrl", json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": about}))
    asked = f"arn:aws:s3:::{stack.outputs['ReportsBucket']}"
    stack.until(lambda: Call("planner", "s3:ListBucket", asked) in rights.used(), "the missing report is asked for")
    stack.purge("PlanQueueUrl")
    stack.settled()


def _done(stack: Stack, name: str, *options: str) -> str:
    done = stack.command(name, *options)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_the_flow_passes_with_every_right_granted_and_none_missing(flow: Flow):
    assert flow.denied == []


def test_every_right_is_used_in_the_flow_or_has_its_reason(flow: Flow):
    assert [
        right for right in unused(flow.granted, flow.used) if not any(_is_about(one, right) for one in UNSEEN)
    ] == []


def test_no_reason_outlives_its_right(flow: Flow):
    left = unused(flow.granted, flow.used)
    assert [one for one in UNSEEN if not any(_is_about(one, right) for right in left)] == []


def _is_about(reason: tuple[str, str, str], right: Call) -> bool:
    roles, actions, resource = reason
    is_named = right.action in actions.split() and (roles == "*" or right.role in roles.split())
    return is_named and fnmatchcase(right.resource, resource)


def test_requests_to_the_index_are_those_that_are_granted(flow: Flow):
    assert flow.methods == _methods(WRITING)
    assert flow.only_read == _methods(READING)


def _methods(actions: tuple[str, ...]) -> set[str]:
    return {action.removeprefix("es:ESHttp").upper() for action in actions}


# -- what is taken away


def _met(stack: Stack, rights: Rights, role: str, action: str) -> dict[str, Any]:
    """Assert that nothing but this was refused, and that nothing is lost; gives the status."""
    assert {(call.role, call.action) for call in rights.denied()} == {(role, action)}
    status = stack.status()
    assert not any(sum(status["messages"][queue].values()) for queue in ("plan_dead_letters", "live_dead_letters"))
    return status


def _mended(stack: Stack) -> None:
    """Assert that ``resume`` is all that it takes when the right is back."""
    _done(stack, "resume")
    stack.until(lambda: _is_finished(stack), "the run")
    stack.settled()
    stack.assert_in_line()
    assert "shut" not in stack.concerns()


@pytest.mark.parametrize(
    ("action", "on"),
    [
        ("s3:GetObject", "*-storagereports*"),
        ("s3:PutObject", "*/runs/*"),
        ("sqs:SendMessage", "*"),
        ("batch:SubmitJob", "*:job-queue/*"),
    ],
)
def test_a_planner_without_its_right_shuts_its_door_and_keeps_its_messages(stack: Stack, action: str, on: str):
    rights = Rights(stack)
    with stack.before_it_stood():
        stack.put(f"planner/{action}.tif", 40)
    with rights.without("planner", action, on):
        stack.deliver()
        _shuts_itself(stack, "PlanQueueUrl")
        status = _met(stack, rights, "planner", action)
    assert sum(status["messages"]["plan"].values())
    assert "shut" in {one["what"] for one in status["concerns"]}
    assert action in stack.logs()
    _mended(stack)


@pytest.mark.parametrize(
    ("action", "on"),
    [
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"),
        ("s3:GetObject", "*/control/*"),
        ("s3:PutObject", "*/answers/*"),
        ("dynamodb:UpdateItem", "*"),
    ],
)
def test_a_child_without_its_right_gives_up_at_once_and_its_shard_is_still_to_do(stack: Stack, action: str, on: str):
    rights, before = Rights(stack), stack.job_ids()
    with stack.before_it_stood():
        stack.put(f"child/{action}/{on.count(BUCKET)}.tif", 40)  # another image each time
    with rights.without("backfill-job", action, on):
        _done(stack, "start")
        _gives_up(stack, before)
        status = _met(stack, rights, "backfill-job", action)
    assert status["run"]["shards"] == {"total": 1, "done": 0}
    _mended(stack)


def test_a_child_that_may_not_list_the_imagery_does_not_take_a_refusal_for_an_image_that_is_gone(stack: Stack):
    rights, before = Rights(stack), stack.job_ids()
    _done(stack, "pause")
    with stack.before_it_stood():
        stack.put("child/gone.tif", 40)
    run_id = _done(stack, "start").strip()
    stack.until(lambda: _is_planned(stack, run_id), "the plan")
    with stack.before_it_stood():
        stack.delete("child/gone.tif")
    with rights.without("backfill-job", "s3:ListBucket", f"arn:aws:s3:::{BUCKET}"):
        _done(stack, "resume")
        _gives_up(stack, before)
        _met(stack, rights, "backfill-job", "s3:ListBucket")
    _mended(stack)


def _gives_up(stack: Stack, before: set[str]) -> None:
    """Wait for a new job that ends at once with the code that Batch does not retry, and is said to have failed."""

    def exit_codes() -> list[list[int]]:
        new = list(stack.job_ids() - before)
        jobs = stack.site.client("batch").describe_jobs(jobs=new)["jobs"] if new else []
        return [[one["container"]["exitCode"] for one in job["attempts"]] for job in jobs if job["status"] == "FAILED"]

    stack.until(lambda: [AccessError.exit_code] in exit_codes(), "a job gives up")
    stack.settled()
    assert {"jobs_failed", "no_job"} <= set(stack.concerns())


def test_a_live_function_without_its_right_shuts_its_door_and_keeps_its_messages(stack: Stack):
    rights, action = Rights(stack), "batch:SubmitJob"
    with rights.without("live", action, "*:job-queue/*"):
        stack.put("live/large.tif", 40, **LARGE)
        _shuts_itself(stack, "LiveQueueUrl")
        status = _met(stack, rights, "live", action)
    assert sum(status["messages"]["live"].values()) == 1
    assert "shut" in {one["what"] for one in status["concerns"]}
    assert action in stack.logs()
    assert stack.entry("live/large.tif") is None
    _mended(stack)


def test_a_live_function_that_may_not_shut_its_door_says_so_and_keeps_its_messages(stack: Stack):
    rights, action = Rights(stack), "lambda:UpdateEventSourceMapping"
    with rights.without("live", action):
        _done(stack, "pause", "--all")
        stack.put("live/paused.tif", 40)
        stack.until(lambda: "queue.not_shut" in stack.logs(), "it cannot shut its door")
        status = _met(stack, rights, "live", action)
    assert sum(status["messages"]["live"].values()) == 1
    _mended(stack)


def test_an_operator_who_may_not_end_a_pause_is_told_which_right_is_missing(stack: Stack):
    rights, action = Rights(stack), "s3:DeleteObject"
    _done(stack, "pause")
    with rights.without("operator", action, "*/control/*"):
        refused = stack.command("resume")
        _met(stack, rights, "operator", action)
    assert refused.exit_code == AccessError.exit_code
    assert action in refused.stderr
    assert stack.concerns()[0] == "paused"
    _mended(stack)


def test_an_operator_who_may_not_see_queues_is_told_what_is_not_known(stack: Stack):
    rights, action = Rights(stack), "sqs:GetQueueAttributes"
    with rights.without("operator", action):
        shown = stack.command("status")
    assert {(call.role, call.action) for call in rights.denied()} == {("operator", action)}
    assert action in shown.stdout
    assert "unknown" not in stack.concerns()
