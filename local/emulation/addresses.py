"""The index's address: a template says ``https://`` and the domain's endpoint, our server speaks plain HTTP there."""

import os
from collections.abc import Mapping

ENDPOINT_VARIABLE = "MINISTACK_OPENSEARCH_ENDPOINT"
"""``host:port``; the emulator gives it to every domain as its endpoint."""


def reachable(variables: Mapping[str, str]) -> dict[str, str]:
    """Give the variables of a job or an image Lambda, the index's address among them as it is here."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if not endpoint:
        return dict(variables)
    told = f"https://{endpoint}"
    return {
        name: f"http://{endpoint}{value.removeprefix(told)}" if _is_below(value, told) else value
        for name, value in variables.items()
    }


def _is_below(value: str, address: str) -> bool:
    return value == address or value.startswith(f"{address}/")
