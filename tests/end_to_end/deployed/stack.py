"""A deployed stack as a test meets it: pictures in its bucket, nights, days, what it says of itself, what it indexed.

What must hold at rest, whatever happened, is ``Stack.assert_in_line``: the index is what the bucket says it is.
"""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import orjson
import psutil

from batch_job.adapters.opensearch import refresh
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.cli.status import to_json, watch_of
from batch_job.search.mappings import IndexNames
from batch_job.values.image import ImageRef, is_image_key
from batch_job.values.ledger import LedgerEntry, State
from batch_job.wiring.operator import Operator, open_operator
from local.emulator import aws_environment
from local.inventory import Delivery, deliver
from tests.end_to_end.deployed.assembly import STACK
from tests.end_to_end.files import picture, tiff
from tests.end_to_end.user import Done, imagery_backfill

if TYPE_CHECKING:
    from tests.end_to_end.deployed.site import Site

BUCKET = "imagery"
INDEX_PREFIX = "imagery"
WITHIN_S = 120.0
"""An idle machine needs a few seconds for anything here."""
LOOK_S = 0.1
CAR_PX = (60, 30)
TOP = 120
JOB_STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
UNENDED = ("submitted", "pending", "runnable", "starting", "running")

Lefts = tuple[int, ...]
"""Where the cars of a picture begin, px from its left edge."""


def scene(*lefts: int, **size: int) -> bytes:
    """A small GeoTIFF, 400 x 300 px unless said otherwise, with a car at each place."""
    width, height = CAR_PX
    return tiff(picture(cars=tuple((left, TOP, left + width, TOP + height) for left in lefts), **size))


@dataclass
class Stack:
    """A stack that stands, and what a test put into its bucket."""

    site: "Site"
    outputs: Mapping[str, str]
    cars: dict[str, Lefts] = field(default_factory=dict)
    """By key, of what ``put`` wrote: what the index is to say."""
    operator: Operator | None = field(default=None, repr=False)
    night: datetime = field(default_factory=lambda: datetime.now(tz=UTC))
    """When the scan of the newest inventory is said to have begun."""

    def close(self) -> None:
        """Let go of connections."""
        if self.operator is not None:
            self.operator.close()

    # -- the bucket

    def put(self, key: str, *lefts: int, **size: int) -> None:
        """Write a picture with cars at these places, over what has its key."""
        self.write(key, scene(*lefts, **size), lefts)

    def write(self, key: str, body: bytes, lefts: Lefts = ()) -> None:
        """Write anything; ``lefts`` are the cars that are to be found in it."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        self.cars[key] = lefts

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=key)
        self.cars.pop(key, None)

    @contextmanager
    def before_it_stood(self) -> Iterator[None]:
        """Have what is done to the bucket make no events, as if the stack had come later."""
        change = self.s3.put_bucket_notification_configuration
        before = self.s3.get_bucket_notification_configuration(Bucket=BUCKET)
        before.pop("ResponseMetadata")
        change(Bucket=BUCKET, NotificationConfiguration={})
        try:
            yield
        finally:
            change(Bucket=BUCKET, NotificationConfiguration=before)

    def deliver(self, *, data_files: int = 3) -> Delivery:
        """Do what S3 does at night, at once; every inventory is a second younger than the one before, or more."""
        self.night = max(datetime.now(tz=UTC), self.night + timedelta(seconds=1))
        return deliver(self.s3, BUCKET, began=self.night, data_files=data_files)

    # -- what it says of itself

    def command(self, name: str, *options: str) -> Done:
        """Run ``imagery-backfill --stack NAME …`` as its operator."""
        index = ("--index", self.site.index_proxy.url)
        return imagery_backfill("--stack", STACK, name, *options, *index, env=aws_environment(self.site.endpoint))

    def status(self) -> dict[str, Any]:
        """Ask how it stands: what ``status --json`` prints, by connections that stay open."""
        if self.operator is None:
            with patch.dict(os.environ, aws_environment(self.site.endpoint)):
                self.operator = open_operator(STACK, index_url=self.site.index_proxy.url)
        return json.loads(orjson.dumps(to_json(watch_of(self.operator).look())))

    def concerns(self) -> list[str]:
        """What wants a person, by name."""
        return [one["what"] for one in self.status()["concerns"]]

    def settled(self) -> dict[str, Any]:
        """Wait until no message and no job is left; gives the last status."""
        quiet, end = 0, time.monotonic() + WITHIN_S
        while True:
            status = self.status()
            quiet = quiet + 1 if _is_quiet(status) else 0
            if quiet > 1:  # an event takes a moment from the bucket to the queue
                return status
            assert time.monotonic() < end, f"not at rest: {status}\n{self.logs()}"
            time.sleep(LOOK_S)

    def night_passed(self, delivery: Delivery | None = None) -> dict[str, Any]:
        """Deliver an inventory, unless one was, and wait until its run is finished; gives the last status."""
        delivered = delivery or self.deliver()
        began = f"{self.night:%Y%m%dT%H%M%SZ}"
        self.until(lambda: self._is_finished(began), f"the run of {delivered.manifest_key}")
        return self.settled()

    def _is_finished(self, began: str) -> bool:
        run = self.status()["run"]
        return run is not None and run["run_id"].startswith(began) and run["finished"]

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for something to happen."""
        end = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < end, f"it did not happen: {what}\n{self.status()}\n{self.logs()}"
            time.sleep(LOOK_S)

    def logs(self, *, last: int = 40) -> str:
        """The newest lines of all its workers, for whoever reads a failed test."""
        logs = self.site.client("logs")
        lines: list[tuple[int, str]] = []
        for group in logs.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            events = logs.filter_log_events(logGroupName=name)["events"]
            lines += [(event["timestamp"], f"{name[-30:]}: {event['message'].strip()}") for event in events]
        return "\n".join(line for _, line in sorted(lines)[-last:])

    # -- its parts

    @property
    def s3(self) -> Any:
        return self.site.client("s3")

    @property
    def runs(self) -> S3RunStore:
        """Root of ``runs/``, ``active/`` and ``control/``."""
        bucket, _, prefix = self.outputs["RunsUri"].removeprefix("s3://").partition("/")
        return S3RunStore(self.s3, bucket=bucket, prefix=prefix)

    def send(self, queue: str, body: str) -> None:
        """Put a message into one of the queues that outputs name, such as ``LiveQueueUrl``."""
        self.site.client("sqs").send_message(QueueUrl=self.outputs[queue], MessageBody=body)

    def purge(self, queue: str) -> None:
        """Delete a queue's messages, as the runbook says for poison."""
        self.site.client("sqs").purge_queue(QueueUrl=self.outputs[queue])

    @contextmanager
    def hiding_messages_for(self, seconds: int, queue: str) -> Iterator[None]:
        """Have messages whose worker dies come back after so long; the product says 20 minutes."""
        asked, name = {"QueueUrl": self.outputs[queue]}, "VisibilityTimeout"
        sqs = self.site.client("sqs")
        before = sqs.get_queue_attributes(**asked, AttributeNames=[name])["Attributes"]
        sqs.set_queue_attributes(**asked, Attributes={name: str(seconds)})
        try:
            yield
        finally:
            sqs.set_queue_attributes(**asked, Attributes=before)

    def job_ids(self, queue: str = "JobQueue") -> set[str]:
        """The jobs of a queue, ended ones too; an array is one."""
        batch = self.site.client("batch")
        pages = (batch.list_jobs(jobQueue=self.outputs[queue], jobStatus=state) for state in JOB_STATES)
        return {job["jobId"] for page in pages for job in page["jobSummaryList"]}

    def exit_codes(self) -> list[list[int]]:
        """How the attempts of each job of the backfill ended; arrays, which have no attempts, left out."""
        jobs = self.site.client("batch").describe_jobs(jobs=list(self.job_ids()))["jobs"]
        return [[one["container"]["exitCode"] for one in job["attempts"]] for job in jobs if job["attempts"]]

    def workers(self, variable: str) -> list[psutil.Process]:
        """The processes of workers that have an environment variable: AWS_BATCH_JOB_ID, AWS_LAMBDA_FUNCTION_NAME."""
        return [one for one in psutil.process_iter() if self._is_worker(one, variable)]

    def _is_worker(self, process: psutil.Process, variable: str) -> bool:
        try:
            around = process.environ()
        except (psutil.Error, OSError):
            return False
        return around.get("AWS_ENDPOINT_URL") == self.site.endpoint and variable in around

    def kill(self, variable: str) -> None:
        """``kill -9`` workers in the middle of whatever they do."""
        for worker in self.workers(variable):
            worker.send_signal(signal.SIGKILL)

    # -- what it indexed

    @property
    def names(self) -> IndexNames:
        return IndexNames(INDEX_PREFIX)

    def entries(self) -> dict[str, LedgerEntry]:
        """The ledger, by key."""
        refresh(self.site.index, self.names)
        found = OpenSearchLedger(self.site.index, self.names).entries(bucket=BUCKET)
        return {stored.entry.image.key: stored.entry for stored in found}

    def entry(self, key: str) -> LedgerEntry | None:
        """An image's ledger, as of now."""
        stored = OpenSearchLedger(self.site.index, self.names).get(ImageRef(BUCKET, key))
        return None if stored is None else stored.entry

    def labels(self) -> list[dict[str, Any]]:
        """Every label document that exists, whether a search would show it or not."""
        refresh(self.site.index, self.names)
        found = self.site.index.search(index=self.names.labels, body={"size": 10_000, "query": {"match_all": {}}})
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def lefts(self, key: str) -> Lefts:
        """Where the cars of an image begin, in the index, to 10 px; a car that is there twice is twice here."""
        return tuple(sorted(_lefts(one for one in self.labels() if one["key"] == key)))

    def assert_in_line(self) -> None:
        """Assert what holds at rest: index = f(bucket), each label once, none that no ledger lists, nobody at work."""
        there = {one["Key"]: one["ETag"].strip('"') for one in self._listed() if is_image_key(one["Key"])}
        entries, labels = self.entries(), self.labels()
        standing = {key: entry for key, entry in entries.items() if entry.state is not State.REMOVED}
        assert {key: entry.version.etag for key, entry in standing.items()} == there
        assert not [entry for entry in standing.values() if entry.state is State.PROCESSING]
        listed = {(key, entry.live.epoch): entry.live.count for key, entry in entries.items() if entry.live}
        assert Counter((one["key"], one["epoch"]) for one in labels) == Counter(listed)
        found = {key: tuple(sorted(_lefts(one for one in labels if one["key"] == key))) for key in there}
        assert found == {key: tuple(sorted(self.cars[key])) for key in there}

    def _listed(self) -> Iterator[Mapping[str, Any]]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            yield from page.get("Contents", ())


def _lefts(labels: Iterator[Mapping[str, Any]]) -> Iterator[int]:
    for label in labels:
        if label["label"] == "Car" and label["kind"] == "object":
            yield 10 * round(label["pixel_box"][0] / 10)


def _is_quiet(status: Mapping[str, Any]) -> bool:
    waiting = sum(sum(status["messages"][queue].values()) for queue in ("plan", "live"))
    working = sum(counts[state] for counts in status["jobs"].values() for state in UNENDED)
    return not (waiting or working)
