"""All hooks at once; imported only in the emulator's process, once its environment is set."""

import atexit
from pathlib import Path

from ministack.services import batch

from local.emulation import auth, batch_records, cloudformation, inventory_api, lambdas, waits
from local.emulation.batch_jobs import JobsApi
from local.emulation.entrypoint import read_entrypoint
from local.emulation.scheduler import Scheduler


def install(folder: Path, *, project: Path, max_processes: int) -> None:
    """Teach ministack what it lacks. To be called once, before it serves.

    Args:
        folder: The emulator's own folder.
        project: Where the Dockerfile is, if there is one.
        max_processes: Jobs that run at once.
    """
    auth.install(folder)
    lambdas.install()
    inventory_api.install()
    waits.install()
    cloudformation.install()
    _install_batch(Scheduler(read_entrypoint(project), max_processes=max_processes))


def _install_batch(scheduler: Scheduler) -> None:
    batch._DISPATCH.update(batch_records.routes(scheduler.start_what_fits))
    batch._DISPATCH.update(JobsApi(scheduler).routes())
    reset = batch.reset

    def reset_all() -> None:
        scheduler.clear()
        reset()

    batch.reset = reset_all
    atexit.register(scheduler.close)
