import dataclasses
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from opensearchpy import OpenSearch

from batch_job.adapters.memory_runs import MemoryJobQueue
from batch_job.adapters.opensearch import refresh
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.backfill.jobs import WHAT, JobTask, job_parameters
from batch_job.backfill.planner import Planner
from batch_job.backfill.progress import RunWatch
from batch_job.backfill.shards import SWEEP_DONE, RunFolder, active_run
from batch_job.search.mappings import IndexNames
from batch_job.settings import PlannerSettings
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LedgerEntry, State
from batch_job.values.work import ShardDone, ShardRange
from batch_job.wiring.planner import open_planner
from lambdas.plan_inventory import take
from local.emulator import REGION
from local.inventory import deliver

pytestmark = pytest.mark.server

NEW = ("a b/é+1.tif", "100%25.jpg", "日本/🛰.PNG")
KEYS = (*NEW, "a b/é+1.tif.ovr", "notes.txt", "folder/", "done.tif", "overwritten.tif")


@pytest.fixture
def queue(aws: None, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[tuple[Any, str]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    client = boto3.client("sqs", region_name=REGION)
    yield client, client.create_queue(QueueName=bucket)["QueueUrl"]
    client.close()


@pytest.fixture
def planner(
    queue: tuple[Any, str], bucket: str, names: IndexNames, opensearch_url: str
) -> Iterator[tuple[Planner, MemoryJobQueue]]:
    settings = PlannerSettings.load(
        bucket=bucket,
        runs_uri=f"s3://{bucket}-work/all runs",
        index_url=opensearch_url,
        index_prefix=names.images.removesuffix("-images"),
        plan_queue_url=queue[1],
        job_queue="backfill",
        job_definition="child",
    )
    jobs = MemoryJobQueue()
    made = open_planner(settings)
    yield dataclasses.replace(made, jobs=jobs), jobs
    for adapter in (made.open_stream, made.messages, made.jobs, made.ledger):
        adapter._client.close()


def inventory_of(client: Any, bucket: str) -> str:
    for name in (f"{bucket}-work", f"{bucket}-reports"):
        client.create_bucket(Bucket=name)
    destination = {"Bucket": f"arn:aws:s3:::{bucket}-reports", "Format": "CSV"}
    client.put_bucket_inventory_configuration(
        Bucket=bucket,
        Id="daily",
        InventoryConfiguration={
            "Id": "daily",
            "IsEnabled": True,
            "IncludedObjectVersions": "Current",
            "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": destination},
            "OptionalFields": ["Size", "LastModifiedDate", "StorageClass", "ETag"],
        },
    )
    return deliver(client, bucket, data_files=2).checksum_key


def known(bucket: str, key: str, etag: str, settings_of: Planner) -> LedgerEntry:
    version = ImageVersion(etag, (), detection_fingerprint="d", index_fingerprint=settings_of.rules.index_fingerprint)
    return LedgerEntry(image=ImageRef(bucket, key), state=State.INDEXED, version=version, epoch=1)


def received(sqs: Any, url: str) -> list[str]:
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [one["Body"] for one in messages]


def test_a_delivered_inventory_becomes_shards_of_what_is_not_done(
    planner: tuple[Planner, MemoryJobQueue],
    queue: tuple[Any, str],
    client: OpenSearch,
    names: IndexNames,
    s3_client: Any,
):
    own, jobs = planner
    bucket, (sqs, url) = own.bucket, queue
    etags = {key: s3_client.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"].strip('"') for key in KEYS}
    ledger = OpenSearchLedger(client, names)
    ledger.put(known(bucket, "done.tif", etags["done.tif"], own), over=None)
    ledger.put(known(bucket, "overwritten.tif", "0" * 32, own), over=None)
    refresh(client, names)
    sqs.send_message(QueueUrl=url, MessageBody=event(f"{bucket}-reports", inventory_of(s3_client, bucket)))

    for _ in range(2):  # the checksum's event, then a message for each CSV
        for body in received(sqs, url):
            take(body, own.take)

    run_id = active_run(own.runs, bucket=bucket)
    assert run_id is not None
    folder = RunFolder(own.runs, run_id)
    found = {}
    *shard_jobs, sweep = jobs.jobs.values()
    assert sweep.parameters == job_parameters(JobTask.SWEEP, run_id)
    for job in shard_jobs:
        shards = ShardRange.from_text(job.parameters[WHAT])
        for index in range(shards.count):
            name = shards.name(index)
            found |= {item.image.key: item.size for item in folder.shard(name).items}
            folder.write_done(ShardDone(name=name, images={"indexed": len(folder.shard(name).items)}))
    assert found == {key: len(key.encode()) for key in (*NEW, "overwritten.tif")}

    progress = RunWatch(folder).look()
    assert (progress.files, progress.files_planned, progress.finished, progress.left) == (2, 2, False, 0)
    folder.write_done(ShardDone(name=SWEEP_DONE))
    assert RunWatch(folder).look().finished
    assert (progress.counts.new, progress.counts.changed, progress.counts.done) == (3, 1, 1)
    assert progress.counts.rows == len(KEYS)


def event(bucket: str, key: str) -> str:
    return f'{{"detail": {{"bucket": {{"name": "{bucket}"}}, "object": {{"key": "{key}"}}}}}}'
