"""Work done in threads, a little ahead of who asks for it, and handed over in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from batch_job.errors import BackfillError

Given = TypeVar("Given")
Done = TypeVar("Done")

AHEAD = 2
"""Things for each thread: one in work, one that waits for it."""


def done_ahead(work: Callable[[Given], Done], given: Iterable[Given], *, threads: int) -> Iterator[Done]:
    """Yield ``work`` of each thing given, in order.

    At most ``2 * threads`` things are in work or wait to be handed over; what comes before is asked for in the
    caller's thread. An error is raised in its turn, after the results of the things before it.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as executor:
        waiting: deque[Future[Done]] = deque()
        try:
            for future in _submitted(executor, work, given):
                waiting.append(future)
                if len(waiting) >= AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _submitted(
    executor: ThreadPoolExecutor, work: Callable[[Given], Done], given: Iterable[Given]
) -> Iterator[Future[Done]]:
    """Put things into work; where getting one fails, its future has the error, and is the last."""
    try:
        for thing in given:
            yield executor.submit(work, thing)
    except BackfillError as error:
        failed: Future[Done] = Future()
        failed.set_exception(error)
        yield failed
