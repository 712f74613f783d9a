"""Figures for CloudWatch: one JSON line each, which CloudWatch Logs turns into metrics; no client, no call.

The lines follow the CloudWatch embedded metric format (Amazon CloudWatch user guide, "Specification: Embedded metric
format"): at least once, so a sum may count a line twice. They go to stdout, and log events go to stderr.
Whoever ships a container's or a Lambda's output need not mark it (the same guide, "Using the PutLogEvents API").
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

NAMESPACE = "ImageryBackfill"
DIMENSIONS = ("stack", "lane")


class Metric(StrEnum):
    """What is measured; alarms and ``docs/observability.md`` use these names."""

    IMAGES = "Images"
    """Visited to their end, failed ones too."""
    CHIPS = "Chips"
    """Of these images, blank and archived ones too; none outside the area of interest."""
    CALLS = "Calls"
    """Of the detector, those that it answered: what is paid."""
    THROTTLES = "Throttles"
    """Calls that the detector refused for now."""
    FAILURES = "Failures"
    """Images recorded as failed by this visit."""
    SECONDS = "Seconds"
    """From beginning to end, of a shard or of one live image."""
    INVENTORIES = "Inventories"
    """Deliveries of S3 whose planning began."""
    FILES_PLANNED = "FilesPlanned"
    """CSVs of inventories and listings that are planned."""

    @property
    def unit(self) -> str:
        """Its unit, as CloudWatch names it."""
        return "Seconds" if self is Metric.SECONDS else "Count"


def metric_line(
    values: Mapping[Metric, float], *, dimensions: Mapping[str, str], time_ms: int, about: Mapping[str, Any]
) -> str:
    """Write one line.

    Args:
        values: One number for each metric.
        dimensions: What each metric is told apart by.
        time_ms: When, ms since 1970.
        about: More to find the line by; no metric is told apart by it.
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": metric, "Unit": metric.unit} for metric in values],
    }
    head = {"_aws": {"Timestamp": time_ms, "CloudWatchMetrics": [directive]}}
    return orjson.dumps({**about, **head, **dimensions, **{str(name): n for name, n in values.items()}}).decode()


def to_stdout(line: str) -> None:
    """Write a line at once: a job may be killed at any time."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where the figures of one door go; nowhere, when the stack has no name."""

    stack: str = ""
    lane: str = "backfill"
    """``backfill`` or ``live``."""
    write: Callable[[str], None] = to_stdout
    now: Callable[[], float] = time.time
    """Seconds since 1970."""

    def emit(self, values: Mapping[Metric, float], **about: Any) -> None:
        """Write one line of figures; ``about`` says more, the run's id say."""
        if self.stack:
            dimensions = dict(zip(DIMENSIONS, (self.stack, self.lane), strict=True))
            self.write(metric_line(values, dimensions=dimensions, time_ms=round(self.now() * 1000), about=about))


NO_METRICS = Metrics()
