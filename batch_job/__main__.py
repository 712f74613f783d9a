"""``python -m batch_job TASK WHAT``: what a Batch job runs; one task, then an exit code (``docs/failures.md``)."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from batch_job import logs
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.errors import BackfillError, TransientError
from batch_job.wiring.tasks import TASKS, OpenTask, Task, WrongUsageError

PATIENCE_S = 15
"""Of the 30 s from SIGTERM to SIGKILL (AWS Batch user guide, "Job timeouts"); the rest is for releasing the image."""
WRONG_USAGE = 2

log = structlog.get_logger()


def main(arguments: Sequence[str], environment: Mapping[str, str], tasks: Mapping[str, OpenTask] = TASKS) -> int:
    """Do one task; gives the exit code.

    Args:
        arguments: The task's name, and what it is asked for.
        environment: Holds the number of a child of an array.
        tasks: By name.
    """
    logs.configure()
    signal.signal(signal.SIGTERM, _leave)
    with structlog.contextvars.bound_contextvars(**_named(arguments)):
        try:
            task = _opened(arguments, environment, tasks)
        except WrongUsageError as error:
            return _not_begun(f"python -m batch_job {error}", WRONG_USAGE)
        except BackfillError as error:
            return _not_begun(f"{type(error).__name__}: {error}", error.exit_code)
        except Exception:
            log.exception("job.defect", exit_code=os.EX_SOFTWARE)
            return os.EX_SOFTWARE
    try:
        with _ended_in_order(task.orders):
            return task.run()
    except EndAtOnce:  # it came when the line of log was being written
        return TransientError.exit_code


def _named(arguments: Sequence[str]) -> Mapping[str, str]:
    """Name the job in its log until the task does."""
    return dict(zip(("task", "what"), arguments, strict=False))


def _opened(arguments: Sequence[str], environment: Mapping[str, str], tasks: Mapping[str, OpenTask]) -> Task:
    """Connect the task that is asked for.

    Raises:
        WrongUsageError: there is none such.
    """
    usage = f"TASK WHAT, where TASK is one of {', '.join(tasks)}"
    if len(arguments) != len(("TASK", "WHAT")):
        raise WrongUsageError(f"{usage}: {len(arguments)} arguments")
    name, what = arguments
    if name not in tasks:
        raise WrongUsageError(f"{usage}: {name!r}")
    return tasks[name](what, environment)


def _not_begun(error: str, exit_code: int) -> int:
    log.error("job.not_begun", error=error, exit_code=exit_code)
    return exit_code


def _leave(_number: int, _frame: object) -> None:
    """End before anything was begun."""
    sys.exit(TransientError.exit_code)


@contextmanager
def _ended_in_order(orders: Orders) -> Iterator[None]:
    """Have SIGTERM end the task: politely at first, and at once when it does not listen."""

    def end(_number: int, _frame: object) -> None:
        if not orders.ending:
            signal.alarm(PATIENCE_S)
        orders.end()

    def end_at_once(_number: int, _frame: object) -> None:
        orders.end_at_once()

    before = signal.signal(signal.SIGTERM, end), signal.signal(signal.SIGALRM, end_at_once)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGALRM, before[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
