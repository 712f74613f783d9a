"""List prices, with their date; taxes, free tiers and discounts are left out."""

from urllib.parse import urlsplit

REKOGNITION_USD_PER_CALL = 0.0010
"""DetectLabels, first million images a month, us-east-1, seen October 2026 on the service's pricing page."""


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_paid(detector: str) -> bool:
    """Tell whether a detector's calls go to Amazon: by any endpoint (FIPS, VPC) but one on this machine."""
    engine, _, url = detector.partition("@")
    return engine == "rekognition" and urlsplit(url).hostname not in _LOOPBACK


def price_of_calls(calls: int, *, detector: str) -> float | None:
    """Price calls in US dollars; None where the price is not ours to know (own model servers, stand-ins)."""
    return round(calls * REKOGNITION_USD_PER_CALL, 6) if is_paid(detector) else None
