"""Starting and stopping, tried on small servers of our own."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from batch_job.errors import SetUpError
from local import processes, records
from local.processes import Running, is_alive
from local.recipes import PROJECT, Command, Recipe, clean_environment
from local.servers import Servers, left_over, stop_left_over

SERVER = """
import http.server, os, pathlib, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("pid", os.getpid(), flush=True)
pathlib.Path("port.part").write_text(f"127.0.0.1:{server.server_address[1]}\\n")
os.replace("port.part", "port")
server.serve_forever()
"""

PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {project!r})
from tests.unit.local.test_servers import recipe
from local.servers import Servers
with Servers((recipe("one"), recipe("two")), Path({folder!r})):
    print("up", flush=True)
    time.sleep(60)
"""


def recipe(name: str = "one", *, code: str = SERVER, arguments: tuple[str, ...] = (), within_s: float = 30.0) -> Recipe:
    def prepare(folder: Path, say) -> Command:
        return Command(
            argv=(sys.executable, "-S", "-c", code, *arguments),
            env=clean_environment(),
            cwd=folder,
            ports_file=folder / "port",
        )

    return Recipe(
        name=name,
        title=f"server {name}",
        prepare=prepare,
        health_path="/",
        within_s=within_s,
        causes={"no room": "the disk is full"},
    )


def failing(text: str) -> Recipe:
    return recipe("bad", code=f"import sys; print('first', flush=True); sys.exit({text!r})")


def pid_of(folder: Path, name: str) -> int:
    return Running.from_json((folder / f"{name}.json").read_bytes()).pid


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def parent(tmp_path):
    """Another process of ours, with two servers up."""
    code = PARENT.format(project=str(PROJECT), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    yield process
    process.kill()
    process.communicate()
    stop_left_over(tmp_path)


def test_servers_answer_inside_and_are_gone_after(tmp_path):
    one, two = recipe("one"), recipe("two")
    with Servers((one, two), tmp_path) as servers:
        pids = [pid_of(tmp_path, name) for name in ("one", "two")]
        assert {running.url for running in left_over(tmp_path)} == {servers.url(one), servers.url(two)}
        assert all(map(exists, pids))
    assert not any(map(exists, pids))
    assert left_over(tmp_path) == []
    assert not list(tmp_path.glob("*.json"))


def test_progress_is_told(tmp_path):
    lines: list[str] = []
    with Servers((recipe(),), tmp_path, say=lines.append) as servers:
        url = servers.url(recipe())
    assert lines[0] == "starting server one"
    assert lines[1].startswith(f"server one is ready: {url} (")


def test_an_error_inside_stops_them_and_passes_on(tmp_path):
    with pytest.raises(ZeroDivisionError), Servers((recipe(),), tmp_path):
        pid = pid_of(tmp_path, "one")
        raise ZeroDivisionError
    assert not exists(pid)


def test_one_that_fails_to_start_takes_the_others_down_and_says_why(tmp_path):
    before = psutil.Process().children()
    with pytest.raises(SetUpError) as caught, Servers((recipe("one"), failing("no room left")), tmp_path):
        pass
    message = str(caught.value)
    assert message.startswith("server bad ended with exit code 1: the disk is full\nthe last lines of")
    assert message.endswith("  first\n  no room left")
    assert psutil.Process().children() == before
    assert not list(tmp_path.glob("*.json"))


def test_one_that_is_never_ready_is_given_up(tmp_path):
    with (
        pytest.raises(SetUpError, match="server mute is not ready after 0 s"),
        Servers((recipe("mute", code="import time; time.sleep(60)", within_s=0.3),), tmp_path),
    ):
        pass
    assert left_over(tmp_path) == []


def test_a_taken_port_is_tried_again_three_times_in_all(tmp_path):
    counter = tmp_path / "starts"
    counter.write_text("")
    code = f"open({str(counter)!r}, 'a').write('x'); raise SystemExit('OSError: [Errno 98] Address already in use')"
    with pytest.raises(SetUpError, match="exit code 1"), Servers((recipe(code=code),), tmp_path / "state"):
        pass
    assert counter.read_text() == "xxx"


def test_a_port_taken_once_does_no_harm(tmp_path):
    counter = tmp_path / "starts"
    counter.write_text("")
    once = f"f = open({str(counter)!r}, 'a+'); f.seek(0); n = len(f.read()); f.write('x'); f.close()\n"
    once += "if n == 0: raise SystemExit('ERROR: 127.0.0.1:4566 is already in use. Is it running?')\n"
    with Servers((recipe(code=once + SERVER),), tmp_path / "state") as servers:
        assert servers.url(recipe()).startswith("http://127.0.0.1:")
    assert counter.read_text() == "xx"


def test_the_server_of_somebody_else_is_not_taken_for_ours(tmp_path):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as foreign:
        thread = threading.Thread(target=foreign.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        port = foreign.server_address[1]
        code = f"import time; open('port', 'w').write('127.0.0.1:{port}\\n'); time.sleep(60)"
        try:
            with pytest.raises(SetUpError, match="not ready"), Servers((recipe(code=code, within_s=1.0),), tmp_path):
                pass
        finally:
            foreign.shutdown()
            thread.join()


def test_one_that_does_not_listen_to_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "STOP_S", 0.3)
    with Servers((recipe(arguments=("deaf",)),), tmp_path):
        pid = pid_of(tmp_path, "one")
    assert not exists(pid)


def test_kept_servers_stay_until_they_are_stopped(tmp_path):
    with Servers((recipe(),), tmp_path) as servers:
        servers.keep()
    (running,) = left_over(tmp_path)
    assert exists(running.pid)
    assert stop_left_over(tmp_path) == [running]
    assert not is_alive(running)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "one.log"]
    assert stop_left_over(tmp_path) == []


def test_a_start_beside_kept_servers_names_the_command_that_stops_them(tmp_path):
    with Servers((recipe(),), tmp_path) as servers:
        servers.keep()
    url = servers.url(recipe())
    with pytest.raises(SetUpError, match=rf"`make demo-stop` stops them\n  server one: {url}, pid \d+"):
        Servers((recipe(),), tmp_path).__enter__()
    assert len(stop_left_over(tmp_path)) == 1


def test_a_second_start_at_the_same_time_is_refused_and_harms_nothing(tmp_path):
    with Servers((recipe(),), tmp_path) as servers:
        with pytest.raises(SetUpError, match=r"another run uses .* at this moment"):
            Servers((recipe(),), tmp_path).__enter__()
        assert [running.url for running in left_over(tmp_path)] == [servers.url(recipe())]


def test_a_pid_that_belongs_to_another_process_now_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        old = Running(name="one", title="one", pid=innocent.pid, started=processes.started_at(innocent.pid) - 60)
        records.write(tmp_path, old)
        assert stop_left_over(tmp_path) == []
        assert innocent.poll() is None
        innocent.stdin.close()


def test_what_is_no_record_is_passed_over(tmp_path):
    for name, content in {"a": b"", "b": b"[1, 2]", "c": b'{"pid": 1}', "d": b"\xff\x00"}.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    assert left_over(tmp_path) == []
    assert left_over(tmp_path / "nowhere") == []


def test_after_kill_9_of_the_parent_the_servers_are_found_and_stopped(parent, tmp_path):
    parent.kill()
    parent.wait()
    found = left_over(tmp_path)
    assert [running.name for running in found] == ["one", "two"]
    assert stop_left_over(tmp_path) == found
    assert not any(map(is_alive, found))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_signal_that_ends_the_parent_ends_its_servers(parent, tmp_path, number):
    found = left_over(tmp_path)
    parent.send_signal(number)
    parent.wait(20)
    assert len(found) == 2
    assert not any(map(is_alive, found))
    assert not list(tmp_path.glob("*.json"))
    assert parent.returncode in (128 + number, -number)


def test_an_impatient_second_signal_does_not_leave_servers_behind(parent, tmp_path):
    found = left_over(tmp_path)
    for _ in range(5):
        with contextlib.suppress(ProcessLookupError):
            parent.send_signal(signal.SIGINT)
        time.sleep(0.02)
    parent.wait(20)
    assert not any(map(is_alive, found))


def test_a_ctrl_c_in_the_terminal_reaches_only_us(tmp_path):
    with Servers((recipe(),), tmp_path):
        pid = pid_of(tmp_path, "one")
        assert os.getsid(pid) == os.getpgid(pid) == pid


def test_servers_see_little_of_our_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dx=y")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    code = "import os; print(sorted(os.environ), flush=True)\n" + SERVER
    with Servers((recipe(code=code),), tmp_path):
        seen = (tmp_path / "one.log").read_text().splitlines()[0]
    assert "'PATH'" in seen
    assert "JAVA" not in seen
    assert "AWS" not in seen


def test_signals_that_came_while_they_were_held_are_delivered_after():
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with processes.signals_held():
            signal.raise_signal(signal.SIGINT)
            done.append("all")
    assert done == ["all"]
