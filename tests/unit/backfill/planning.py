"""A planner over services in memory, with an inventory delivered to it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from batch_job.adapters.memory import ManualClock, MemoryLedger, MemoryObjectStore
from batch_job.adapters.memory_runs import (
    MemoryJobQueue,
    MemoryMessageQueue,
    MemoryRunStore,
    MemoryStreams,
    SubmittedJob,
)
from batch_job.backfill.jobs import TASK, WHAT, JobTask
from batch_job.backfill.messages import Delivered, PlanFile, read_message
from batch_job.backfill.plan import Filters, Rules, Sizing
from batch_job.backfill.planner import Planner
from batch_job.backfill.shards import RunFolder
from batch_job.values.image import ImageRef
from batch_job.values.inventory import DataFile
from batch_job.values.work import ShardRange, WorkItem
from tests.unit.backfill.entries import FINGERPRINT
from tests.unit.backfill.inventories import CREATED_MS, csv_gz, data_file, manifest_json, md5

REPORTS = "reports"
RULES = Rules(
    filters=Filters(), sizing=Sizing(chip_stride_px=100, max_chips=100, max_items=3), index_fingerprint=FINGERPRINT
)
Triple = tuple[str, int, str]


@dataclass
class World:
    """Everything that a planner talks to; bucket ``b`` is planned."""

    objects: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    runs: MemoryRunStore = field(default_factory=MemoryRunStore)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    jobs: MemoryJobQueue = field(default_factory=MemoryJobQueue)
    messages: MemoryMessageQueue = field(default_factory=MemoryMessageQueue)
    clock: ManualClock = field(default_factory=ManualClock)

    def planner(self, owner: str = "me", **other: object) -> Planner:
        made = Planner(
            open_stream=MemoryStreams(self.objects),
            runs=self.runs,
            ledger=self.ledger,
            jobs=self.jobs,
            messages=self.messages,
            clock=self.clock,
            rules=RULES,
            bucket="b",
            owner=owner,
        )
        return dataclasses.replace(made, **other)

    def deliver(
        self,
        *files: Sequence[Triple],
        bucket: str = "b",
        created_ms: int = CREATED_MS,
        prefix: str = "",
        **other: object,
    ) -> Delivered:
        """Write an inventory of so many CSVs as S3 does; tells that it is whole."""
        listed: list[DataFile] = []
        for number, rows in enumerate(files):
            body = csv_gz(rows, bucket=bucket)
            listed.append(data_file(f"{bucket}/daily/data/{created_ms}-{number}.csv.gz", body))
            self.objects.put(ImageRef(REPORTS, listed[-1].key), body)
        folder = f"{prefix}{bucket}/daily/{created_ms}/"
        body = manifest_json(listed, bucket=bucket, creationTimestamp=str(created_ms), **other)
        self.objects.put(ImageRef(REPORTS, f"{folder}manifest.json"), body)
        self.objects.put(ImageRef(REPORTS, f"{folder}manifest.checksum"), md5(body).encode())
        return Delivered(REPORTS, f"{folder}manifest.checksum")

    def sent(self) -> list[PlanFile]:
        """The planner's messages to itself, in the order sent."""
        found = [read_message(body) for body in self.messages.bodies]
        return [message for message in found if isinstance(message, PlanFile)]

    def asked(self, task: JobTask) -> list[SubmittedJob]:
        """The jobs of one task, in the order submitted."""
        return [job for job in self.jobs.jobs.values() if job.parameters[TASK] == task]

    def submitted(self) -> list[WorkItem]:
        """What the children of all jobs would work through, read from the shards as they stand."""
        items = []
        for job in self.asked(JobTask.SHARDS):
            shards = ShardRange.from_text(job.parameters[WHAT])
            assert shards.count == (job.size or 1)
            for index in range(shards.count):
                items += RunFolder(self.runs, shards.run_id).shard(shards.name(index)).items
        return items


def triples(*keys: str) -> list[Triple]:
    return [(key, 1, "e") for key in keys]


def keys(items: Sequence[WorkItem]) -> list[str]:
    return sorted(item.image.key for item in items)
