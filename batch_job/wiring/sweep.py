"""The sweep's wiring: a reconciler as a child of a run has it, over one run's folder."""

from functools import partial

from batch_job.backfill.orders import Orders
from batch_job.backfill.shards import RunFolder
from batch_job.backfill.sweep import Sweep
from batch_job.metrics import Metrics
from batch_job.settings import JobSettings
from batch_job.values.budget import Lane
from batch_job.wiring.deployed import open_services
from batch_job.wiring.doors import log_unforgotten, visited


def open_sweep(settings: JobSettings, run_id: str) -> Sweep:
    """Connect a sweep to everything that the settings name; the indices must stand.

    Raises:
        SettingsError, AccessError: region or credentials are missing.
    """
    services = open_services(settings, run_id=run_id)
    orders = Orders(services.runs)
    reconciler = services.reconciler(orders, lane=Lane.BACKFILL)
    return Sweep(
        folder=RunFolder(services.runs, run_id),
        reconciler=reconciler,
        visit=partial(visited, reconciler.reconcile, tally=services.tally),
        tell=log_unforgotten,
        orders=orders,
        tally=services.tally,
        metrics=Metrics(stack=settings.stack, lane=settings.lane),
    )
