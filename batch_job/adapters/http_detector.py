"""Any model behind a URL: the chip's bytes go out by POST, JSON comes back. ``docs/detectors.md`` is the contract."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, LocationValueError
from urllib3.response import BaseHTTPResponse
from urllib3.util import parse_url

from batch_job.adapters.calls import Flow, Refused, call_all
from batch_job.adapters.urls import shown_url
from batch_job.errors import AccessError, DeploymentError, SettingsError, SetUpError, ThrottledError, UnavailableError
from batch_job.ports import Detector, Keep
from batch_job.values.answers import Answer, ChipRejected, RawAnswer
from batch_job.values.spaces import Chip

ENGINE = "http"
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
"""Between two bytes; what SageMaker gives a model's container to answer."""
MAX_ANSWER_BYTES = 32 * 1024**2
"""About 200,000 features: more than one chip can show, less than a worker's memory."""
MAX_RETRY_AFTER_S = 60.0
"""A server may ask for more; a lease would end first."""
MAX_VERSION_CHARS = 100
_SHOWN_BYTES = 300

_ACCESS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_NOT_A_MODEL = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE)
"""The same for every chip: the URL is wrong, not the chip."""
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)


class HttpDetector:
    """Fits ``ports.Detector``."""

    def __init__(self, url: str, *, flow: Flow) -> None:
        """Prepare to POST to ``url``; nothing is sent yet.

        Raises:
            SettingsError: not an http or https URL.
        """
        try:
            parts = parse_url(url)
        except LocationValueError as error:
            raise SettingsError(f"not a detector's URL: {shown_url(url)}") from error
        if parts.scheme not in ("http", "https") or not parts.host:
            raise SettingsError(f"a detector's URL begins with http:// or https://, not {shown_url(url)}")
        if parts.auth is not None:
            raise SettingsError(f"a detector's URL holds no user name: put a proxy before {parts.host}")
        self._pool = urllib3.connection_from_url(
            url,
            maxsize=flow.calls_in_flight,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            retries=False,
        )
        # a query may hold a token, and messages go into logs and the index
        self._shown, self._target, self._flow = shown_url(url), parts.request_uri, flow

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield the answer to each chip; see ``ports.Detector``.

        Raises:
            SetUpError: what answers at the URL is no model.
        """
        return call_all(chips, self._ask, keep=keep, flow=self._flow)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def _ask(self, chip: Chip) -> Answer | Refused:
        doing = f"asking {self._shown} about {chip.image.uri} {chip.frame.window}"
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=chip.body,
                headers=_headers(chip),
                redirect=False,
                preload_content=False,
            )
            with response:
                body = _read(response)
        except HTTPError as error:
            reason = str(error).replace(self._target, parse_url(self._target).path or "/")
            raise UnavailableError(f"{doing}: {reason}") from error
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return _answer(chip, response, body)
        return _refusal(chip, response, message=f"{doing}: HTTP {response.status} {body[:_SHOWN_BYTES]!r}")


def _headers(chip: Chip) -> dict[str, str]:
    window = chip.frame.window
    return {
        "Content-Type": chip.media_type,
        "Accept": "application/json",
        # keys may hold any character, headers may not
        "X-Image": quote(chip.image.uri, safe=":/"),
        "X-Window": f"{window.col_off},{window.row_off},{window.width},{window.height}",
    }


def _read(response: BaseHTTPResponse) -> bytes:
    """Read a body to one byte beyond the limit; a connection with unread bytes is not used again."""
    body = response.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        response.close()
    return body


def _answer(chip: Chip, response: BaseHTTPResponse, body: bytes) -> Answer:
    if len(body) > MAX_ANSWER_BYTES:
        message = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
        return ChipRejected(chip.frame, code="AnswerTooLarge", message=message)
    version = response.headers.get("X-Model-Version", "")[:MAX_VERSION_CHARS]
    return RawAnswer(chip.frame, engine=ENGINE, body=body, model_version=version)


def _refusal(chip: Chip, response: BaseHTTPResponse, *, message: str) -> Answer | Refused:
    """Sort a status that is not 2xx by what helps."""
    status = response.status
    if status in _ACCESS:
        raise AccessError(message)
    if status < HTTPStatus.BAD_REQUEST or status in _NOT_A_MODEL:
        raise _not_a_model(response, message)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refused(ThrottledError(message), wait_s=_retry_after_s(response))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        return Refused(UnavailableError(message), wait_s=_retry_after_s(response))
    return ChipRejected(chip.frame, code=f"HTTP{status}", message=message)


def _not_a_model(response: BaseHTTPResponse, message: str) -> DeploymentError:
    location = response.headers.get("Location")
    return SetUpError(f"{message}; redirects are not followed, to {location}" if location else message)


def _retry_after_s(response: BaseHTTPResponse) -> float:
    """Read how long the server asks us to wait, within reason."""
    text = response.headers.get("Retry-After", "0")
    try:
        asked_s = urllib3.Retry().parse_retry_after(text)
    except InvalidHeader:
        return 0.0
    return min(max(asked_s, 0.0), MAX_RETRY_AFTER_S)


if TYPE_CHECKING:
    _fits: type[Detector] = HttpDetector
