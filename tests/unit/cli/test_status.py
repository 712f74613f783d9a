"""The command ``status``: once or again and again, for people and programs."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from batch_job.backfill.concerns import concerns
from batch_job.backfill.pausing import Paused, pause
from batch_job.cli import keys
from batch_job.cli import status as command
from batch_job.cli.status import to_json
from batch_job.cli.status_view import line, screen
from batch_job.errors import UnavailableError
from batch_job.wiring.memory_operator import memory_operator
from batch_job.wiring.operator import Operator
from tests.end_to_end.user import imagery_backfill
from tests.unit.backfill.statuses import STATUSES, run, status

NARROWEST, USUAL, WIDE = 40, 80, 200
SCREEN_ROWS = 24


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    """What the command connects to."""
    made = memory_operator()

    @contextmanager
    def named(_given: Any) -> Iterator[Operator]:
        yield made

    monkeypatch.setattr(command, "named_operator", named)
    return made


def shown(name: str, *, width: int) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(screen(STATUSES[name]))
    return capture.get()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [NARROWEST, USUAL, WIDE])
@pytest.mark.parametrize("name", sorted(STATUSES))
def test_every_concern_and_cure_is_on_the_screen_in_whole(name: str, width: int):
    text = shown(name, width=width)
    assert all(len(one) <= width for one in text.splitlines())
    together = words(text)
    for one in concerns(STATUSES[name]):
        assert words(one.text) in together
        assert words(one.cure) in together


@pytest.mark.parametrize("name", sorted(set(STATUSES) - {"finished_and_a_part"}))
def test_one_screen_holds_it(name: str):
    assert len(shown(name, width=USUAL).splitlines()) <= SCREEN_ROWS


def test_what_wants_a_person_comes_before_the_figures():
    lines = shown("planner_failed", width=USUAL).splitlines()
    assert lines[1].startswith("! 2 messages given up in plan_dead_letters")
    assert words(shown("at_work", width=USUAL)).startswith("Mine 2026-11-21 18:33:20 UTC nothing wants attention")


@pytest.mark.parametrize(
    "fact",
    [
        "61 % about 23 min left",
        "3 of 3 planned; sweep due",
        "12,345: 10,000 new, 45 changed, 2,300 unchanged",
        "6,210 done, 12 failed, 3,823 left",
        "31 of 50 done, the last 2 min ago",
        "123,456, 3.9/s (20 shards in 25 min); 20,468 blank chips not sent; 98,765 labels",
        "10 unreadable, 2 too_large",
        "Backfill jobs 17 runnable, 1 starting, 2 running, 31 succeeded",
        "Live jobs empty",
        "imagery-backfill --stack Mine failures list",
    ],
)
def test_figures_of_a_run_at_work(fact: str):
    assert fact in words(shown("at_work", width=USUAL))


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("large", "1,133,333,332: 123,456,789 new, 9,876,543 changed, 1,000,000,000 unchanged"),
        ("large", "45 % of what is planned about 318 days left"),
        ("large", "123,456 waiting, 1,000 in flight, 33 delayed"),
        ("paused", "61 % paused"),
        ("no_machine", "0 % time left unknown"),
        ("planner_failed", "100 % of what is planned time left unknown"),
        ("planner_failed", "Plan queue empty; 2 given up"),
        ("shut", "7 waiting; its door is shut"),
        ("unknown", "Live jobs not known"),
        ("unknown", "Failed images: not known"),
        ("finished_and_a_part", "a part of the bucket, redo detection"),
        ("finished_and_a_part", "Swept 4 removed"),
        ("nothing_yet", "No image of the bucket is recorded as failed."),
    ],
)
def test_figures_of_other_days(name: str, fact: str):
    assert fact in words(shown(name, width=WIDE))


def test_a_hundred_percent_is_said_when_nothing_is_left():
    almost = status(run=run(images={"indexed": 10_044}))
    console = Console(width=USUAL)
    with console.capture() as capture:
        console.print(screen(almost))
    assert " 99 %" in capture.get()


def test_a_line_holds_the_essence():
    assert line(STATUSES["no_machine"]) == (
        "2026-11-21T18:33:20Z  Mine  "
        "run 20261121T010203Z-abcd1234: 0 done, 0 failed, 10,045 left, time left unknown  "
        "backfill jobs: 50 waiting, 0 at work  live jobs: 1 waiting, 0 at work  "
        "! no machine for 50 backfill jobs, the oldest 120 min old  "
        "! no machine for 1 live job, the oldest 60 min old  ! 2 live jobs of the last day gave up"
    )


def test_the_screen_is_printed_once_and_without_colours_in_a_pipe(operator: Operator):
    done = imagery_backfill("status")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "no inventory has come yet" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_is_one_object(operator: Operator):
    pause(operator.runs, Paused.BACKFILL)
    found = json.loads(imagery_backfill("status", "--json").stdout)
    assert found["paused"] == {"backfill": True, "live": False}
    assert [one["what"] for one in found["concerns"]] == ["paused", "overdue"]
    assert found.keys() == to_json(STATUSES["at_work"]).keys()


def test_a_run_that_is_none_is_wrong_usage(operator: Operator):
    done = imagery_backfill("status", "--run", "nothing")
    assert done.exit_code == 2
    assert "there is no run nothing" in done.stderr


def test_what_is_not_known_gives_the_code_of_try_again(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    def away(_queue: object) -> None:
        raise UnavailableError("listing jobs of q: timed out")

    monkeypatch.setattr(type(operator.failures), "failure_counts", lambda *_: away(None))
    done = imagery_backfill("status")
    assert done.exit_code == 75
    assert "failed_images is not known: listing jobs of q: timed out" in done.stdout


def test_without_a_stack_the_command_line_is_told():
    done = imagery_backfill("status")
    assert done.exit_code == 2
    assert "imagery-backfill --stack NAME status" in done.stderr


class Seen:
    """Waits no time, and leaves after some looks as a person does."""

    def __init__(self, looks: int, leave: Any) -> None:
        self.left, self._leave = looks, leave

    def __call__(self, _seconds: float) -> str:
        self.left -= 1
        return self._leave() if not self.left else ""


def interrupted() -> str:
    raise KeyboardInterrupt


def test_watching_in_a_pipe_gives_a_line_each_time(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "sleep", Seen(3, interrupted))
    done = imagery_backfill("status", "--watch")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("no inventory has come yet" in one for one in lines)


def test_watching_as_json_gives_an_object_a_line(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "sleep", Seen(2, interrupted))
    done = imagery_backfill("status", "--watch", "--json")
    assert [json.loads(one)["stack"] for one in done.stdout.splitlines()] == ["Mine", "Mine"]


def test_a_look_that_fails_is_made_again():
    looks = iter([UnavailableError("away"), STATUSES["paused"]])

    def look() -> Any:
        one = next(looks)
        if isinstance(one, Exception):
            raise one
        return one

    seen = list(command._looks(STATUSES["at_work"], look, Seen(3, lambda: command.QUIT)))
    assert seen == [(STATUSES["at_work"], ""), (STATUSES["at_work"], "away"), (STATUSES["paused"], "")]


ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
"""The alternate screen."""

ON_A_TERMINAL = """
from contextlib import contextmanager
from batch_job.cli import main, status
from batch_job.wiring.memory_operator import memory_operator
@contextmanager
def named(given):
    yield memory_operator()
status.named_operator = named
main(["status", "--watch"])
"""


@pytest.mark.parametrize("pressed", [b"q", b"\x03"])
def test_on_a_terminal_a_key_leaves_it_as_it_was(pressed: bytes):
    ours, theirs = pty.openpty()
    before = keys.termios.tcgetattr(theirs)
    program = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509  Ctrl-C needs a terminal of the program's own
    )  # fmt: skip
    try:
        seen = _read(ours, lambda seen: b"q: leave" in seen)
        os.write(ours, pressed)
        seen += _read(ours, lambda seen: b"is recorded as failed." in seen.partition(LEFT)[2])
        assert program.wait(timeout=20) == 0
    finally:
        program.kill()
        program.wait()
    assert ENTERED in seen  # an alternate screen: the lines above stay as they were
    assert keys.termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def _take_terminal() -> None:
    """Make standard input the terminal that Ctrl-C comes from, and have it heard though these tests may ignore it."""
    import fcntl

    fcntl.ioctl(0, keys.termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read(descriptor: int, enough: Callable[[bytes], bool]) -> bytes:
    seen = b""
    while not enough(seen):
        ready, _, _ = select.select([descriptor], [], [], 30)
        assert ready, seen
        seen += os.read(descriptor, 65536)
    return seen
