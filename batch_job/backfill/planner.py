"""Plans an inventory: first as a whole, then CSV by CSV. Each step may be taken any number of times, also at once.

Planning twice is wasteful, never wrong: whoever works an item claims the image before it pays for anything.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from batch_job.backfill.claimed import Hold, write_plan
from batch_job.backfill.delivery import read_manifest
from batch_job.backfill.jobs import submit_plan, submit_shards, submit_sweep
from batch_job.backfill.known import Known
from batch_job.backfill.messages import Delivered, PlanFile
from batch_job.backfill.orders import PAUSE_KEY, EndAtOnce
from batch_job.backfill.plan import PlanCounts, Rules, ranges
from batch_job.backfill.progress import is_planned
from batch_job.backfill.records import Claim, FilePlan
from batch_job.backfill.shards import SWEEP_RECORD, RunFolder, activate
from batch_job.backfill.superseding import call_off, is_behind, is_superseded
from batch_job.errors import BackfillError, HandedBackError, InventoryError
from batch_job.metrics import NO_METRICS, Metric, Metrics
from batch_job.ports import Clock, JobQueue, Ledger, MessageQueue, OpenStream, RunStore
from batch_job.values.inventory import DataFile, Manifest, Scope
from batch_job.values.work import Redo

LARGE_BYTES = 400_000_000
"""A CSV of more compressed bytes is a Batch job's from the beginning: about 8 million rows, of which a Lambda with one
vCPU plans some 40,000 a second; so it needs a quarter of its 15 minutes for the largest that it is given."""

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


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Left to a Batch job, as this planner's time is up."""

    run_id: str
    file_id: str


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
    is_ending: Callable[[], bool] = bool
    """Tells whether this planner is to stop soon: it has half a minute then."""
    metrics: Metrics = NO_METRICS

    def take(self, message: Delivered | PlanFile) -> Begun | FilePlan | Superseded | HandedOver:
        """Do what a message asks for; see ``begin`` and ``plan_file``. What time does not allow, a Batch job does."""
        if isinstance(message, Delivered):
            return self.begin(message)
        try:
            return self.plan_file(message)
        except HandedBackError:
            submit_plan(self.jobs, message.run_id, message.file_id)
            log.info("plan.handed_over", run_id=message.run_id, file=message.file_id)
            return HandedOver(message.run_id, message.file_id)

    def begin(self, delivered: Delivered) -> Begun | Superseded:
        """Start a run: check the manifest, ask the ledger what it knows, have each CSV planned; log what came of it.

        Raises:
            InventoryError: it cannot be planned.
        """
        manifest = read_manifest(self.open_stream, delivered, of_bucket=self.bucket)
        folder = RunFolder(self.runs, manifest.run_id)
        ended = self._begun(folder, manifest)
        if isinstance(ended, Superseded):
            log.info("plan.superseded", run_id=ended.run_id)
            return ended
        log.info("plan.begun", run_id=ended.run_id, files=ended.files)
        if manifest.request.is_nightly:
            self.metrics.emit({Metric.INVENTORIES: 1}, run_id=ended.run_id)
        self._sweep_if_due(folder, manifest)
        return ended

    def _begun(self, folder: RunFolder, manifest: Manifest) -> Begun | Superseded:
        whole = manifest.request.scope is Scope.BUCKET
        if whole and is_behind(self.runs, manifest):
            return Superseded(manifest.run_id)
        folder.write_manifest(manifest)
        self._known(folder, manifest)
        if whole and not self._activated(manifest):
            return Superseded(manifest.run_id)
        for file in manifest.files:
            if file.size > LARGE_BYTES:
                submit_plan(self.jobs, manifest.run_id, file.id)
        small = (file for file in manifest.files if file.size <= LARGE_BYTES)
        self.messages.send(PlanFile(manifest.run_id, file.id).to_json() for file in small)
        return Begun(manifest.run_id, len(manifest.files))
