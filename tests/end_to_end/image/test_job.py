"""The image as Batch runs it."""

import subprocess

import pytest

from batch_job.adapters.opensearch import create_indices
from batch_job.settings import JobSettings
from batch_job.values.image import ImageRef
from batch_job.values.ledger import State
from batch_job.values.work import WorkItem
from local.rekognition import Behaviour, RekognitionSettings, serving
from tests.end_to_end.files import CAR, good, picture, tiff
from tests.end_to_end.image.conftest import IMAGE, PODMAN, account, places, running
from tests.end_to_end.test_interruptions import CARS, SO_MANY, wait_for
from tests.end_to_end.user import World, served

MAX_IMAGE_BYTES = 470_000_000
"""Uncompressed; two thirds of it are GDAL, numpy and botocore."""
NOT_WRITABLE = ("--read-only-tmpfs=false",)


def environment(world: World, rekognition: str, **settings: object) -> dict[str, str]:
    told = JobSettings.load(lane="live", detector=f"rekognition@{rekognition}", **places(world), **settings)
    return account(world) | told.to_env()


def task(world: World, key: str) -> tuple[str, str]:
    return "object", WorkItem(ImageRef(world.bucket, key), 1).to_ndjson().strip()


def test_without_a_task_it_says_how_it_is_used(run):
    ended = run()
    assert ended.exit_code == 2, ended.output
    [line] = ended.lines("job.not_begun")
    assert line["error"].startswith("python -m batch_job TASK WHAT, where TASK is one of shards")


def test_without_settings_it_names_all_that_are_missing_and_is_not_retried(run):
    ended = run("shards", "run/plan/0/1")
    assert ended.exit_code == 78, ended.output
    [line] = ended.lines("job.not_begun")
    for name in ("BACKFILL_INDEX_URL", "BACKFILL_RUNS_URI", "BACKFILL_ARCHIVE_URI"):
        assert f"{name}: Field required" in line["error"]


@pytest.mark.parametrize("options", [("--tmpfs", "/tmp"), NOT_WRITABLE])  # noqa: S108
def test_an_image_is_read_detected_and_indexed_also_where_nothing_can_be_written(run, world, options):
    create_indices(world.index, world.names)
    world.put("a b/é+1.tif", good())
    ended = run(*task(world, "a b/é+1.tif"), env=environment(world, world.rekognition_url), options=options)
    assert ended.exit_code == 0, ended.output
    assert [line["outcome"] for line in ended.lines("image.done")] == ["indexed"]
    assert world.cars("a b/é+1.tif") == [pytest.approx(CAR, abs=1)]


def test_sigterm_reaches_it_as_the_first_process_and_the_image_is_free(image, world):
    del image
    create_indices(world.index, world.names)
    world.put("large.tif", tiff(picture(width=1000, height=800, cars=CARS)))
    with serving(RekognitionSettings(behaviour=Behaviour(latency_ms=500))) as url:
        told = environment(world, url, chip_px=128, overlap_px=32, calls_in_flight=2)
        with running(*task(world, "large.tif"), env=told) as container:
            wait_for(lambda: served(url)["answered"] >= 1)
            container.signal("TERM")
            ended = container.ended()
        assert served(url)["answered"] < SO_MANY
    assert ended.exit_code == 75, ended.output
    assert world.entry("large.tif").state is State.PROCESSING
    assert world.entry("large.tif").attempts == 0


def test_it_is_small_runs_as_nobody_special_and_holds_nothing_that_installs(image, run):
    inspected = subprocess.run(
        [*PODMAN, "image", "inspect", "--format", "{{.Size}} {{.User}}", IMAGE],
        capture_output=True,
        text=True,
        check=True,
    )
    size, user = inspected.stdout.split()
    assert int(size) < MAX_IMAGE_BYTES
    assert user == "1000:1000"
    program = "import importlib.util as f; print([bool(f.find_spec(n)) for n in ('pip', 'batch_job.cli', 'batch_job')])"
    entrypoint = ("--entrypoint", '["python", "-c"]')
    assert run(program, options=entrypoint).output.strip() == "[False, False, True]"


def test_all_of_python_is_compiled_in_the_image(run):
    program = "import sys, lambdas.on_object; print([n for n, m in sys.modules.items() if not compiled(m)])"
    compiled = (
        "from os.path import exists\ncompiled = lambda m: not getattr(m, '__cached__', 0) or exists(m.__cached__)\n"
    )
    ended = run(compiled + program, options=("--entrypoint", '["python", "-c"]'))
    assert ended.output.strip() in ("['__main__']", "[]")
