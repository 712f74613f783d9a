"""Signals held back while foreign code calls us back and swallows what we raise."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name))
"""Those whose handlers, here and in the Batch child, raise."""


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals that came inside the block come after it.

    A handler that raises inside a callback of GDAL would be lost, and the read that it broke taken for a broken image.
    """
    if threading.current_thread() is not threading.main_thread():  # no handler runs in other threads
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: handler for number in _HELD if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)
