"""Plans an inventory: first as a whole, then CSV by CSV. Each step may be taken any number of times, also at once.

Planning twice is wasteful, never wrong: whoever works an item claims the image before it pays for anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from batch_job.backfill.inventory import parse_manifest, read_rows
from batch_job.backfill.jobs import JobTask, job_parameters
from batch_job.backfill.known import Known
from batch_job.backfill.messages import CHECKSUM, Delivered, PlanFile
from batch_job.backfill.plan import PlanCounts, Rules, portions, ranges
from batch_job.backfill.shards import Claim, FilePlan, RunFolder, activate, active_run
from batch_job.errors import BackfillError, InputError, InventoryError
from batch_job.ports import Clock, JobQueue, Ledger, MessageQueue, OpenStream, RunStore
from batch_job.values.inventory import DataFile, InventoryRow, Manifest, UnreadableRow
from batch_job.values.work import Shard, ShardRange

MANIFEST = "manifest.json"
MAX_ROWS_TOLD = 5
"""Unreadable rows of a file that are logged one by one; the others are counted."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is planned from now on."""

    run_id: str
    files: int


@dataclass(frozen=True, slots=True)
class Superseded:
    """Left alone, as a newer inventory of the same bucket is planned."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Both steps, over the services."""

    open_stream: OpenStream
    runs: RunStore
    ledger: Ledger
    jobs: JobQueue
    messages: MessageQueue
    clock: Clock
    rules: Rules
    bucket: str
    """The only one whose inventories are planned."""
    owner: str
    """Names this attempt among all that may plan the same CSV."""

    def take(self, message: Delivered | PlanFile) -> Begun | FilePlan | Superseded:
        """Do what a message asks for, and log what came of it; see ``begin`` and ``plan_file``."""
        ended = self.begin(message) if isinstance(message, Delivered) else self.plan_file(message)
        match ended:
            case Begun(run_id=run_id, files=files):
                log.info("plan.begun", run_id=run_id, files=files)
            case Superseded(run_id=run_id):
                log.info("plan.superseded", run_id=run_id)
            case FilePlan():
                log.info(
                    "plan.done", plan=ended.name, shards=ended.shards, jobs=len(ended.jobs), **ended.counts.to_json()
                )
        return ended

    def begin(self, delivered: Delivered) -> Begun | Superseded:
        """Start a run: check the manifest, ask the ledger what it knows, send a message for each CSV.

        Raises:
            InventoryError: it cannot be planned.
        """
        manifest = self._manifest(delivered)
        folder = RunFolder(self.runs, manifest.run_id)
        before = active_run(self.runs, bucket=self.bucket)
        if before is not None and before > manifest.run_id:
            return Superseded(manifest.run_id)
        folder.write_manifest(manifest)
        self._known(folder)
        if before is not None and before < manifest.run_id:
            self._call_off(RunFolder(self.runs, before))
        if not activate(self.runs, manifest.run_id, bucket=self.bucket):
            return Superseded(manifest.run_id)
        self.messages.send(PlanFile(manifest.run_id, file.id).to_json() for file in manifest.files)
        return Begun(manifest.run_id, len(manifest.files))

    def _manifest(self, delivered: Delivered) -> Manifest:
        folder, _, name = delivered.key.rpartition("/")
        if name != CHECKSUM:
            raise InventoryError(f"s3://{delivered.bucket}/{delivered.key} is no {CHECKSUM}")
        beside = f"{folder}/".lstrip("/")
        manifest = parse_manifest(
            self._read(delivered.bucket, beside + MANIFEST), checksum=self._read(delivered.bucket, delivered.key)
        )
        if manifest.source_bucket != self.bucket:
            raise InventoryError(f"an inventory of {manifest.source_bucket}; {self.bucket} is planned here")
        return manifest

    def _read(self, bucket: str, key: str) -> bytes:
        with self.open_stream(bucket=bucket, key=key) as stream:
            return stream.read(-1)

    def _known(self, folder: RunFolder) -> Known:
        known = folder.known()
        if known is None:
            known = Known.of(stored.entry for stored in self.ledger.entries(bucket=self.bucket))
            folder.write_known(known)
        return known

    def _call_off(self, folder: RunFolder) -> None:
        """Take back the jobs of an older run that wait; what they were to do, the new run plans anew."""
        try:
            manifest = folder.manifest()
        except InputError:
            return  # so old that its folder is gone
        for file in manifest.files:
            record = folder.record(file.id)
            if record is not None and record.plan is not None:
                for job_id in record.plan.jobs:
                    self.jobs.cancel(job_id, reason="a newer inventory is planned")

    def plan_file(self, wanted: PlanFile) -> FilePlan | Superseded:
        """Plan one CSV: claim it, write its shards, submit its jobs, write down what came of it.

        Raises:
            InventoryError: it is not what the manifest lists; nothing was submitted.
            ConflictError: somebody else plans it.
        """
        folder = RunFolder(self.runs, wanted.run_id)
        manifest = folder.manifest()
        file = manifest.file(wanted.file_id)
        if file is None:
            raise InventoryError(f"run {wanted.run_id} has no file {wanted.file_id}")
        if self._is_superseded(wanted.run_id):
            return Superseded(wanted.run_id)
        claim = folder.claim(file.id, owner=self.owner, now_ms=self.clock.now_ms())
        if isinstance(claim, FilePlan):
            return claim
        try:
            return self._plan_claimed(folder, claim, manifest, file)
        except BackfillError:
            self._release(folder, claim)
            raise

    def _is_superseded(self, run_id: str) -> bool:
        active = active_run(self.runs, bucket=self.bucket)
        return active is not None and active > run_id

    def _release(self, folder: RunFolder, claim: Claim) -> None:
        try:
            folder.release(claim)
        except BackfillError as error:  # it runs out by itself; the first error is what matters
            log.warning("claim.not_released", run_id=folder.run_id, file=claim.file_id, error=str(error))

    def _plan_claimed(
        self, folder: RunFolder, claim: Claim, manifest: Manifest, file: DataFile
    ) -> FilePlan | Superseded:
        name = f"{file.id}-{self.rules.id}"
        shards, counts = 0, PlanCounts()
        with self.open_stream(bucket=manifest.destination_bucket, key=file.key) as stream:
            rows = _telling(read_rows(stream, file, manifest), file)
            for portion in portions(rows, self._known(folder), self.rules, bucket=self.bucket):
                counts += portion.counts
                if portion.items:
                    folder.write_shard(Shard(folder.run_id, f"{name}-{shards:06d}", portion.items))
                    shards += 1
        if self._is_superseded(folder.run_id):
            folder.release(claim)
            return Superseded(folder.run_id)
        jobs = tuple(self._submit(job) for job in ranges(folder.run_id, name, shards=shards))
        plan = FilePlan(name=name, shards=shards, counts=counts, jobs=jobs)
        folder.complete(claim, plan)
        return plan

    def _submit(self, shards: ShardRange) -> str:
        name, parameters = (
            f"{shards.run_id}-{shards.plan}-{shards.first}",
            job_parameters(JobTask.SHARDS, shards.to_text()),
        )
        if shards.count == 1:
            return self.jobs.submit(name, parameters)
        return self.jobs.submit_array(name, parameters, size=shards.count)


def _telling(rows: Iterator[InventoryRow | UnreadableRow], file: DataFile) -> Iterator[InventoryRow | UnreadableRow]:
    told = 0
    for row in rows:
        if isinstance(row, UnreadableRow) and told < MAX_ROWS_TOLD:
            told += 1
            log.warning("inventory.unreadable_row", file=file.key, line=row.line, error=row.why)
        yield row
