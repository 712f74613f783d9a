"""One run of a whole bucket is active: a newer one takes its place, and takes back what waits."""

from collections.abc import Iterator

from batch_job.backfill.shards import SWEEP_RECORD, RunFolder, active_run
from batch_job.errors import InputError
from batch_job.ports import JobQueue, RunStore
from batch_job.values.inventory import Manifest, Scope
from batch_job.values.work import Redo


def is_superseded(runs: RunStore, manifest: Manifest) -> bool:
    """Tell whether a newer run does all that this one was to do.

    What is done again although it is settled, no newer run does; and a run of some keys stands beside the others.
    """
    return _is_repeatable(manifest) and is_behind(runs, manifest)


def is_behind(runs: RunStore, manifest: Manifest) -> bool:
    """Tell whether a newer run of the whole bucket is active."""
    active = active_run(runs, bucket=manifest.source_bucket)
    return active is not None and active > manifest.run_id


def _is_repeatable(manifest: Manifest) -> bool:
    return manifest.request.scope is Scope.BUCKET and manifest.request.redo is Redo.NOTHING


def call_off(folder: RunFolder, jobs: JobQueue) -> None:
    """Take back the jobs of an older run that wait, if the new run plans anew what they were to do."""
    try:
        manifest = folder.manifest()
    except InputError:
        return  # so old that its folder is gone
    if _is_repeatable(manifest):
        for job_id in _jobs(folder, manifest):
            jobs.cancel(job_id, reason="a newer inventory is planned")


def _jobs(folder: RunFolder, manifest: Manifest) -> Iterator[str]:
    for name in (*(file.id for file in manifest.files), SWEEP_RECORD):
        record = folder.record(name)
        if record is not None and record.plan is not None:
            yield from record.plan.jobs
    yield from folder.noted_jobs()
