"""The line of log that every image leaves: an interface, so a golden file holds it."""

import io
import json

import pytest
import structlog

from batch_job import logs
from batch_job.errors import ErrorCode, UnavailableError
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Failed, Indexed, Removed, Skipped, SkipReason
from batch_job.wiring import doors
from tests import golden_files

IMAGE = ImageRef("b", "k.tif")
ENDS = {
    "indexed": Indexed(IMAGE, 3),
    "removed": Removed(IMAGE),
    "failed": Failed(IMAGE, ErrorCode.UNREADABLE, "s3://b/k.tif: the file is empty"),
    "skipped": Skipped(IMAGE, SkipReason.SAME),
    "failed before": Skipped(IMAGE, SkipReason.SAME, ErrorCode.UNREADABLE),
    "left": UnavailableError("the index is away"),
}


@pytest.fixture
def lines(monkeypatch):
    file, seconds = io.StringIO(), iter(range(0, 1000, 2))
    monkeypatch.setattr(doors.time, "monotonic", lambda: next(seconds))
    logs.configure("info", file=file)
    yield lambda: [json.loads(line) for line in file.getvalue().splitlines()]
    structlog.reset_defaults()


@pytest.mark.parametrize("case", golden_files.cases("log"), ids=lambda case: case.name)
def test_the_line_of_an_image_has_fixed_keys(case, lines):
    def reconcile(_image):
        if isinstance(end, Exception):
            raise end
        return end

    given = golden_files.load(case)
    for name in given["ends"]:
        end = ENDS[name]
        with structlog.contextvars.bound_contextvars(run_id=given["run_id"]):
            try:
                doors.logged(reconcile, IMAGE, tally=Tally())
            except UnavailableError:
                assert name == "left"
    produced = lines()
    for line in produced:
        assert line.pop("timestamp").endswith("Z")
    assert len({frozenset(line) for line in produced}) == 1
    golden_files.check(case, produced)
