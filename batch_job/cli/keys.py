"""Keys that somebody presses while a display is up; no line has to be ended first."""

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WaitForKey = Callable[[float], str]
"""Waits so many seconds at most; gives the key pressed meanwhile, or nothing."""


@contextmanager
def keys() -> Iterator[WaitForKey]:
    """Listen to the terminal, and leave it as it was; without one there are no keys, only the waiting."""
    if not sys.stdin.isatty():
        yield sleep
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield _wait_for_key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def sleep(seconds: float) -> str:
    """Wait where nobody can press a key."""
    time.sleep(seconds)
    return ""


def _wait_for_key(seconds: float) -> str:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return sys.stdin.read(1) if ready else ""
