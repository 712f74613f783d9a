"""The stand-ins of one machine: started side by side, recorded in a state folder, stopped whatever happens."""

import contextlib
import http.client
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from batch_job.errors import SetUpError
from local import processes, records
from local.emulation.addresses import ENDPOINT_VARIABLE
from local.emulator import EMULATOR, emulator
from local.opensearch import OPENSEARCH
from local.processes import Running
from local.recipes import Command, Recipe, Say, clean_environment
from local.records import STATE_FOLDER, left_over, stop_left_over

__all__ = ["ALL", "REKOGNITION", "STATE_FOLDER", "Servers", "StandIns", "left_over", "say_nothing", "stop_left_over"]

STARTS = 3
"""A port that was free may be taken a moment later; then another one is tried, so many times in all."""

PORT_TAKEN = "already in use"
"""In the output, in lower case, of every server that found its port taken."""

LAST_LINES = 12
"""Lines of a server's output that go into the message of a failed start."""

ANSWER_WITHIN_S = 10
POLL_S = 0.05


def _rekognition(folder: Path, _say: Say) -> Command:
    ports_file = folder / "port"
    return Command(
        argv=(sys.executable, "-m", "local.rekognition", "--port", "0", "--ports-file", str(ports_file)),
        env=clean_environment(),
        cwd=folder,
        ports_file=ports_file,
    )


REKOGNITION = Recipe(
    name="rekognition",
    title="Rekognition stand-in",
    prepare=_rekognition,
    health_path="/",
    within_s=60.0,
    causes={"No module named": "a package is missing: pip install 'imagery-backfill[local]'"},
)

ALL = (OPENSEARCH, REKOGNITION, EMULATOR)

Addresses = Mapping[str, str]
"""URLs of servers that are ready, by their recipes' names."""


def say_nothing(_line: str) -> None:
    """Take a line of progress, and keep it to oneself."""


def _nothing_more(_ready: Addresses) -> Sequence[Recipe]:
    return ()


@dataclass(slots=True)
class _Started:
    """A server between its start and its end, in the process that started it."""

    recipe: Recipe
    command: Command
    process: subprocess.Popen[bytes]
    running: Running
    since: float
    starts: int


class Servers:
    """Servers with a state folder, as a context: up inside, stopped after it, unless ``keep`` was called.

    Ctrl-C, SIGTERM and SIGHUP end the context like any error. After ``kill -9`` the records remain, and
    ``stop_left_over`` stops the servers.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        state_folder: Path = STATE_FOLDER,
        *,
        then: Callable[[Addresses], Sequence[Recipe]] = _nothing_more,
        say: Say = say_nothing,
    ) -> None:
        """Name what is started side by side, and ``then``, told the addresses of these, what is started after them."""
        self._recipes = recipes
        self._then = then
        self._folder = state_folder.resolve()
        self._say = say
        self._started: dict[str, _Started] = {}
        self._open = contextlib.ExitStack()
        self._kept = False

    def __enter__(self) -> Self:
        """Start all, and return when all are ready.

        Raises:
            SetUpError: one does not start, or some are up already; nothing that was started is left.
        """
        with contextlib.ExitStack() as opened:
            opened.enter_context(records.own(self._folder))
            opened.enter_context(_ended_by_signals())
            opened.callback(self._stop)
            self._start_all(self._recipes)
            self._start_all(self._then({name: one.running.url for name, one in self._started.items()}))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started, unless it is kept."""
        self._open.close()

    def url(self, recipe: Recipe) -> str:
        """Give the address of one of the servers, like ``http://127.0.0.1:41931``."""
        return self._started[recipe.name].running.url

    def keep(self) -> None:
        """Leave the servers up after the context; ``stop_left_over`` stops them."""
        self._kept = True

    def _start_all(self, recipes: Sequence[Recipe]) -> None:
        for recipe in recipes:
            self._start(recipe, starts=1)
        self._wait_until_ready({recipe.name for recipe in recipes})

    def _start(self, recipe: Recipe, *, starts: int) -> None:
        self._say(f"starting {recipe.title}")
        folder = self._folder / recipe.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = recipe.prepare(folder, self._say)
        with processes.signals_held():
            process = processes.start(command, output=records.output(self._folder, recipe.name))
            running = Running(
                name=recipe.name, title=recipe.title, pid=process.pid, started=processes.started_at(process.pid)
            )
            self._started[recipe.name] = _Started(recipe, command, process, running, time.monotonic(), starts)
            records.write(self._folder, running)

    def _wait_until_ready(self, waiting: set[str]) -> None:
        while waiting:
            for name in sorted(waiting):
                if self._is_ready(self._started[name]):
                    waiting.remove(name)
            time.sleep(POLL_S)

    def _is_ready(self, one: _Started) -> bool:
        if one.process.poll() is not None:
            self._start_again(one)
            return False
        if time.monotonic() - one.since > one.recipe.within_s:
            raise SetUpError(self._failure(one.recipe, f"is not ready after {one.recipe.within_s:.0f} s"))
        port = _port(one.command.ports_file)
        if port is None or not processes.listens(one.running, port) or not _answers(port, one.recipe.health_path):
            return False
        one.running = replace(one.running, url=f"http://127.0.0.1:{port}")
        records.write(self._folder, one.running)
        self._say(f"{one.recipe.title} is ready: {one.running.url} ({time.monotonic() - one.since:.1f} s)")
        return True

    def _start_again(self, one: _Started) -> None:
        text = records.read(records.output(self._folder, one.recipe.name))
        if PORT_TAKEN not in text.lower() or one.starts == STARTS:
            raise SetUpError(self._failure(one.recipe, f"ended with exit code {one.process.returncode}"))
        self._start(one.recipe, starts=one.starts + 1)

    def _failure(self, recipe: Recipe, what: str) -> str:
        output = records.output(self._folder, recipe.name)
        text = records.read(output)
        causes = [meaning for piece, meaning in recipe.causes.items() if piece in text]
        why = f": {'; '.join(causes)}" if causes else ""
        lines = [f"  {line}" for line in text.splitlines()[-LAST_LINES:]]
        return "\n".join([f"{recipe.title} {what}{why}", f"the last lines of {output}:", *lines])

    def _stop(self) -> None:
        started = list(self._started.values())
        if self._kept:
            for one in started:
                one.process.returncode = 0  # it outlives us: Python is not to complain that nobody waited for it
            return
        with processes.signals_held():
            processes.stop(one.running for one in started)
            for one in started:
                one.process.wait(processes.STOP_S)
                records.forget(self._folder, one.recipe.name)
        self._started.clear()


class StandIns(Servers):
    """All stand-ins: a real OpenSearch server, Rekognition, and an emulator of AWS that knows where these two are."""

    def __init__(self, state_folder: Path = STATE_FOLDER, *, say: Say = say_nothing) -> None:
        super().__init__((OPENSEARCH, REKOGNITION), state_folder, then=_emulator_beside, say=say)

    @property
    def opensearch_url(self) -> str:
        """Where OpenSearch answers."""
        return self.url(OPENSEARCH)

    @property
    def aws_endpoint(self) -> str:
        """Where S3 and the other services answer; ``local.emulator.aws_environment`` gives clients the rest."""
        return self.url(EMULATOR)

    @property
    def rekognition_url(self) -> str:
        """Where the Rekognition stand-in answers."""
        return self.url(REKOGNITION)


def _emulator_beside(ready: Addresses) -> Sequence[Recipe]:
    """Have workers of the emulator find the other stand-ins: domains are the one server, Rekognition is the other."""
    return (
        emulator(
            {
                ENDPOINT_VARIABLE: ready[OPENSEARCH.name].partition("//")[2],
                "AWS_ENDPOINT_URL_REKOGNITION": ready[REKOGNITION.name],
            }
        ),
    )


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exit that runs every ``finally`` on its way, where nobody else handles them."""
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _port(ports_file: Path) -> int | None:
    first = records.read(ports_file).partition("\n")[0]
    digits = first.rpartition(":")[2]
    return int(digits) if digits.isdigit() else None


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
