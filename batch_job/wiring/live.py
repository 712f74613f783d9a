"""The live door's wiring: the stages behind a reconciler, and the live queue of jobs."""

import os
from dataclasses import dataclass
from functools import partial

from batch_job.adapters.batch import BatchJobQueue, batch_client
from batch_job.backfill.live import LiveDoor
from batch_job.backfill.objects import RUN_ID
from batch_job.backfill.orders import Orders
from batch_job.metrics import Metrics
from batch_job.ports import JobQueue
from batch_job.settings import LiveSettings
from batch_job.values.budget import Lane
from batch_job.wiring.deployed import REGION, Services, open_services
from batch_job.wiring.doors import logged, measured
from batch_job.wiring.filters import filters_of


@dataclass(frozen=True, slots=True)
class Live:
    """Connections that one process keeps."""

    settings: LiveSettings
    services: Services
    jobs: JobQueue

    def door(self, *, time_s: float) -> LiveDoor:
        """Open the door for one invocation; what it knows of pause and budget is no older than that.

        Args:
            time_s: After so much it hands back what it holds.
        """
        orders = Orders(self.services.runs, lane=Lane.LIVE)
        orders.end_after(time_s)
        tally = self.services.tally
        visit = partial(logged, self.services.reconciler(orders, lane=Lane.LIVE).reconcile, tally=tally)
        metrics = Metrics(stack=self.settings.stack, lane=str(Lane.LIVE))
        return LiveDoor(
            store=self.services.buckets.store,
            visit=partial(measured, visit, tally=tally, metrics=metrics),
            jobs=self.jobs,
            orders=orders,
            filters=filters_of(self.settings),
            bucket=self.settings.bucket,
            max_bytes=self.settings.max_live_bytes,
        )


def open_live(settings: LiveSettings) -> Live:
    """Connect to everything that the settings name; the indices must stand.

    Raises:
        SettingsError, AccessError: region or credentials are missing.
    """
    batch = batch_client(region=os.environ.get(REGION))
    jobs = BatchJobQueue(batch, queue=settings.live_job_queue, definition=settings.live_job_definition)
    return Live(settings, open_services(settings, run_id=RUN_ID), jobs)
