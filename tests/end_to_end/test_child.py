"""A Batch child as a process of its own, over a real S3 endpoint, index and detector."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from batch_job.adapters.dynamodb import ITEM, PARTITION_KEY, calls_field, dynamodb_client
from batch_job.adapters.opensearch import create_indices
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.backfill.orders import PAUSE_KEY
from batch_job.backfill.shards import RunFolder
from batch_job.settings import JobSettings
from batch_job.values.budget import Lane
from batch_job.values.image import ImageRef
from batch_job.values.inventory import Manifest, Request, Scope
from batch_job.values.work import Redo, Shard, ShardDone, ShardRange, WorkItem
from local.emulator import KEY, REGION
from local.rekognition import Behaviour, RekognitionSettings, serving
from tests.end_to_end.files import CAR, good, picture, tiff
from tests.end_to_end.test_interruptions import CARS, SO_MANY, wait_for
from tests.end_to_end.user import Done, World, ended, environment, served

SHARDS = ShardRange("run-1", "f-r", first=3, count=1)
SMALL_CHIPS = {"chip_px": 128, "overlap_px": 32}
LEASE_S = 3


class Child:
    """A shard in a world, and the processes that work on it."""

    def __init__(self, world: World, rekognition: str):
        self.world, self.rekognition = world, rekognition
        self.runs = S3RunStore(world.s3, bucket=world.archive, prefix="runs-of-all")
        self.folder = RunFolder(self.runs, SHARDS.run_id)
        create_indices(world.index, world.names)

    def plan(self, *keys: str) -> None:
        self.asks_for(Redo.NOTHING)
        items = tuple(WorkItem(ImageRef(self.world.bucket, key), 1) for key in keys)
        self.folder.write_shard(Shard(SHARDS.run_id, SHARDS.name(0), items))

    def asks_for(self, redo: Redo) -> None:
        request = Request(scope=Scope.PART, redo=redo)
        manifest = Manifest(
            source_bucket=self.world.bucket,
            destination_bucket="reports",
            created_ms=0,
            columns=("Bucket", "Key"),
            files=(),
            md5="0" * 32,
            request=request,
        )
        self.folder.write_manifest(manifest)

    def start(self, **settings: object) -> "subprocess.Popen[str]":
        world = self.world
        usual = {
            "runs_uri": f"s3://{world.archive}/runs-of-all",
            "archive_uri": f"s3://{world.archive}/paid",
            "index_url": world.index_url,
            "index_prefix": world.prefix,
            "detector": f"rekognition@{self.rekognition}",
            "lease_s": LEASE_S,
        }
        places = JobSettings.load(**(usual | settings))
        return subprocess.Popen(
            [sys.executable, "-m", "batch_job", "shards", SHARDS.to_text()],
            env=environment({"AWS_ENDPOINT_URL": world.s3_endpoint, **places.to_env()}),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, **settings: object) -> Done:
        return ended(self.start(**settings))

    @property
    def done(self) -> ShardDone | None:
        return self.folder.done(SHARDS.name(0))


def lines(done: Done, event: str) -> list[dict]:
    return [line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == event]


@pytest.fixture
def child(world: World) -> Iterator[Child]:
    with serving(RekognitionSettings(behaviour=Behaviour(latency_ms=100))) as url:
        yield Child(world, url)


@pytest.fixture
def large(child: Child) -> Child:
    """Takes about a second."""
    child.world.put("large.tif", tiff(picture(width=1000, height=800, cars=CARS)))
    child.plan("large.tif")
    return child


def test_a_deployments_child_writes_its_figures_to_stdout_alone(child):
    child.world.put("a.tif", good())
    child.world.put("broken.tif", good()[:2000])
    child.plan("broken.tif", "a.tif")
    done = child.run(stack="Survey", exclude_labels="Tree", **SMALL_CHIPS)
    [figures] = map(json.loads, done.stdout.splitlines())
    [shard] = lines(done, "shard.done")
    images = lines(done, "image.done")
    [directive] = figures["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("ImageryBackfill", [["stack", "lane"]])
    assert [figures[name] for name in ("stack", "lane", "Images", "Failures", "Throttles")] == [
        *("Survey", "backfill", 2, 1, 0)
    ]
    assert figures["Calls"] == shard["calls"]["answered"] > 0
    assert figures["Chips"] == shard["chips"]["total"] == sum(line["chips"] for line in images)
    assert figures["Seconds"] == pytest.approx(shard["duration_ms"] / 1000, abs=0.1)
    assert {line["run_id"] for line in (figures, shard, *images)} == {SHARDS.run_id}


def test_a_shard_is_worked_once_and_its_bad_images_fail_alone(child):
    child.world.put("a.tif", good())
    child.world.put("broken.tif", good()[:2000])
    child.plan("broken.tif", "gone.tif", "a.tif")
    done = child.run()
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert [line["outcome"] for line in lines(done, "image.done")] == ["failed", "skipped", "indexed"]
    [line] = lines(done, "shard.done")
    assert len(done.stderr.splitlines()) == 4
    assert (line["run_id"], line["shard"], line["outcome"]) == ("run-1", "f-r-000003", "done")
    assert child.world.cars("a.tif") == [pytest.approx(CAR, abs=1)]
    marker = child.done
    assert marker.images == {"failed": 1, "skipped_absent": 1, "indexed": 1}
    assert marker.errors == {"unreadable": 1}
    assert marker.calls == served(child.rekognition)["answered"] == 1
    assert marker.labels == child.world.documents()
    again = child.run()
    assert (again.exit_code, lines(again, "shard.done")[0]["outcome"]) == (0, "done_before")
    assert served(child.rekognition)["calls"] == 1


def test_after_sigterm_the_image_is_free_and_the_next_attempt_buys_only_the_rest(large):
    process = large.start(**SMALL_CHIPS)
    try:
        wait_for(lambda: served(large.rekognition)["answered"] >= SO_MANY // 4)
    finally:
        process.send_signal(signal.SIGTERM)
        first = ended(process, timeout_s=30)
    assert first.exit_code == 75
    assert lines(first, "shard.done")[0]["outcome"] == "ended"
    assert lines(first, "image.left")[0]["error"] == "HandedBackError"
    assert large.done is None
    assert large.world.entry("large.tif").attempts == 0
    bought = served(large.rekognition)["answered"]
    assert bought < SO_MANY
    assert large.run(**SMALL_CHIPS).exit_code == 0
    assert large.done.images == {"indexed": 1}
    assert large.done.calls == SO_MANY - bought
    assert served(large.rekognition)["answered"] == SO_MANY


def test_after_a_kill_the_next_attempt_waits_for_the_lease_and_finishes(large):
    process = large.start(**SMALL_CHIPS)
    try:
        wait_for(lambda: served(large.rekognition)["answered"] >= SO_MANY // 2)
    finally:
        process.kill()
        ended(process)
    second = large.run(**SMALL_CHIPS)
    assert second.exit_code == 0
    assert [line["reason"] for line in lines(second, "image.done")] == ["busy", None]
    assert large.done.images == {"indexed": 1}
    assert len(large.world.cars("large.tif")) == len(CARS)


def test_a_paused_child_pays_nothing_and_ends_well_without_a_marker(large):
    large.runs.put(PAUSE_KEY, b"{}")
    paused = large.run(**SMALL_CHIPS)
    assert (paused.exit_code, lines(paused, "shard.done")[0]["outcome"]) == (0, "paused")
    assert served(large.rekognition)["calls"] == 0
    assert large.done is None
    large.world.s3.delete_object(Bucket=large.world.archive, Key=f"runs-of-all/{PAUSE_KEY}")
    assert large.run(**SMALL_CHIPS).exit_code == 0
    assert large.done.images == {"indexed": 1}


def test_without_indices_nothing_is_paid_and_nothing_is_retried(large):
    done = large.run(index_prefix="nobodys")
    assert done.exit_code == 78
    assert served(large.rekognition)["calls"] == 0


def test_every_call_is_drawn_from_the_budget_that_all_workers_share(large):
    client = dynamodb_client(endpoint_url=large.world.s3_endpoint, region=REGION, access_key=KEY, secret_key=KEY)
    table = f"budget-{large.world.prefix}"
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": PARTITION_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": PARTITION_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    done = large.run(**SMALL_CHIPS, budget_table=table, backfill_calls_per_s=100)
    assert done.exit_code == 0, done.stderr
    item = client.get_item(TableName=table, Key={PARTITION_KEY: {"S": ITEM}})["Item"]
    client.delete_table(TableName=table)
    client.close()
    assert int(item[calls_field(Lane.BACKFILL)]["N"]) >= SO_MANY
    assert large.done.calls == SO_MANY


def test_a_run_that_asks_for_detection_again_buys_once_and_a_retry_buys_nothing(large):
    def again(**settings: object) -> int:
        large.world.s3.delete_object(
            Bucket=large.world.archive, Key=f"runs-of-all/runs/{SHARDS.run_id}/done/{SHARDS.name(0)}.json"
        )
        before = served(large.rekognition)["answered"]
        done = large.run(**SMALL_CHIPS, **settings)
        assert done.exit_code == 0, done.stderr
        return served(large.rekognition)["answered"] - before

    assert again() == SO_MANY
    assert again(min_confidence=60) == 0
    large.asks_for(Redo.DETECTION)
    assert again(min_confidence=60) == SO_MANY
    assert again(min_confidence=60) == 0
    assert large.done.images == {"skipped_same": 1}


def test_a_run_that_asks_for_failures_again_leaves_what_is_indexed(child):
    child.world.put("a.tif", good())
    child.world.put("broken.tif", good()[:2000])
    child.plan("broken.tif", "a.tif")
    assert child.run().exit_code == 0
    child.world.s3.delete_object(
        Bucket=child.world.archive, Key=f"runs-of-all/runs/{SHARDS.run_id}/done/{SHARDS.name(0)}.json"
    )
    child.asks_for(Redo.FAILED)
    assert child.run(min_confidence=60).exit_code == 0
    assert child.done.images == {"failed": 1, "skipped_same": 1}


def test_a_shard_of_a_run_that_is_gone_is_not_begun(child):
    done = child.run()
    assert done.exit_code == 65
    assert "there is no run run-1" in lines(done, "job.not_begun")[0]["error"]
