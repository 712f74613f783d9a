"""An operator of a deployment in memory: for tests of commands, and for trying them out."""

import orjson

from batch_job.adapters.batch_lists import MemoryJobList
from batch_job.adapters.batch_unended import MemoryUnendedJobs
from batch_job.adapters.memory import ManualClock, MemoryArchiveStore, MemoryLedger, MemoryObjectStore
from batch_job.adapters.memory_failures import MemoryFailures
from batch_job.adapters.memory_runs import MemoryJobQueue, MemoryRunStore
from batch_job.adapters.queue_doors import MemoryDoor
from batch_job.adapters.sqs_depth import MemoryQueueDepth
from batch_job.settings import Output, PlannerSettings
from batch_job.values.deployment import Deployment
from batch_job.values.queues import Jobs, Messages
from batch_job.wiring.operator import Operator

BUCKET = "imagery"


def memory_deployment(name: str = "Mine") -> Deployment:
    """Make up what a stack's outputs would say."""
    settings = PlannerSettings(
        bucket=BUCKET,
        runs_uri="s3://data",
        index_url="https://index.example",
        plan_queue_url="https://queue.example/plan",
        job_queue=f"{name}-backfill",
        job_definition=f"{name}-backfill",
        stack=name,
    )
    own = {
        Output.IMAGERY_BUCKET: BUCKET,
        Output.REPORTS_BUCKET: "reports",
        Output.RUNS_URI: settings.runs_uri,
        Output.INDEX_URL: settings.index_url,
        Output.INDEX_PREFIX: settings.index_prefix,
        Output.SETTINGS: orjson.dumps(settings.to_env()).decode(),
    }
    outputs = {str(output): own.get(output, f"{name}-{output}") for output in Output}
    return Deployment.from_outputs(name, region="us-east-1", outputs=outputs)


def memory_operator(deployment: Deployment | None = None) -> Operator:
    """Give an operator whose every service is a shipped fake; ``dataclasses.replace`` puts others in their place."""
    at, runs, store = deployment or memory_deployment(), MemoryRunStore(), MemoryObjectStore()
    return Operator(
        deployment=at,
        runs=runs,
        objects=store,
        reports=MemoryArchiveStore(),
        clock=ManualClock(),
        backfill_jobs=MemoryJobQueue(),
        job_lists={queue: MemoryJobList() for queue in Jobs},
        unended=MemoryUnendedJobs(),
        depths={queue: MemoryQueueDepth() for queue in Messages},
        doors={queue: MemoryDoor() for queue in (Messages.PLAN, Messages.LIVE)},
        failures=MemoryFailures(MemoryLedger()),
    )
