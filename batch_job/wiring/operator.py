"""An operator's wiring: everything of a deployed stack that a person watches or steers, by the stack's name."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from batch_job.adapters.batch import BatchJobQueue, batch_client
from batch_job.adapters.batch_lists import BatchJobList
from batch_job.adapters.batch_unended import BatchUnendedJobs
from batch_job.adapters.event_sources import lambda_client
from batch_job.adapters.opensearch import open_client
from batch_job.adapters.opensearch_search import OpenSearchSearch
from batch_job.adapters.queue_doors import QueueDoor
from batch_job.adapters.s3 import Payer, S3ArchiveStore, S3Clock, S3ObjectStore, s3_client
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.adapters.signing import auth_for
from batch_job.adapters.sqs import sqs_client
from batch_job.adapters.sqs_depth import SqsQueueDepth
from batch_job.adapters.stack import StackOutputs, assumed, own_session
from batch_job.ports import (
    ArchiveStore,
    Clock,
    Door,
    FailureList,
    JobList,
    JobQueue,
    ObjectStore,
    QueueDepth,
    RunStore,
    UnendedJobs,
)
from batch_job.search.mappings import IndexNames
from batch_job.values.deployment import Deployment
from batch_job.values.queues import Jobs, Messages
from batch_job.wiring.endpoints import Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A deployment's services, as its operator's role may use them; close it after use."""

    deployment: Deployment
    runs: RunStore
    """Root of ``runs/``, ``active/`` and ``control/``."""
    objects: ObjectStore
    """Heads and lists the imagery."""
    reports: ArchiveStore
    """The reports bucket; the role may write below ``listings/``."""
    clock: Clock
    backfill_jobs: JobQueue
    job_lists: Mapping[Jobs, JobList]
    unended: UnendedJobs
    """Of ``backfill_jobs``."""
    depths: Mapping[Messages, QueueDepth]
    doors: Mapping[Messages, Door]
    """Of the queues that functions work on."""
    failures: FailureList
    on_close: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Let go of connections."""
        self.on_close.close()

    def __enter__(self) -> Self:
        """Give itself, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of connections."""
        self.close()


@dataclass(frozen=True, slots=True)
class Found:
    """A stack, and a session of its operator's role."""

    deployment: Deployment
    session: Any

    def endpoints(self) -> Endpoints:
        """Give what searching and drawing need."""
        return Endpoints(
            index_url=self.deployment.index_url,
            index_prefix=self.deployment.index_prefix,
            archive_uri=self.deployment.archive_uri,
            region=self.deployment.region,
            requester_pays=self.deployment.planner_settings().requester_pays,
            session=self.session,
        )


def find_stack(name: str, *, region: str | None = None) -> Found:
    """Find a stack by its name, and assume its operator's role.

    Args:
        name: The stack's.
        region: None: as boto3 finds it.

    Raises:
        SetUpError: there is none of this name there, or it does not stand.
        AccessError, SettingsError: credentials, permissions or Region are missing.
        UnavailableError: it is being made.
    """
    own = own_session(region=region)
    deployment = StackOutputs(own).find(name)
    return Found(deployment, assumed(own, deployment.operator_role))


def open_operator(stack: str, *, region: str | None = None, index_url: str | None = None) -> Operator:
    """Connect to everything that a stack's outputs name; raises as ``find_stack``.

    Args:
        stack: Its name.
        region: None: as boto3 finds it.
        index_url: Taken instead of the stack's own; for stand-ins, which speak http.
    """
    return connect(find_stack(stack, region=region), index_url=index_url)


def connect(found: Found, *, index_url: str | None = None) -> Operator:
    """Connect to what ``found`` names; nothing is sent yet."""
    at, session = found.deployment, found.session
    s3, batch, sqs = s3_client(session=session), batch_client(session=session), sqs_client(session=session)
    functions = lambda_client(session=session)
    url = index_url or at.index_url
    index = open_client(url, http_auth=auth_for(url, region=at.region, session=session))
    payer = Payer.REQUESTER if at.planner_settings().requester_pays else Payer.OWNER
    runs_bucket, _, runs_prefix = at.runs_uri.removeprefix("s3://").partition("/")
    urls = {
        Messages.PLAN: at.plan_queue_url,
        Messages.PLAN_DEAD_LETTERS: at.plan_dead_letters_url,
        Messages.LIVE: at.live_queue_url,
        Messages.LIVE_DEAD_LETTERS: at.live_dead_letters_url,
    }
    operator = Operator(
        deployment=at,
        runs=S3RunStore(s3, bucket=runs_bucket, prefix=runs_prefix),
        objects=S3ObjectStore(s3, payer=payer),
        reports=S3ArchiveStore(s3, bucket=at.reports_bucket, prefix=""),
        clock=S3Clock(s3),
        backfill_jobs=BatchJobQueue(batch, queue=at.job_queue, definition=at.job_definition),
        job_lists={
            Jobs.BACKFILL: BatchJobList(batch, queue=at.job_queue),
            Jobs.LIVE: BatchJobList(batch, queue=at.live_job_queue),
        },
        unended=BatchUnendedJobs(batch, queue=at.job_queue),
        depths={queue: SqsQueueDepth(sqs, url=url) for queue, url in urls.items()},
        doors={queue: QueueDoor(sqs, functions, urls[queue]) for queue in (Messages.PLAN, Messages.LIVE)},
        failures=OpenSearchSearch(index, IndexNames(at.index_prefix)),
    )
    for client in (s3, batch, sqs, functions, index):
        operator.on_close.callback(client.close)
    return operator
