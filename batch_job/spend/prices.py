"""List prices, with their date; taxes, free tiers and discounts are left out."""

REKOGNITION_USD_PER_CALL = 0.0010
"""DetectLabels, first million images a month, us-east-1, seen October 2026 on the service's pricing page."""


def price_of_calls(calls: int, *, detector: str) -> float | None:
    """Price calls in US dollars; None where the price is not ours to know (own model servers, stand-ins)."""
    return round(calls * REKOGNITION_USD_PER_CALL, 6) if detector == "rekognition" else None
