"""The Batch child's wiring: the stages behind a reconciler, as they obey orders, over a shard or one object."""

from functools import partial

from batch_job.backfill.child import Child, ShardFolder
from batch_job.backfill.objects import RUN_ID, OneObject
from batch_job.backfill.orders import Orders
from batch_job.backfill.shards import RunFolder
from batch_job.metrics import Metrics
from batch_job.settings import JobSettings
from batch_job.values.budget import Lane
from batch_job.values.work import Redo, WorkItem
from batch_job.wiring.deployed import Services, open_services
from batch_job.wiring.doors import logged


def open_child(settings: JobSettings, run_id: str) -> Child:
    """Connect a child of a run to everything that the settings name; the indices must stand.

    What is done again although it is settled, the run's manifest says.

    Raises:
        SettingsError, AccessError: region or credentials are missing.
        InputError: there is no such run.
    """
    services = open_services(settings, run_id=run_id)
    folder = RunFolder(services.runs, run_id)
    return _child(settings, services, folder, redo=folder.manifest().request.redo)


def open_object_child(settings: JobSettings, item: WorkItem) -> Child:
    """Connect a child that works on one object. Raises as ``open_child``."""
    return _child(settings, open_services(settings, run_id=RUN_ID), OneObject(item), redo=Redo.NOTHING)


def _child(settings: JobSettings, services: Services, folder: ShardFolder, *, redo: Redo) -> Child:
    lane = Lane(settings.lane)
    orders = Orders(services.runs, lane=lane)
    reconciler = services.reconciler(orders, lane=lane, redo=redo)
    return Child(
        folder=folder,
        visit=partial(logged, reconciler.reconcile, tally=services.tally),
        orders=orders,
        tally=services.tally,
        lease_s=settings.lease_s,
        metrics=Metrics(stack=settings.stack, lane=settings.lane),
    )
