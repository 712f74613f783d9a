"""The Batch child's wiring: the stages behind a reconciler, as they obey orders, over one run's folder."""

import dataclasses
import os
import secrets
import socket
from functools import partial

from batch_job.adapters.dynamodb import DynamoDbBudget, dynamodb_client
from batch_job.adapters.opensearch import open_client
from batch_job.adapters.opensearch_labels import OpenSearchLabelIndex
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.adapters.signing import auth_for
from batch_job.backfill.child import Child
from batch_job.backfill.orders import ObedientStages, Orders
from batch_job.backfill.shards import RunFolder
from batch_job.ledger.reconcile import Reconciler
from batch_job.metrics import Metrics
from batch_job.process import Pipeline
from batch_job.search.mappings import IndexNames
from batch_job.settings import JobSettings
from batch_job.spend.archive import Archive
from batch_job.spend.budget import Rate
from batch_job.spend.metered import Meter, MeteredDetector
from batch_job.tally import Tally
from batch_job.values.budget import Lane
from batch_job.values.work import Redo
from batch_job.wiring.doors import logged
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.run import Buckets, Run, archive_store, open_buckets, pipeline

REGION = "AWS_REGION"
"""Fargate sets it; boto3 reads ``AWS_DEFAULT_REGION`` alone, so it must be told."""


def open_child(settings: JobSettings, run_id: str) -> Child:
    """Connect a child to everything that the settings name; the indices must stand.

    What is done again although it is settled, the run's manifest says.

    Raises:
        SettingsError, AccessError: region or credentials are missing.
        InputError: there is no such run.
    """
    endpoints, tally = Endpoints(region=os.environ.get(REGION)), Tally()
    buckets = open_buckets(endpoints)
    bucket, _, prefix = settings.runs_uri.removeprefix("s3://").partition("/")
    runs = S3RunStore(buckets.client, bucket=bucket, prefix=prefix)
    folder = RunFolder(runs, run_id)
    run = Run(progress=tally, redo=folder.manifest().request.redo, id=run_id)
    archive = Archive(archive_store(settings.archive_uri, buckets))
    stages = pipeline(settings, endpoints, buckets, run, archive=archive)
    orders = Orders(runs)
    reconciler = _reconciler(
        settings, endpoints, buckets, ObedientStages(_metered(stages, settings, endpoints), orders), redo=run.redo
    )
    return Child(
        folder=folder,
        visit=partial(logged, reconciler.reconcile, tally=tally),
        orders=orders,
        tally=tally,
        lease_s=settings.lease_s,
        metrics=Metrics(stack=settings.stack, lane=settings.lane),
    )


def _reconciler(
    settings: JobSettings, endpoints: Endpoints, buckets: Buckets, stages: ObedientStages, *, redo: Redo
) -> Reconciler:
    auth = auth_for(settings.index_url, region=endpoints.region)
    client, names = open_client(settings.index_url, http_auth=auth), IndexNames(settings.index_prefix)
    return Reconciler(
        store=buckets.store,
        ledger=OpenSearchLedger(client, names),
        labels=OpenSearchLabelIndex(client, names, buckets.clock),
        processing=stages,
        clock=buckets.clock,
        settings=settings,
        owner=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        redo=redo,
    )


def _metered(stages: Pipeline, settings: JobSettings, endpoints: Endpoints) -> Pipeline:
    """Draw every call from the budget that all workers share, where there is one."""
    if not settings.budget_table:
        return stages
    meter = Meter(
        DynamoDbBudget(dynamodb_client(region=endpoints.region), table=settings.budget_table),
        lane=Lane.BACKFILL,
        rate=Rate(settings.backfill_calls_per_s),
        wanted=settings.calls_in_flight,
    )
    return dataclasses.replace(stages, detector=MeteredDetector(stages.detector, meter))
