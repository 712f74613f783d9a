"""A reverse proxy on 127.0.0.1 that plays failures between a client and a real server.

::

    with fault_proxy(opensearch_url) as proxy:
        proxy.fail_next(2, status=503, path_contains="_bulk")
        client = open_client(proxy.url)

Faults are used up in the order in which they were given; a request without one goes through. Nothing of a failed
request reaches the server, but with ``lose_answers_of_next`` the server does the work and only its answer is lost.
"""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """A request that reached the proxy."""

    method: str
    path: str
    """With the query string."""
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def lines(self) -> list[Any]:
        """The body of a bulk request."""
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes


class DroppedError(Exception):
    """The connection is closed without an answer."""


Upstream = Callable[[Request], Answer]
Fault = Callable[[Request, Upstream], Answer]


@dataclass
class _Planned:
    fault: Fault
    left: int
    method: str | None
    path_contains: str

    def meant_for(self, request: Request) -> bool:
        return self.left > 0 and self.method in (None, request.method) and self.path_contains in request.path


class FaultProxy:
    """What a test tells the proxy, and what the proxy saw."""

    def __init__(self, upstream_url: str) -> None:
        self.url = ""
        self.requests: list[Request] = []
        """All, in the order of their arrival."""
        self._upstream = urlsplit(upstream_url)
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def fail_next(self, n: int, *, status: int, body: Any = None, method: str | None = None, path_contains: str = ""):
        """Answer by ``status`` and ``body``: a str as HTML, all else as JSON; by default OpenSearch's words for it."""
        error = {"type": f"played_{status}_exception", "reason": f"played {status}"}
        answer = Answer(status, {"Content-Type": "application/json"}, json.dumps(body or {"error": error}).encode())
        if isinstance(body, str):
            answer = Answer(status, {"Content-Type": "text/html"}, body.encode())
        self._plan(n, lambda _request, _upstream: answer, method, path_contains)

    def drop_next(self, n: int, *, method: str | None = None, path_contains: str = ""):
        """Close the connection; the server never hears of it."""

        def drop(request: Request, upstream: Upstream) -> Answer:
            raise DroppedError

        self._plan(n, drop, method, path_contains)

    def lose_answers_of_next(self, n: int, *, method: str | None = None, path_contains: str = ""):
        """Let the server do it, then close the connection."""

        def lose(request: Request, upstream: Upstream) -> Answer:
            upstream(request)
            raise DroppedError

        self._plan(n, lose, method, path_contains)

    def stall_next(self, n: int, *, method: str | None = None, path_contains: str = ""):
        """Never answer, until the proxy ends; the client has to have a time limit."""

        def stall(request: Request, upstream: Upstream) -> Answer:
            self._closing.wait()
            raise DroppedError

        self._plan(n, stall, method, path_contains)

    def fail_items_of_next(self, n: int, *, status: int, which: Callable[[int], bool], kind: str = "played_exception"):
        """Refuse those actions of bulk requests for whose place, from 0, ``which`` is true; the others go through."""

        def refuse(request: Request, upstream: Upstream) -> Answer:
            return _refuse_items(request, upstream, status=status, which=which, kind=kind)

        self._plan(n, refuse, "POST", "_bulk")

    def change_next(self, n: int, fault: Fault, *, method: str | None = None, path_contains: str = ""):
        """Do anything: ``fault`` gets the request and a function that asks the server, and gives an answer."""
        self._plan(n, fault, method, path_contains)

    def heal(self) -> None:
        """Forget the faults that are left, and what was seen; requests that are stalled stay so."""
        with self._lock:
            self._planned.clear()
            self.requests.clear()

    def lead_to(self, upstream_url: str) -> None:
        """Ask another server from now on."""
        self._upstream = urlsplit(upstream_url)

    def seen(self, *, method: str | None = None, path_contains: str = "") -> list[Request]:
        """Give the requests of a kind."""
        return [one for one in self.requests if method in (None, one.method) and path_contains in one.path]

    def _plan(self, n: int, fault: Fault, method: str | None, path_contains: str) -> None:
        with self._lock:
            self._planned.append(_Planned(fault, n, method, path_contains))

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            planned = next((one for one in self._planned if one.meant_for(request)), None)
            if planned is not None:
                planned.left -= 1
        return self._ask(request) if planned is None else planned.fault(request, self._ask)

    def _ask(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._upstream.hostname, self._upstream.port, timeout=60)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        try:
            connection.request(request.method, request.path, body=request.body or None, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


_HOP_BY_HOP = ("connection", "content-length", "expect", "keep-alive", "transfer-encoding")


def _refuse_items(request: Request, upstream: Upstream, *, status: int, which: Callable[[int], bool], kind: str):
    actions = _actions(request.body)
    refused = [which(place) for place in range(len(actions))]
    passed = b"".join(action for action, no in zip(actions, refused, strict=True) if not no)
    answer = {"errors": False, "items": []}
    if passed:
        answer = json.loads(upstream(Request(request.method, request.path, request.headers, passed)).body)
    done = iter(answer["items"])
    error = {"type": kind, "reason": f"played {status}"}
    names = [next(iter(json.loads(action.partition(b"\n")[0]))) for action in actions]
    items = [
        {name: {"status": status, "error": error}} if no else next(done)
        for name, no in zip(names, refused, strict=True)
    ]
    body = {"errors": answer["errors"] or any(refused), "items": items}
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _actions(body: bytes) -> list[bytes]:
    lines = iter(body.splitlines(keepends=True))
    return [line if b'"delete"' in line.partition(b":")[0] else line + next(lines) for line in lines]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, *_arguments: Any) -> None:
        """A client that went away is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        try:
            self._pass_on(self.server.proxy._answer(request))
        except DroppedError:
            self.close_connection = True

    def _pass_on(self, answer: Answer) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if self.command != "HEAD":
            headers["content-length"] = str(len(answer.body))
        self.send_response(answer.status)
        for name, value in headers.items():
            if name not in _HOP_BY_HOP or name == "content-length":
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815  named by http.server

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""


@contextmanager
def fault_proxy(upstream_url: str) -> Iterator[FaultProxy]:
    """Serve a proxy to ``upstream_url`` on a free port; it ends with the context, stalled requests too."""
    proxy = FaultProxy(upstream_url)
    with _Server(proxy) as server:
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy._closing.set()
            server.shutdown()
            thread.join()
