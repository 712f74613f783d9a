"""A process in the place of a container: a session of its own, stopped as the service stops containers."""

import contextlib
import contextvars
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_GRACE_S = 30.0
"""From SIGTERM to SIGKILL, as on Fargate without a ``stopTimeout``."""
DRAIN_S = 5.0
"""How long to wait for the end of output once the whole group is dead; a process that left the session may hold it."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    code: int
    """128 + n for one that signal n ended."""
    is_timed_out: bool


class Container:
    """A running process and whatever it starts; its output is handed on line by line."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        write_line: Callable[[str], None],
        grace_s: float = STOP_GRACE_S,
    ) -> None:
        self._write_line = write_line
        self._grace_s = grace_s
        self._killer: threading.Timer | None = None
        self._process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        context = contextvars.copy_context()  # the emulator keeps account and region in context variables
        self._reader = threading.Thread(target=context.run, args=(self._read,), daemon=True)
        self._reader.start()

    def wait(self, timeout_s: float | None) -> Exit:
        """Wait for the end, stopping it when its time is up; nothing that it started outlives it."""
        is_timed_out = False
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            is_timed_out = True
            self.stop()
            code = self._process.wait()
        if self._killer is not None:
            self._killer.cancel()
        self.kill()
        self._reader.join(DRAIN_S)
        return Exit(code if code >= 0 else 128 - code, is_timed_out)

    def stop(self) -> None:
        """Ask it to end by SIGTERM, and kill it after the grace. Returns at once."""
        self._process.terminate()
        if self._killer is None:
            self._killer = threading.Timer(self._grace_s, self.kill)
            self._killer.daemon = True
            self._killer.start()

    def kill(self) -> None:
        """Kill it and all in its session's group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as lines:
            for line in lines:
                self._write_line(line.decode(errors="replace").rstrip("\r\n"))
