"""How the emulated services refuse a request."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body, as ministack's dispatch tables hand them on."""

Request = Mapping[str, Any]
"""A request's decoded JSON."""


class RefusedError(Exception):
    """A request that the service refuses with ``ClientException``."""


def answering(answer: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Answer]:
    """Turn a function of a request into an entry of a dispatch table."""

    def handle(request: Request) -> Answer:
        try:
            return _json(200, answer(request), {})
        except RefusedError as fault:
            return _json(400, {"message": str(fault)}, {"x-amzn-errortype": "ClientException"})

    return handle


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()
