"""The planner's wiring: buckets, ledger and queues, no pixels."""

import os
import secrets
import socket

from batch_job.adapters.batch import BatchJobQueue, batch_client
from batch_job.adapters.s3 import S3Clock, s3_client
from batch_job.adapters.s3_runs import S3RunStore, S3Streams
from batch_job.adapters.sqs import SqsMessageQueue, sqs_client
from batch_job.backfill.plan import Rules, Sizing
from batch_job.backfill.planner import Planner
from batch_job.metrics import Metrics
from batch_job.ports import Ledger
from batch_job.search.mappings import IndexNames
from batch_job.settings import PlannerSettings
from batch_job.wiring.area import with_area_digest
from batch_job.wiring.filters import filters_of

REGION = "AWS_REGION"
"""As in ``wiring/deployed.py``, which would bring all that reads pixels along."""


def open_planner(settings: PlannerSettings) -> Planner:
    """Connect a planner to everything that the settings name; one for each process.

    Raises:
        SettingsError, AccessError: region or credentials are missing, or the area of interest.
    """
    region = os.environ.get(REGION)
    s3 = s3_client(region=region)
    settings = with_area_digest(settings, s3)
    runs_bucket, _, runs_prefix = settings.runs_uri.removeprefix("s3://").partition("/")
    return Planner(
        open_stream=S3Streams(s3),
        runs=S3RunStore(s3, bucket=runs_bucket, prefix=runs_prefix),
        ledger=_open_ledger(settings, region=region),
        jobs=BatchJobQueue(batch_client(region=region), queue=settings.job_queue, definition=settings.job_definition),
        messages=SqsMessageQueue(sqs_client(region=region), url=settings.plan_queue_url),
        clock=S3Clock(s3),
        rules=rules_of(settings),
        bucket=settings.bucket,
        owner=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        metrics=Metrics(stack=settings.stack),
    )


def _open_ledger(settings: PlannerSettings, *, region: str | None) -> Ledger:
    # its client brings an HTTP library of its own: a fifth of what the planner's Lambda may take to import
    from batch_job.adapters.opensearch import open_client  # noqa: PLC0415
    from batch_job.adapters.opensearch_ledger import OpenSearchLedger  # noqa: PLC0415
    from batch_job.adapters.signing import auth_for  # noqa: PLC0415

    auth = auth_for(settings.index_url, region=region)
    return OpenSearchLedger(open_client(settings.index_url, http_auth=auth), IndexNames(settings.index_prefix))


def rules_of(settings: PlannerSettings) -> Rules:
    """Take what plans depend on from the settings."""
    sizing = Sizing(chip_stride_px=settings.chip_px - settings.overlap_px, max_chips=settings.shard_chips)
    return Rules(filters=filters_of(settings), sizing=sizing, index_fingerprint=settings.index_fingerprint)
