"""Plans an inventory: first as a whole, then CSV by CSV. Each step may be taken any number of times, also at once.

Planning twice is wasteful, never wrong: whoever works an item claims the image before it pays for anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from batch_job.backfill.claimed import Hold, told, write_shards
from batch_job.backfill.delivery import read_manifest
from batch_job.backfill.inventory import read_rows
from batch_job.backfill.jobs import submit_plan, submit_shards, submit_sweep
from batch_job.backfill.known import Known
from batch_job.backfill.listed_keys import KeyCollector
from batch_job.backfill.messages import Delivered, PlanFile
from batch_job.backfill.orders import PAUSE_KEY, EndAtOnce
from batch_job.backfill.plan import PlanCounts, Rules, portions, ranges
from batch_job.backfill.progress import is_planned, missing_of
from batch_job.backfill.records import FilePlan
from batch_job.backfill.shards import SWEEP_DONE, SWEEP_RECORD, RunFolder, activate, active_run
from batch_job.backfill.starting import LISTINGS
from batch_job.backfill.superseding import call_off, is_behind, is_superseded
from batch_job.errors import BackfillError, HandedBackError, InventoryError
from batch_job.metrics import NO_METRICS, Metric, Metrics
from batch_job.ports import Clock, JobQueue, Ledger, MessageQueue, OpenStream, RunStore
from batch_job.values.inventory import DataFile, Manifest, Scope
from batch_job.values.work import Redo

LARGE_BYTES = 200_000_000
"""A CSV of more compressed bytes is a Batch job's from the beginning. A row has 27 bytes or more, and one vCPU plans
30,000 rows a second (measured): so a Lambda needs 4 of its 15 minutes for the largest that it is given."""
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
            submit_plan(self.jobs, message)
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
        if not delivered.key.startswith(f"{LISTINGS}/"):
            self.metrics.emit({Metric.INVENTORIES: 1}, run_id=ended.run_id)  # of S3: an alarm misses none of ours
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
                submit_plan(self.jobs, PlanFile(manifest.run_id, file.id))
        small = (file for file in manifest.files if file.size <= LARGE_BYTES)
        self.messages.send(PlanFile(manifest.run_id, file.id).to_json() for file in small)
        return Begun(manifest.run_id, len(manifest.files))

    def _activated(self, manifest: Manifest) -> bool:
        """Make a run the active one, in place of an older one; False: a newer is."""
        before = active_run(self.runs, bucket=self.bucket)
        if before is not None and before < manifest.run_id:
            call_off(RunFolder(self.runs, before), self.jobs)
        return activate(self.runs, manifest.run_id, bucket=self.bucket)

    def _known(self, folder: RunFolder, manifest: Manifest) -> Known:
        """Read what the ledger knew when the run began; nothing, when all is to be done again."""
        if manifest.request.redo is not Redo.NOTHING:
            return Known.of(())
        known = folder.known()
        if known is None:
            known = Known.of(stored.entry for stored in self.ledger.entries(bucket=self.bucket))
            folder.write_known(known)
        return known

    def plan_file(self, wanted: PlanFile) -> FilePlan | Superseded:
        """Plan one CSV: claim it, write its shards, submit its jobs, write down and log what came of it.

        While the lane is paused nothing is submitted. After the last CSV of a bucket's run the sweep is.

        Raises:
            InventoryError: it is not what the manifest lists; nothing was submitted.
            ConflictError: somebody else plans it.
            HandedBackError: this planner's time is up; the CSV is free.
        """
        folder = RunFolder(self.runs, wanted.run_id)
        manifest = folder.manifest()
        file = manifest.file(wanted.file_id)
        if file is None:
            raise InventoryError(f"run {wanted.run_id} has no file {wanted.file_id}")
        plan = None if is_superseded(self.runs, manifest) else self._claimed_and_planned(folder, manifest, file)
        if plan is None:
            log.info("plan.superseded", run_id=wanted.run_id)
            return Superseded(wanted.run_id)
        about = {"run_id": wanted.run_id, "plan": plan.name, "shards": plan.shards, "jobs": len(plan.jobs)}
        log.info("plan.done", **about, **plan.counts.to_json())
        self._submit_held_back(folder, plan)
        self._sweep_if_due(folder, manifest)
        return plan

    def _claimed_and_planned(self, folder: RunFolder, manifest: Manifest, file: DataFile) -> FilePlan | None:
        """Plan a CSV unless it is planned; None: the run was superseded meanwhile."""
        claim = folder.claim(file.id, owner=self.owner, now_ms=self.clock.now_ms())
        if isinstance(claim, FilePlan):
            return claim
        hold = Hold(folder, claim, clock=self.clock, is_ending=self.is_ending)
        try:
            plan = self._written(hold, manifest, file)
            if is_superseded(self.runs, manifest):
                hold.release()
                return None
            plan = replace(plan, jobs=self._submitted(folder.run_id, plan))
            folder.complete(hold.claim, plan)
        except (Exception, EndAtOnce):
            hold.release()
            raise
        self.metrics.emit({Metric.FILES_PLANNED: 1}, run_id=folder.run_id)
        return plan

    def _written(self, hold: Hold, manifest: Manifest, file: DataFile) -> FilePlan:
        """Write the shards of a CSV and its keys, and submit nothing yet."""
        name, known = f"{file.id}-{self.rules.id}", self._known(hold.folder, manifest)
        collector = KeyCollector()
        with self.open_stream(bucket=manifest.destination_bucket, key=file.key) as stream:
            rows = collector.passing(hold.passing(told(read_rows(stream, file, manifest), file)))
            plan = write_shards(hold.folder, portions(rows, known, self.rules, bucket=self.bucket), name=name)
        if manifest.request.scope is Scope.BUCKET:
            hold.folder.write_keys(file.id, collector.collected())
        return plan

    def _submitted(self, run_id: str, plan: FilePlan) -> tuple[str, ...]:
        """Submit a plan's shards, unless the lane is paused."""
        if self._is_paused():
            return ()
        return tuple(submit_shards(self.jobs, shards) for shards in ranges(run_id, plan.name, shards=plan.shards))

    def _is_paused(self) -> bool:
        return self.runs.get(PAUSE_KEY) is not None

    def _submit_held_back(self, folder: RunFolder, plan: FilePlan) -> None:
        """Submit what a pause held back that is over by now; whoever ended it may not have seen the plan yet."""
        if plan.shards and not plan.jobs and not self._is_paused():
            for shards in missing_of(plan, frozenset(folder.done_names()), run_id=folder.run_id):
                folder.note_job(submit_shards(self.jobs, shards))

    def _sweep_if_due(self, folder: RunFolder, manifest: Manifest) -> None:
        """Submit the sweep when every CSV of a bucket's run is planned: one submission for each run.

        Raises:
            ConflictError: somebody else is about to.
        """
        whole = manifest.request.scope is Scope.BUCKET
        if not whole or is_behind(self.runs, manifest) or not is_planned(folder, manifest) or self._is_paused():
            return
        claim = folder.claim(SWEEP_RECORD, owner=self.owner, now_ms=self.clock.now_ms())
        if isinstance(claim, FilePlan):
            return
        hold = Hold(folder, claim, clock=self.clock, is_ending=self.is_ending)
        try:
            jobs = (submit_sweep(self.jobs, folder.run_id),)
        except BackfillError:
            hold.release()
            raise
        folder.complete(hold.claim, FilePlan(name=SWEEP_DONE, shards=0, counts=PlanCounts(), jobs=jobs))
        log.info("sweep.submitted", run_id=folder.run_id)
