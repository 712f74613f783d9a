"""What every worker of a deployment connects to, and the reconciler over it."""

import dataclasses
import os
import secrets
import socket
from dataclasses import dataclass

from batch_job.adapters.dynamodb import DynamoDbBudget, dynamodb_client
from batch_job.adapters.opensearch import open_client
from batch_job.adapters.opensearch_labels import OpenSearchLabelIndex
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.adapters.signing import auth_for
from batch_job.backfill.orders import ObedientStages, Orders
from batch_job.ledger.reconcile import Reconciler
from batch_job.ports import BudgetStore
from batch_job.process import Pipeline
from batch_job.search.mappings import IndexNames
from batch_job.settings import JobSettings, LiveSettings
from batch_job.spend.archive import Archive
from batch_job.spend.budget import Rate
from batch_job.spend.metered import Meter, MeteredDetector
from batch_job.tally import Tally
from batch_job.values.budget import Lane
from batch_job.values.work import Redo
from batch_job.wiring.area import with_area
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.run import Buckets, Run, archive_store, open_buckets, pipeline

REGION = "AWS_REGION"
"""Fargate sets it; boto3 reads ``AWS_DEFAULT_REGION`` alone, so it must be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """A worker's connections, for as long as its process lives; nothing here remembers what it was told."""

    settings: JobSettings | LiveSettings
    buckets: Buckets
    runs: S3RunStore
    ledger: OpenSearchLedger
    labels: OpenSearchLabelIndex
    stages: Pipeline
    """Their detector draws from no budget yet."""
    budget: BudgetStore | None
    """None: calls are not limited together."""
    tally: Tally
    """What the stages count into."""
    owner: str
    """New for every process, and a process visits one image at a time."""

    def reconciler(self, orders: Orders, *, lane: Lane, redo: Redo = Redo.NOTHING) -> Reconciler:
        """Make a reconciler that obeys orders and draws each call from its lane of the budget."""
        return Reconciler(
            store=self.buckets.store,
            ledger=self.ledger,
            labels=self.labels,
            processing=ObedientStages(self._metered(lane), orders),
            clock=self.buckets.clock,
            settings=self.settings,
            owner=self.owner,
            redo=redo,
        )

    def _metered(self, lane: Lane) -> Pipeline:
        if self.budget is None:
            return self.stages
        settings = self.settings
        calls_per_s = {Lane.BACKFILL: settings.backfill_calls_per_s, Lane.LIVE: settings.live_calls_per_s}[lane]
        meter = Meter(self.budget, lane=lane, rate=Rate(calls_per_s), wanted=settings.calls_in_flight)
        return dataclasses.replace(self.stages, detector=MeteredDetector(self.stages.detector, meter))


def open_services(settings: JobSettings | LiveSettings, *, run_id: str) -> Services:
    """Connect to everything that the settings name; the indices must stand.

    Raises:
        SettingsError, AccessError: region or credentials are missing, or the area of interest.
    """
    endpoints = Endpoints(region=os.environ.get(REGION), requester_pays=settings.requester_pays, dem=settings.dem)
    tally = Tally()
    buckets = open_buckets(endpoints)
    settings, area = with_area(settings, buckets.client)
    bucket, _, prefix = settings.runs_uri.removeprefix("s3://").partition("/")
    auth = auth_for(settings.index_url, region=endpoints.region)
    client, names = open_client(settings.index_url, http_auth=auth), IndexNames(settings.index_prefix)
    archive = Archive(archive_store(settings.archive_uri, buckets))
    return Services(
        settings=settings,
        buckets=buckets,
        runs=S3RunStore(buckets.client, bucket=bucket, prefix=prefix),
        ledger=OpenSearchLedger(client, names),
        labels=OpenSearchLabelIndex(client, names, buckets.clock),
        stages=pipeline(settings, endpoints, buckets, Run(progress=tally, id=run_id, area=area), archive=archive),
        budget=_budget(settings, endpoints),
        tally=tally,
        owner=f"{socket.gethostname()}-{secrets.token_hex(4)}",
    )


def _budget(settings: JobSettings | LiveSettings, endpoints: Endpoints) -> BudgetStore | None:
    if not settings.budget_table:
        return None
    return DynamoDbBudget(dynamodb_client(region=endpoints.region), table=settings.budget_table)
