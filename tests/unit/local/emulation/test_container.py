import os
import queue
import sys

import pytest

from local.emulation.container import Container

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def run(tmp_path):
    """Starts Python with a program; its lines come out of a queue."""
    lines: queue.Queue[str] = queue.Queue()

    def run(program, **more):
        env = {**os.environ, "WORD": "héllo"}
        argv = [sys.executable, "-c", program]
        return Container(argv, env=env, cwd=tmp_path, write_line=lines.put, **more), lines

    return run


def test_output_is_handed_on_by_line_and_complete_at_the_end(run):
    container, lines = run("import os, sys; print(os.environ['WORD']); print('2', file=sys.stderr); print('3', end='')")
    assert container.wait(None).code == 0
    assert sorted(lines.get_nowait() for _ in range(3)) == ["2", "3", "héllo"]


def test_who_does_not_end_by_himself_is_killed_after_the_grace(run):
    container, lines = run(STUBBORN, grace_s=0.1)
    assert lines.get(timeout=20) == "up"
    container.stop()
    ended = container.wait(None)
    assert (ended.code, ended.is_timed_out) == (137, False)


def test_time_that_is_up_is_told_from_other_ends(run):
    container, _ = run("import time; time.sleep(60)")
    ended = container.wait(0.01)
    assert (ended.code, ended.is_timed_out) == (143, True)


def test_a_process_that_ended_can_be_stopped_and_killed(run):
    container, _ = run("pass")
    container.wait(None)
    container.stop()
    container.kill()
    assert container.wait(None).code == 0
