"""Bad days: whatever happens, everything is retried or recorded, nothing is twice in the index, nothing is missing."""

import json
import signal
from collections import Counter
from itertools import count
from threading import Event

import pytest

from batch_job.backfill.messages import PlanFile
from batch_job.backfill.shards import RunFolder
from tests.end_to_end.deployed.stack import BUCKET, WITHIN_S, Stack
from tests.fault_proxy import Answer, Request, Upstream
from tests.unit.lambdas.batches import of_s3

FOREVER = 10**9
THROTTLED = Answer(429, {"x-amzn-errortype": "TooManyRequestsException"}, b'{"message": "Too Many Requests"}')
THROTTLED_BEYOND_PATIENCE = Answer(429, {}, b"{}")
"""Nothing that the SDK would try again by itself: its seven tries take half a minute."""
DENIED = Answer(403, {}, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
JOB, FUNCTION = "AWS_BATCH_JOB_ID", "AWS_LAMBDA_FUNCTION_NAME"
UNREACHED = 75
"""Exit code of a status that does not know all."""


def images(status) -> tuple[int, int, int, int]:
    """Found new or changed, done, failed, left."""
    said = status["run"]["images"]
    return said["new"] + said["changed"], said["done"], said["failed"], said["left"]


def test_a_child_that_is_killed_in_the_middle_of_an_image_is_tried_again_and_the_image_indexed_once(stack: Stack):
    with stack.before_it_stood():
        stack.put("killed/a.tif", 40, 300)
    asked = count()

    def stalls_after_two(request: Request, upstream: Upstream) -> Answer:
        if next(asked) < 2:
            return upstream(request)
        stack.kill(JOB)
        return Answer(500, {}, b"")

    stack.site.detector.change_next(3, stalls_after_two)
    status = stack.night_passed()
    assert images(status) == (1, 1, 0, 0)
    assert status["concerns"] == []
    assert status["failed_images"] == {}
    assert [128 + signal.SIGKILL, 0] in stack.exit_codes()
    stack.assert_in_line()


def test_a_plan_whose_submissions_are_throttled_is_submitted_later_and_once(stack: Stack):
    with stack.before_it_stood():
        for name in "abc":
            stack.put(f"throttled/{name}.tif", 100)
    before = stack.job_ids()
    for answer in (THROTTLED_BEYOND_PATIENCE, THROTTLED):
        stack.site.batch.change_next(3, lambda *_, answer=answer: answer, path_contains="submitjob")
    status = stack.night_passed()
    assert images(status) == (3, 3, 0, 0)
    assert len(_handed_back(stack)) >= 3
    assert status["concerns"] == []
    assert len(stack.job_ids() - before) <= 3 + 1  # of each CSV with new images, and the sweep
    stack.assert_in_line()


def _handed_back(stack: Stack) -> list[Request]:
    """Messages that were given a wait."""
    asked = stack.site.messages.requests
    return [one for one in asked if one.headers["X-Amz-Target"].endswith("ChangeMessageVisibility")]


def test_an_inventory_and_its_csvs_that_are_announced_three_times_at_once_are_worked_on_once(stack: Stack):
    with stack.before_it_stood():
        for name in "abc":
            stack.put(f"thrice/{name}.tif", 100)
    before = stack.job_ids()
    delivered = stack.deliver(data_files=2)
    for _ in range(2):
        stack.send("PlanQueueUrl", of_s3(delivered.bucket, delivered.checksum_key))
    stack.until(lambda: (run := stack.status()["run"]) and run["run_id"].startswith(f"{stack.night:%Y%m%dT%H%M%SZ}"))
    run_id = stack.status()["run"]["run_id"]
    for file in RunFolder(stack.runs, run_id).manifest().files * 2:
        stack.send("PlanQueueUrl", PlanFile(run_id, file.id).to_json())
    status = stack.night_passed(delivered)
    assert images(status) == (3, 3, 0, 0)
    assert status["run"]["shards"] == {"total": 3, "done": 3}
    assert status["concerns"] == []
    assert len(stack.job_ids() - before) <= 2 + 1  # of each CSV with new images, and the sweep
    described = [one.described for key, one in stack.entries().items() if key.startswith("thrice/")]
    assert len(stack.site.detector.requests) == sum(one.chips.sent for one in described if one is not None)
    stack.assert_in_line()


def test_a_planner_that_is_killed_after_half_its_shards_leaves_a_csv_that_the_next_plans_whole(stack: Stack):
    with stack.before_it_stood():
        for name in "abcd":
            stack.put(f"half/{name}.tif", 100)
    shards, dead = count(), Event()

    def dies_at_the_third(request: Request, upstream: Upstream) -> Answer:
        if next(shards) == 2:
            stack.kill(FUNCTION)
            dead.set()
        return upstream(request)

    stack.site.storage.change_next(FOREVER, dies_at_the_third, method="PUT", path_contains="/shards/")
    with stack.hiding_messages_for(2, "PlanQueueUrl"):
        delivered = stack.deliver(data_files=1)
        assert dead.wait(WITHIN_S)
        status = stack.status()
        assert status["run"]["csv_files"] == {"total": 1, "planned": 0}
        assert status["run"]["shards"]["total"] == 0
        _let_claims_run_out(stack, status["run"]["run_id"])
        status = stack.night_passed(delivered)
    assert images(status) == (4, 4, 0, 0)
    assert status["run"]["shards"] == {"total": 4, "done": 4}
    assert status["concerns"] == []
    stack.assert_in_line()


def _let_claims_run_out(stack: Stack, run_id: str) -> None:
    """Sixteen minutes pass."""
    [file] = RunFolder(stack.runs, run_id).manifest().files
    stored = stack.runs.read(f"runs/{run_id}/{file.id}")
    record = json.loads(stored.body)
    assert record["plan"] is None
    stack.runs.put_over(f"runs/{run_id}/{file.id}", json.dumps(record | {"until_ms": 0}).encode(), over=stored.etag)


def test_an_inventory_that_comes_while_the_index_is_away_waits_for_it_and_status_says_what_is_not_known(stack: Stack):
    with stack.before_it_stood():
        for name in "ab":
            stack.put(f"away/{name}.tif", 100)
    index = stack.site.index_proxy
    index.drop_next(FOREVER)
    delivered = stack.deliver()
    stack.until(lambda: index.requests, "somebody asks the index")
    said = stack.command("status", "--json")
    assert said.exit_code == UNREACHED
    assert list(json.loads(said.stdout)["unknown"]) == ["failed_images"]
    assert next(one["what"] for one in json.loads(said.stdout)["concerns"]) == "unknown"
    index.heal()
    status = stack.night_passed(delivered)
    assert images(status) == (2, 2, 0, 0)
    assert status["concerns"] == []
    stack.assert_in_line()


def test_an_event_for_an_object_that_is_gone_leaves_nothing(stack: Stack):
    stack.send("LiveQueueUrl", of_s3(BUCKET, "gone/never.tif"))
    stack.put("gone/soon.tif", 100)
    stack.delete("gone/soon.tif")
    status = stack.settled()
    assert stack.entry("gone/never.tif") is None
    assert {one["what"] for one in status["concerns"]} <= {"overdue"}
    stack.assert_in_line()


def test_of_five_overwrites_in_a_second_the_last_is_what_the_index_says_once(stack: Stack):
    for left in (20, 80, 140, 200, 260):
        stack.put("five/a.tif", left)
    status = stack.settled()
    assert stack.lefts("five/a.tif") == (260,)
    assert status["messages"]["live_dead_letters"] == {"waiting": 0, "in_flight": 0, "delayed": 0}
    stack.assert_in_line()


def test_access_that_is_denied_to_a_prefix_fails_its_shard_and_shuts_the_live_door_until_somebody_resumes(stack: Stack):
    with stack.before_it_stood():
        stack.put("denied/a.tif", 100)
        stack.put("granted/b.tif", 100)
    stack.site.storage.change_next(FOREVER, lambda *_: DENIED, path_contains=f"/{BUCKET}/denied/")
    stack.deliver()
    stack.until(lambda: "no_job" in stack.concerns(), "status says that a shard has no job")
    status = stack.status()
    assert images(status) == (2, 1, 0, 1)
    assert stack.lefts("granted/b.tif") == (100,)
    assert stack.entry("denied/a.tif") is None
    assert {one["what"] for one in status["concerns"]} == {"no_job", "jobs_failed"}
    stack.put("denied/c.tif", 200)
    stack.until(lambda: "shut" in stack.concerns(), "the live door shuts")
    stack.put("granted/d.tif", 300)
    stack.site.storage.heal()
    resumed = stack.command("resume")
    assert resumed.exit_code == 0, resumed.stderr
    status = stack.settled()
    assert images(status) == (2, 2, 0, 0)
    assert status["messages"]["live_dead_letters"]["waiting"] == 0
    assert status["concerns"] == []
    stack.assert_in_line()


@pytest.mark.parametrize("queue", ["Live", "Plan"])
def test_a_poison_message_is_a_dead_letter_soon_and_its_neighbours_are_worked_on(stack: Stack, queue: str):
    stack.send(f"{queue}QueueUrl", "poison")
    stack.put(f"poison/{queue}.tif", 100)
    stack.until(lambda: "dead_letters" in stack.concerns(), "a dead letter")
    status = stack.settled()
    letters = Counter({name: sum(depth.values()) for name, depth in status["messages"].items()})
    assert +letters == {f"{queue.lower()}_dead_letters": 1}
    stack.purge(f"{queue}DeadLettersUrl")
    assert "dead_letters" not in stack.concerns()
    stack.assert_in_line()
