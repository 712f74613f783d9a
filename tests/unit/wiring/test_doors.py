"""The line of log that every image leaves: an interface, so a golden file holds it."""

import io
import json

import pytest
import structlog

from batch_job import logs
from batch_job.errors import AccessError, ErrorCode, UnavailableError
from batch_job.ledger.nightly import Unfinished, Unforgotten
from batch_job.metrics import Metrics
from batch_job.ports import Count
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
        tally.add(Count.CHIPS, 12)
        if isinstance(end, Exception):
            raise end
        return end

    given, tally = golden_files.load(case), Tally()
    for name in given["ends"]:
        end = ENDS[name]
        with structlog.contextvars.bound_contextvars(run_id=given["run_id"]):
            try:
                doors.logged(reconcile, IMAGE, tally=tally)
            except UnavailableError:
                assert name == "left"
    produced = lines()
    for line in produced:
        assert line.pop("timestamp").endswith("Z")
    assert len({frozenset(line) for line in produced}) == 1
    golden_files.check(case, produced)


@pytest.fixture
def figures():
    """What ``measured`` emits, without what CloudWatch alone reads."""
    written = []

    def figures():
        return [{name: n for name, n in json.loads(line).items() if name != "_aws"} for line in written]

    figures.metrics = Metrics(stack="Survey", lane="live", write=written.append)
    return figures


def visits(tally, end):
    def visit(_image):
        tally.add(Count.CHIPS, 12)
        tally.add(Count.ANSWERS, 9)
        tally.add(Count.THROTTLED, 2)
        if isinstance(end, Exception):
            raise end
        return end

    return visit


COUNTED = {"Images": 1, "Chips": 12, "Calls": 9, "Throttles": 2, "Failures": 0}


@pytest.mark.parametrize(
    ("end", "counted"),
    [
        (ENDS["indexed"], COUNTED),
        (ENDS["removed"], COUNTED),
        (ENDS["failed"], COUNTED | {"Failures": 1}),
        (ENDS["failed before"], COUNTED),
        (Skipped(IMAGE, SkipReason.BUSY), COUNTED | {"Images": 0}),
        (ENDS["left"], COUNTED | {"Images": 0, "Chips": 0}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_each_image_of_a_live_door_is_one_line_of_figures_its_own(figures, monkeypatch, end, counted):
    seconds = iter(range(0, 1000, 2))
    monkeypatch.setattr(doors.time, "monotonic", lambda: next(seconds))
    tally = Tally()
    for _ in range(2):  # the second time the tally is no longer empty
        try:
            assert doors.measured(visits(tally, end), IMAGE, tally=tally, metrics=figures.metrics) == end
        except UnavailableError:
            assert end is ENDS["left"]
    line = {"stack": "Survey", "lane": "live", "image": IMAGE.uri, "Seconds": 2} | counted
    assert figures() == [line, line]


@pytest.mark.parametrize(
    ("error", "event"), [(UnavailableError("away"), "image.left"), (ZeroDivisionError("oh"), "image.defect")]
)
def test_a_step_of_a_night_that_fails_is_a_value_a_line_and_counts_no_labels(lines, error, event):
    tally = Tally()

    def reconcile(_image):
        tally.add(Count.LABELS, 3)
        raise error

    assert doors.visited(reconcile, IMAGE, tally=tally) == Unfinished(IMAGE, error)
    assert tally.counts[Count.LABELS] == 0
    [line] = lines()
    assert (line["event"], line["image"]) == (event, IMAGE.uri)


def test_a_step_of_a_night_that_succeeds_is_its_outcome(lines):
    end = ENDS["indexed"]
    assert doors.visited(lambda _image: end, IMAGE, tally=Tally()) == end
    assert lines()[0]["event"] == "image.done"


def test_a_missing_permission_ends_the_night(lines):
    def reconcile(_image):
        raise AccessError("denied")

    with pytest.raises(AccessError):
        doors.visited(reconcile, IMAGE, tally=Tally())


def test_labels_that_stay_are_told(lines):
    doors.log_unforgotten(Unforgotten(IMAGE, UnavailableError("away")))
    [line] = lines()
    assert (line["event"], line["error"]) == ("labels.not_forgotten", "UnavailableError: away")
