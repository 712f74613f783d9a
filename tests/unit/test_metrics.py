"""The lines as CloudWatch reads them: by what its specification says of them, written here a second time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.metrics import NO_METRICS, Metric, Metrics, metric_line
from batch_job.ports import Count
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Failed, Indexed, Skipped, SkipReason

UNITS = {"Seconds", "Microseconds", "Milliseconds", "Bytes", "Percent", "Count", "Count/Second", "None"}
"""Some of CloudWatch's, MetricDatum in its API reference."""


def extracted(line):
    """Read a line as CloudWatch does: {(namespace, dimensions, metric, unit): value}, and the time."""
    document = json.loads(line)
    assert "\n" not in line
    assert len(line.encode()) < 1_000_000
    head = document["_aws"]
    assert set(head) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(head["Timestamp"], int)
    found = {}
    for directive in head["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 0 < len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            assert len(names) <= 30
            dimensions = tuple((name, document[name]) for name in names)
            assert all(isinstance(value, str) and 0 < len(value) <= 1024 for _, value in dimensions)
            for metric in directive["Metrics"]:
                assert metric["Unit"] in UNITS
                assert isinstance(document[metric["Name"]], (int, float))
                found[directive["Namespace"], dimensions, metric["Name"], metric["Unit"]] = document[metric["Name"]]
    return found, head["Timestamp"]


@given(
    st.dictionaries(st.sampled_from(Metric), st.integers(0) | st.floats(0, 1e9), min_size=1),
    st.dictionaries(st.text(), st.text() | st.none()),
)
def test_every_figure_comes_out_as_it_went_in_whatever_stands_beside_it(values, about):
    try:
        line = metric_line(values, dimensions={"stack": "s", "lane": "live"}, time_ms=7, about=about)
    except TypeError:  # orjson's refusal of numbers beyond 64 bits and of half characters
        assert any(n > 2**63 for n in values.values()) or "\\ud" in ascii((*about, *about.values()))
        return
    found, time_ms = extracted(line)
    dimensions = (("stack", "s"), ("lane", "live"))
    assert found == {("ImageryBackfill", dimensions, str(metric), metric.unit): n for metric, n in values.items()}
    assert time_ms == 7


def test_no_other_key_takes_the_place_of_a_figure():
    about = {"Calls": "many", "stack": "other", "_aws": None}
    line = metric_line({Metric.CALLS: 3}, dimensions={"stack": "s"}, time_ms=7, about=about)
    assert extracted(line) == ({("ImageryBackfill", (("stack", "s"),), "Calls", "Count"): 3}, 7)


def test_names_are_those_that_alarms_use():
    assert {str(metric): metric.unit for metric in Metric} == {
        "Images": "Count",
        "Chips": "Count",
        "Calls": "Count",
        "Throttles": "Count",
        "Failures": "Count",
        "Seconds": "Seconds",
        "Inventories": "Count",
        "FilesPlanned": "Count",
    }


def test_a_line_goes_to_stdout_alone_and_at_once(capsys):
    Metrics(stack="Survey", lane="live", now=lambda: 1.5).emit({Metric.CALLS: 3}, image="s3://b/k")
    out, err = capsys.readouterr()
    found, time_ms = extracted(out.removesuffix("\n"))
    assert found == {("ImageryBackfill", (("stack", "Survey"), ("lane", "live")), "Calls", "Count"): 3}
    assert (time_ms, json.loads(out)["image"], err) == (1500, "s3://b/k", "")


def test_without_a_stack_nothing_is_written(capsys):
    NO_METRICS.emit({Metric.CALLS: 3})
    assert capsys.readouterr() == ("", "")


def test_a_tally_s_figures():
    image, tally = ImageRef("b", "k"), Tally()
    tally.add(Count.CHIPS, 10)
    tally.add(Count.ANSWERS, 6)
    tally.add(Count.REJECTED, 1)
    tally.add(Count.THROTTLED, 4)
    for outcome in (Indexed(image, 3), Failed(image, "unreadable", "empty"), Skipped(image, SkipReason.SAME)):
        tally.ended(outcome)
    tally.left()
    assert tally.figures() == {
        Metric.IMAGES: 3,
        Metric.CHIPS: 10,
        Metric.CALLS: 7,
        Metric.THROTTLES: 4,
        Metric.FAILURES: 1,
    }


@pytest.mark.parametrize("code", ["unreadable", None])
def test_an_image_that_failed_before_is_no_failure_of_now(code):
    tally = Tally()
    tally.ended(Skipped(ImageRef("b", "k"), SkipReason.SAME, code))
    assert (tally.figures()[Metric.IMAGES], tally.figures()[Metric.FAILURES]) == (1, 0)
