"""Runs that end in the middle: killed, interrupted, out of disk. What was finished and what was paid is kept."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from batch_job.cli.geojson_file import GeoJSONFile
from batch_job.spend.archive import PART_ANSWERS
from local.rekognition import Behaviour, RekognitionSettings, serving
from tests.end_to_end.files import good, picture, tiff
from tests.end_to_end.user import (
    Written,
    command_line,
    ended,
    environment,
    imagery_backfill,
    served,
    start,
)

IN_FLIGHT = 8
LEASE_S = 3
CARS = tuple((float(left), top, left + 30.0, top + 20.0) for left in range(15, 960, 60) for top in range(15, 760, 60))
MANY_CHIPS = ("--chip-px", "128", "--overlap-px", "32")
SO_MANY = 11 * 8 + 1
"""Chips of the large image."""


@pytest.fixture
def slow_rekognition() -> Iterator[str]:
    """Slow enough to be interrupted: about 80 calls a second."""
    with serving(RekognitionSettings(behaviour=Behaviour(latency_ms=100))) as url:
        yield url


@pytest.fixture(scope="module")
def large() -> bytes:
    return tiff(picture(width=1000, height=800, cars=CARS))


def answered(url: str) -> int:
    return served(url)["answered"]


def wait_for(condition: Callable[[], bool], *, within_s: float = 30) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_after_a_kill_the_next_run_finishes_with_nothing_missing_nothing_double_and_little_bought_twice(
    world, large, slow_rekognition
):
    world.put("large.tif", large)
    world.put("zebra.tif", good())
    env = {"BACKFILL_LEASE_S": str(LEASE_S)}
    detector = f"rekognition@{slow_rekognition}"
    process = start(*world.arguments(*MANY_CHIPS, detector=detector), env=env)
    try:
        wait_for(lambda: answered(slow_rekognition) >= PART_ANSWERS + 20)
    finally:
        process.kill()
        ended(process)
    assert world.entry("large.tif").state == "processing"

    def run():
        return world.run(*MANY_CHIPS, detector=detector, env=env)

    busy = run()
    assert busy.exit_code == 75
    assert f"left for a later run: s3://{world.bucket}/large.tif: another worker has it (busy)" in busy.stderr
    assert len(world.cars("zebra.tif")) == 1
    wait_for(lambda: run().exit_code == 0)
    assert world.entry("large.tif").state == "indexed"
    found = world.cars("large.tif")
    assert len(found) == len(CARS)
    assert all(box == pytest.approx(car, abs=1) for box, car in zip(found, sorted(CARS), strict=True))
    assert world.documents() == sum(world.entry(key).live.count for key in ("large.tif", "zebra.tif"))
    bought_twice = answered(slow_rekognition) - SO_MANY - 12
    assert 0 <= bought_twice <= PART_ANSWERS + IN_FLIGHT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_after_a_signal_the_claim_is_free_at_once_and_no_answer_is_lost(world, large, slow_rekognition, number):
    world.put("large.tif", large)
    detector = f"rekognition@{slow_rekognition}"
    process = start(*world.arguments(*MANY_CHIPS, detector=detector))
    wait_for(lambda: answered(slow_rekognition) >= 20)
    process.send_signal(number)
    done = ended(process)
    assert done.exit_code == 128 + number
    assert ("interrupted" if number == signal.SIGINT else f"ended by {number.name}") in done.stderr
    assert "Traceback" not in done.stderr
    assert done.calls > 0
    again = world.run(*MANY_CHIPS, detector=detector)
    assert (again.exit_code, again.images) == (0, {"indexed": 1})
    assert len(world.cars("large.tif")) == len(CARS)
    assert answered(slow_rekognition) <= SO_MANY + IN_FLIGHT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_after_a_signal_the_file_is_valid_holds_what_was_finished_and_names_the_rest(
    tmp_path, slow_rekognition, number
):
    for ordinal in range(30):
        (tmp_path / f"{ordinal:02d}.tif").write_bytes(good())
    path = tmp_path / "found.geojson"
    arguments = ("run", tmp_path, "--to", path, "--detector", f"rekognition@{slow_rekognition}", "--json")
    process = start(*arguments)
    wait_for(lambda: answered(slow_rekognition) >= 4)
    process.send_signal(number)
    done = ended(process)
    assert done.exit_code == 128 + number
    assert ("interrupted" if number == signal.SIGINT else f"ended by {number.name}") in done.stderr
    assert "Traceback" not in done.stderr
    statuses = Written.read(path).by_status()
    assert 3 <= statuses["indexed"] < 30
    assert statuses.total() == 30
    assert done.images["indexed"] == statuses["indexed"]
    assert not list(tmp_path.glob("*.part"))
    assert f"answers paid for are kept in {path}.answers; run the same command again" in done.stderr
    before = answered(slow_rekognition)
    again = imagery_backfill(*arguments)
    assert (again.exit_code, again.images) == (0, {"indexed": 30})
    assert answered(slow_rekognition) - before <= 30 - statuses["indexed"]
    assert not list(tmp_path.glob("*.answers"))


def test_when_the_terminal_is_closed_the_file_is_whole_all_the_same(tmp_path, slow_rekognition):
    for ordinal in range(30):
        (tmp_path / f"{ordinal:02d}.tif").write_bytes(good())
    path = tmp_path / "found.geojson"
    terminal, inner = os.openpty()
    arguments = command_line("run", tmp_path, "--to", path, "--detector", f"rekognition@{slow_rekognition}")
    process = subprocess.Popen(
        arguments, env=environment(), stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    with os.fdopen(terminal, "rb", buffering=0) as seen:
        wait_for(lambda: answered(slow_rekognition) >= 4)
        assert seen.read(100)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=30) == 128 + signal.SIGHUP
    assert Written.read(path).by_status().total() == 30


def test_a_full_disk_stops_the_run_and_the_file_holds_what_had_room(tmp_path, rekognition_url, monkeypatch):
    for number in range(6):
        (tmp_path / f"{number}.tif").write_bytes(good())
    room = 5_000
    write = GeoJSONFile._write

    def on_a_small_disk(file: GeoJSONFile, body: bytes) -> None:
        if len(body) > 100 and file._file.tell() + len(body) > room:
            write(file, body[: room - file._file.tell()])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, body)

    monkeypatch.setattr(GeoJSONFile, "_write", on_a_small_disk)
    path = tmp_path / "found.geojson"
    done = imagery_backfill("run", tmp_path, "--to", path, "--detector", f"rekognition@{rekognition_url}", "--json")
    indexed = Written.read(path).by_status()["indexed"]
    assert done.exit_code == 75
    assert f"error: no room left on the disk of {path}; it holds the images finished before" in done.stderr
    assert 1 <= indexed < 5
    assert done.images == {"indexed": indexed, "left": 1}


def test_a_disk_that_is_full_from_the_start_is_named(tmp_path, rekognition_url):
    (tmp_path / "a.tif").write_bytes(good())
    path = tmp_path / "found.geojson"
    (tmp_path / "found.geojson.part").symlink_to("/dev/full")
    done = imagery_backfill("run", tmp_path, "--to", path, "--detector", f"rekognition@{rekognition_url}", "--json")
    assert (done.exit_code, done.calls) == (75, 0)
    assert f"no room left on the disk of {path}" in done.stderr
