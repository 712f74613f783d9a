"""``python -m batch_job SHARDS``: what a Batch job runs; one shard, then an exit code (``docs/failures.md``)."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from batch_job import logs
from batch_job.backfill.child import Child
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.errors import BackfillError, TransientError
from batch_job.settings import JobSettings
from batch_job.values.work import ShardRange
from batch_job.wiring.job import open_child

CHILD_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
"""Set in children of array jobs alone: AWS Batch user guide, "Job environment variables"."""
PATIENCE_S = 15
"""Of the 30 s from SIGTERM to SIGKILL (AWS Batch user guide, "Job timeouts"); the rest is for releasing the image."""
WRONG_USAGE = 2

log = structlog.get_logger()

OpenChild = Callable[[JobSettings, str], Child]


def main(arguments: Sequence[str], environment: Mapping[str, str], connect: OpenChild = open_child) -> int:
    """Work through one shard; gives the exit code.

    Args:
        arguments: One: the job's shards, as ``ShardRange.to_text`` gives them.
        environment: Holds the child's number.
        connect: Gives a child of a run.
    """
    logs.configure()
    signal.signal(signal.SIGTERM, _leave)
    try:
        run_id, name = _which_shard(arguments, environment)
    except ValueError as error:
        return _not_begun(f"python -m batch_job RUN/PLAN/FIRST/COUNT: {error}", WRONG_USAGE)
    try:
        settings = JobSettings.load()
        logs.configure(settings.log_level)
        child = connect(settings, run_id)
    except BackfillError as error:
        return _not_begun(f"{type(error).__name__}: {error}", error.exit_code, run_id=run_id, shard=name)
    except Exception:
        log.exception("shard.defect", run_id=run_id, shard=name)
        return os.EX_SOFTWARE
    try:
        with _ended_in_order(child.orders):
            return child.run(name).exit_code
    except EndAtOnce:  # it came when the line of log was being written
        return TransientError.exit_code


def _which_shard(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[str, str]:
    """Give the run and the name of the shard.

    Raises:
        ValueError: there is none.
    """
    [text] = arguments
    shards = ShardRange.from_text(text)
    return shards.run_id, shards.name(int(environment.get(CHILD_INDEX, "0")))


def _not_begun(error: str, exit_code: int, *, run_id: str | None = None, shard: str | None = None) -> int:
    log.error("shard.not_begun", run_id=run_id, shard=shard, error=error, exit_code=exit_code)
    return exit_code


def _leave(_number: int, _frame: object) -> None:
    """End before anything was begun."""
    sys.exit(TransientError.exit_code)


@contextmanager
def _ended_in_order(orders: Orders) -> Iterator[None]:
    """Have SIGTERM end the child: politely at first, and at once when it does not listen."""

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
