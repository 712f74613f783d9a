"""The state folder: a record and an output for each server, and a lock for whoever runs them."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from batch_job.errors import SetUpError
from local import processes
from local.processes import Running

STATE_FOLDER = Path(".local")

STOP_COMMAND = "make demo-stop"
"""What a person types to stop what was left up."""


def path(folder: Path, name: str) -> Path:
    """Say where a server is recorded."""
    return folder / f"{name}.json"


def forget(folder: Path, name: str) -> None:
    """Remove a stopped server's record and data; its output stays."""
    path(folder, name).unlink(missing_ok=True)
    shutil.rmtree(folder / name, ignore_errors=True)


def output(folder: Path, name: str) -> Path:
    """Say where a server's output goes."""
    return folder / f"{name}.log"


def write(folder: Path, running: Running) -> None:
    """Record a server, at once or not at all."""
    part = folder / f"{running.name}.json.part"
    part.write_bytes(running.to_json())
    part.replace(path(folder, running.name))


def read(file: Path) -> str:
    """Read a text that servers write; empty when there is none yet."""
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def left_over(state_folder: Path = STATE_FOLDER) -> list[Running]:
    """List the servers recorded in a state folder that still run."""
    found = []
    for record in sorted(state_folder.glob("*.json")):
        with contextlib.suppress(ValueError, TypeError, OSError):  # not one of ours, or gone
            found.append(Running.from_json(record.read_bytes()))
    return [running for running in found if processes.is_alive(running)]


def stop_left_over(state_folder: Path = STATE_FOLDER) -> list[Running]:
    """Stop the servers recorded in a state folder that still run, and forget them.

    Returns:
        Those that were stopped.
    """
    with processes.signals_held():
        stopped = processes.stop(left_over(state_folder))
        for running in stopped:
            forget(state_folder, running.name)
    return stopped


@contextlib.contextmanager
def own(folder: Path) -> Iterator[None]:
    """Hold the state folder; the lock goes with our process, however that ends.

    Raises:
        SetUpError: another run holds it, or left servers up in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        _take(lock, folder)
        if alive := left_over(folder):
            lines = [f"  {running.title}: {running.url or 'starting'}, pid {running.pid}" for running in alive]
            raise SetUpError(
                "\n".join([f"the servers of an earlier run are still up; `{STOP_COMMAND}` stops them", *lines])
            )
        yield


def _take(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SetUpError(
            f"another run uses {folder} at this moment: wait for its end, or stop its servers with `{STOP_COMMAND}`"
        ) from error
