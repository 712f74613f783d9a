"""An HTTP server on this machine that answers each request as a test says."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b"[]"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scripted:
    """A running server."""

    url: str
    requests: list[Request] = field(default_factory=list)
    """What came, in order."""


@contextmanager
def scripted(respond: Callable[[Request], Response]) -> Iterator[Scripted]:
    """Serve on a free port; no thread and no socket is left afterwards."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            running.requests.append(request)
            response = respond(request)
            self.send_response(response.status)
            for name, value in {"Content-Length": str(len(response.body)), **response.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":  # has no body, or the next answer would seem to begin with it
                return
            # a client may hang up on an answer that it finds too long
            try:
                self.wfile.write(response.body)
            except OSError:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_PATCH = do_POST  # noqa: N815  the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Scripted(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
