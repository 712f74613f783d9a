"""List prices as data, with where and when they were seen; taxes, free tiers and discounts are left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

PRICES_AS_OF = "October 2026, us-east-1"
HOURS_A_MONTH = 730
DAYS_A_MONTH = 30


@dataclass(frozen=True, slots=True)
class Price:
    """What a service charges for one unit."""

    usd: float
    unit: str
    seen: str
    """Where."""


PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "rekognition": Price(0.0010, "DetectLabels call, of the first million a month", "Rekognition pricing page"),
        "search_instance": Price(0.036, "hour of a t3.small.search", "reported by third parties"),
        "search_volume": Price(0.122, "GB-month of gp3 in an OpenSearch domain", "AWS price list, by infracost"),
        "inventory": Price(0.0025, "million objects listed", "AWS price list, by infracost"),
        "alarm": Price(0.10, "alarm and month", "CloudWatch pricing page, not looked up again"),
        "key": Price(1.00, "KMS key and month", "KMS pricing page, not looked up again"),
        "metric": Price(0.30, "metric and month, by the hour in which it is written", "not looked up again"),
        "vcpu": Price(0.04048, "vCPU-hour of Fargate on demand", "AWS price list, by infracost"),
        "memory": Price(0.004445, "GB-hour of Fargate on demand", "AWS price list, by infracost"),
    }
)
REKOGNITION_USD_PER_CALL = PRICES["rekognition"].usd
WORKER_USD_PER_HOUR = PRICES["vcpu"].usd + 4 * PRICES["memory"].usd
"""One vCPU and 4 GB, on demand; Amazon says that Spot costs 50 to 70 % less."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_paid(detector: str) -> bool:
    """Tell whether a detector's calls go to Amazon: by any endpoint (FIPS, VPC) but one on this machine."""
    engine, _, url = detector.partition("@")
    return engine == "rekognition" and urlsplit(url).hostname not in _LOOPBACK


def price_of_calls(calls: int, *, detector: str) -> float | None:
    """Price calls in US dollars; None where the price is not ours to know (own model servers, stand-ins)."""
    return round(calls * REKOGNITION_USD_PER_CALL, 6) if is_paid(detector) else None


def idle_month(*, instances: int, volume_gb: int, objects: int, alarms: int) -> Iterator[tuple[str, float]]:
    """Yield what a deployment costs in a month in which nothing new comes, US dollars by item.

    Args:
        instances: Of the domain, t3.small.search.
        volume_gb: Of each.
        objects: In the bucket, listed every day.
        alarms: Of the stack.
    """
    yield "OpenSearch domain", instances * HOURS_A_MONTH * PRICES["search_instance"].usd
    yield "its volumes", instances * volume_gb * PRICES["search_volume"].usd
    yield "nightly inventories", objects / 1e6 * DAYS_A_MONTH * PRICES["inventory"].usd
    yield "alarms", alarms * PRICES["alarm"].usd
    yield "their key", PRICES["key"].usd


def batch_of_images(*, images: int, chips: int, calls_per_s: float, workers: int) -> Iterator[tuple[str, float]]:
    """Yield what images cost once, US dollars by item; the calls a second are what takes the time.

    Args:
        images: How many.
        chips: Of each, none of them blank.
        calls_per_s: Of all workers together.
        workers: At work meanwhile, on demand.
    """
    calls = images * chips
    yield "Rekognition", calls * REKOGNITION_USD_PER_CALL
    yield "workers on demand", calls / calls_per_s / 3600 * workers * WORKER_USD_PER_HOUR
