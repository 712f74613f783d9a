"""Processes that outlive a mistake: started with a record on disk, and stopped only if they are still the same."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Self

import orjson
import psutil

from local.recipes import Command

SAME_START_S = 2.0
"""Two readings of one start may differ by this: the kernel counts from a boot time that the clock corrects."""

STOP_S = 8.0
"""How long a server may take to end by itself; the emulator needs 1.3 s, OpenSearch under load 0.4 s."""

POLL_S = 0.05

HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that we started, as recorded in the state folder."""

    name: str
    title: str
    pid: int
    started: float
    """Its start, s since 1970: with the pid it names the process for ever, a pid alone comes back."""
    url: str = ""
    """Where it answers; empty until it does."""

    def to_json(self) -> bytes:
        """Encode as the content of its record."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Decode what ``to_json`` wrote.

        Raises:
            ValueError, TypeError: this is not one.
        """
        return cls(**orjson.loads(text))


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Put off Ctrl-C and its like until the end, so that no process is started unrecorded or left half stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)

    before = {held: signal.signal(held, note) for held in HELD_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(noted):
            signal.raise_signal(late)


def start(command: Command, *, output: Path) -> subprocess.Popen[bytes]:
    """Start a process in its own session, so that a terminal's Ctrl-C reaches only us; its output goes to a file."""
    with output.open("wb") as file:
        return subprocess.Popen(
            command.argv,
            env=dict(command.env),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def started_at(pid: int) -> float:
    """Tell when a process started, s since 1970; 0 when there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def is_alive(running: Running) -> bool:
    """Tell whether the recorded process, not another one with its pid, still runs."""
    try:
        process = psutil.Process(running.pid)
        if abs(process.create_time() - running.started) > SAME_START_S:
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def listens(running: Running, port: int) -> bool:
    """Tell whether the process itself holds the port, so that nobody else's server is taken for ours."""
    try:
        connections = psutil.Process(running.pid).net_connections("inet")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def stop(processes: Iterable[Running]) -> list[Running]:
    """Stop what is still the recorded process: all are asked at once, and killed when they do not listen.

    Returns:
        Those that were alive.
    """
    alive = [running for running in processes if is_alive(running)]
    for running in alive:
        _signal(running.pid, signal.SIGTERM)
    if not _ended(alive, within_s=STOP_S):
        for running in filter(is_alive, alive):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)  # it leads its own session, so this is its group
        _ended(alive, within_s=STOP_S)
    return alive


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _ended(processes: list[Running], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(is_alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
