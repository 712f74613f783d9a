"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is open is closed, what was done is reported."""

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class EndedBySignal(BaseException):
    """Somebody wants this process to end; runs every ``finally`` on its way, like ``KeyboardInterrupt``."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        """As shells have it."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise ``EndedBySignal`` in the block, for signals that nobody handles or ignores (``nohup``) already."""
    in_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in SIGNALS if in_main and signal.getsignal(number) == signal.SIG_DFL]

    def leave(number: int, _frame: FrameType | None) -> None:
        for other in numbers:  # both come when a terminal closes; the first is on its way already
            signal.signal(other, signal.SIG_IGN)
        if number == signal.SIGHUP:
            _leave_terminal()
        raise EndedBySignal(number)

    for number in numbers:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _leave_terminal() -> None:
    """Write to nowhere instead of a terminal that is gone: each line said on the way out would fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):  # no file, in a test
            continue
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
