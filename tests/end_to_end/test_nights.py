"""Nights over a bucket: inventories, plans, array jobs and sweeps, run by the emulator's Batch as processes.

The second night's CSVs are planned by jobs, as very large ones are.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from batch_job.adapters.memory_runs import MemoryMessageQueue
from batch_job.adapters.opensearch import create_indices, refresh
from batch_job.backfill import planner as planner_module
from batch_job.backfill.messages import Delivered, PlanFile, read_message
from batch_job.backfill.orders import PAUSE_KEY
from batch_job.backfill.planner import Planner
from batch_job.backfill.progress import RunProgress, RunWatch, SweepState
from batch_job.backfill.shards import RunFolder, active_run
from batch_job.settings import JobSettings, PlannerSettings
from batch_job.values.ledger import State
from batch_job.wiring.planner import open_planner
from local.emulator import REGION
from local.inventory import deliver
from tests.end_to_end.files import good
from tests.end_to_end.user import World, served

WITHIN_S = 90
"""An idle machine needs a few seconds for a night."""
WORLD_FILE = b"0.5\n0\n0\n-0.5\n388000\n5822000\n"


class Nights:
    """A planner with a Batch queue of its own."""

    def __init__(self, world: World) -> None:
        self.world, self.messages = world, MemoryMessageQueue()
        self.reports = f"{world.bucket}-reports"
        self.settings = {
            "bucket": world.bucket,
            "runs_uri": f"s3://{world.archive}/all runs",
            "index_url": world.index_url,
            "index_prefix": world.prefix,
            "plan_queue_url": f"{world.s3_endpoint}/queue/none",
            "job_queue": world.prefix,
            "job_definition": world.prefix,
            "detector": f"rekognition@{world.rekognition_url}",
        }
        self._make_batch()
        self._make_bucket()
        create_indices(world.index, world.names)

    def _make_batch(self) -> None:
        planning = PlannerSettings.load(**self.settings)
        shared = {name: value for name, value in self.settings.items() if name in JobSettings.model_fields}
        working = JobSettings.load(**shared, archive_uri=f"s3://{self.world.archive}/paid")
        variables = planning.to_env() | working.to_env()
        name, batch = self.world.prefix, boto3.client("batch", region_name=REGION)
        batch.create_compute_environment(
            computeEnvironmentName=name,
            type="MANAGED",
            computeResources={"type": "FARGATE", "maxvCpus": 2, "subnets": ["s"], "securityGroupIds": ["g"]},
        )
        batch.create_job_queue(
            jobQueueName=name, priority=1, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": name}]
        )
        batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            platformCapabilities=["FARGATE"],
            retryStrategy={
                "attempts": 3,
                "evaluateOnExit": [{"onExitCode": "75", "action": "RETRY"}, {"onExitCode": "*", "action": "EXIT"}],
            },
            containerProperties={
                "image": "product:1",
                "command": ["Ref::task", "Ref::what"],
                "environment": [{"name": key, "value": value} for key, value in variables.items()],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
            },
        )
        batch.close()

    def _make_bucket(self) -> None:
        self.world.s3.create_bucket(Bucket=self.reports)
        self.world.s3.put_bucket_inventory_configuration(
            Bucket=self.world.bucket,
            Id="daily",
            InventoryConfiguration={
                "Id": "daily",
                "IsEnabled": True,
                "IncludedObjectVersions": "Current",
                "Schedule": {"Frequency": "Daily"},
                "Destination": {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{self.reports}", "Format": "CSV"}},
                "OptionalFields": ["Size", "ETag"],
            },
        )

    def begin(self, planner: Planner) -> list[PlanFile]:
        """Deliver an inventory and begin its run; gives the planner's messages to itself."""
        refresh(self.world.index, self.world.names)
        delivery = deliver(self.world.s3, self.world.bucket, data_files=2)
        self.messages.bodies.clear()
        planner.begin(Delivered(delivery.bucket, delivery.checksum_key))
        found = map(read_message, self.messages.bodies)
        return [message for message in found if isinstance(message, PlanFile)]

    def progress(self, planner: Planner) -> RunProgress:
        run_id = active_run(planner.runs, bucket=self.world.bucket)
        assert run_id is not None
        return RunWatch(RunFolder(planner.runs, run_id)).look()

    def finished(self, planner: Planner) -> RunProgress:
        deadline = time.monotonic() + WITHIN_S
        while not (seen := self.progress(planner)).finished:
            assert time.monotonic() < deadline, seen
            time.sleep(0.1)
        return seen


@pytest.fixture
def nights(aws: None, world: World, monkeypatch: pytest.MonkeyPatch) -> Nights:
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.s3_endpoint)
    return Nights(world)


@pytest.fixture
def planner(nights: Nights) -> Iterator[Planner]:
    """Makes a shard of each image."""
    made = open_planner(PlannerSettings.load(**nights.settings))
    sizing = dataclasses.replace(made.rules.sizing, max_items=1)
    rules = dataclasses.replace(made.rules, sizing=sizing)
    yield dataclasses.replace(made, messages=nights.messages, rules=rules)
    for adapter in (made.open_stream, made.messages, made.jobs, made.ledger):
        adapter._client.close()  # type: ignore[attr-defined]


def state(world: World, key: str) -> tuple[State, list[str]]:
    entry = world.entry(key)
    assert entry is not None
    return entry.state, [side.key for side in entry.version.side_files]


def test_two_nights_bring_the_index_in_line_with_the_bucket(
    nights: Nights, planner: Planner, monkeypatch: pytest.MonkeyPatch
):
    world: Any = nights.world
    for key in ("a.tif", "b.tif", "gone.tif"):
        world.put(key, good())
    for message in nights.begin(planner):
        planner.plan_file(message)
    first = nights.finished(planner)
    assert (first.images, first.shards, first.swept) == ({"indexed": 3}, 3, {})
    paid = served(world.rekognition_url)["answered"]

    world.delete("gone.tif")
    world.put("b.tfw", WORLD_FILE)
    monkeypatch.setattr(planner_module, "LARGE_BYTES", 0)
    assert nights.begin(planner) == []  # jobs plan them all
    second = nights.finished(planner)
    assert second.run_id > first.run_id
    assert (second.counts.done, second.counts.new, second.counts.changed, second.shards) == (2, 0, 0, 0)
    assert second.swept == {"removed": 1, "indexed": 1}
    assert state(world, "gone.tif") == (State.REMOVED, [])
    assert state(world, "b.tif") == (State.INDEXED, ["b.tfw"])
    assert world.labels("gone.tif") == []
    assert [len(world.cars(key)) for key in ("a.tif", "b.tif")] == [1, 1]
    assert served(world.rekognition_url)["answered"] == paid


def test_a_night_that_comes_while_the_lane_is_paused_is_planned_and_waits(nights: Nights, planner: Planner):
    nights.world.put("a.tif", good())
    planner.runs.put(PAUSE_KEY, b"{}")
    messages = nights.begin(planner)
    for message in messages:
        planner.plan_file(message)
    seen = nights.progress(planner)
    assert (seen.files_planned, seen.shards, seen.shards_done, seen.sweep) == (1, 1, 0, SweepState.DUE)
    nights.world.s3.delete_object(Bucket=nights.world.archive, Key=f"all runs/{PAUSE_KEY}")
    for message in messages:
        planner.plan_file(message)
    assert nights.finished(planner).images == {"indexed": 1}
