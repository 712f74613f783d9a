"""The wire: AWS JSON 1.1 over HTTP/1.1 with connections kept alive, on 127.0.0.1 only."""

import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from local.rekognition.answer import answer
from local.rekognition.faults import ServiceError, no_object, server_error
from local.rekognition.gate import Gate, check_credentials
from local.rekognition.picture import decode
from local.rekognition.request import DetectLabels, S3Object, parse_detect_labels
from local.rekognition.settings import RekognitionSettings
from local.rekognition.storage import Storage

TARGET = "RekognitionService.DetectLabels"
MAX_BODY_BYTES = 32 * 1024**2
"""More than any request that the service could take; the connection is closed over it."""
BACKLOG = 512
"""Connections that may wait; a pipeline opens one for each call in flight."""
IDLE_S = 300.0
LARGE_PX = 25_000_000
"""Pictures from here up (a 10,000 px square can take 2 GB to look at) are looked at one at a time."""


class Rekognition:
    """The service without the wire."""

    def __init__(self, settings: RekognitionSettings) -> None:
        self.gate = Gate(settings.behaviour, now=time.monotonic)
        self._storage = Storage(str(settings.s3_endpoint_url)) if settings.s3_endpoint_url else None
        self._model_version = settings.model_version
        self._large = threading.Lock()

    def call(self, *, target: str | None, authorization: str | None, body: bytes) -> dict[str, Any]:
        """Serve one call, and count it.

        Raises:
            ServiceError: the service says no.
        """
        outcome: ServiceError | None = server_error()
        try:
            check_credentials(authorization)
            _check_operation(target)
            self.gate.enter()
            response = self._detect_labels(parse_detect_labels(body))
            outcome = None
        except ServiceError as error:
            outcome = error
            raise
        finally:
            self.gate.count(outcome)
        return response

    def close(self) -> None:
        """Let go of connections."""
        if self._storage:
            self._storage.close()

    def _detect_labels(self, request: DetectLabels) -> dict[str, Any]:
        data = self._read(request.picture)
        self.gate.count_bytes(len(data))
        picture = decode(data)
        rows, cols = picture.shape[:2]
        with self._large if rows * cols >= LARGE_PX else nullcontext():
            response = answer(request, picture, model_version=self._model_version)
        time.sleep(self.gate.behaviour.latency_ms / 1000)
        return response

    def _read(self, picture: bytes | S3Object) -> bytes:
        if isinstance(picture, bytes):
            return picture
        if self._storage is None:
            raise no_object()
        return self._storage.read(picture)


def _check_operation(target: str | None) -> None:
    if target != TARGET:
        raise ServiceError("UnknownOperationException", f"no such operation: {target}")


class _Server(ThreadingHTTPServer):
    request_queue_size = BACKLOG
    daemon_threads = False

    def __init__(self, service: Rekognition, *, port: int) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End connections that clients keep alive, so that their threads end."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a client that went away is its own affair
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "rekognition-stand-in"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_S
    server: _Server

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        try:
            if self.path == "/_settings":
                self._answer(HTTPStatus.OK, self._change(body))
            else:
                headers = self.headers
                response = self.server.service.call(
                    target=headers.get("X-Amz-Target"), authorization=headers.get("Authorization"), body=body
                )
                self._answer(HTTPStatus.OK, response)
        except ServiceError as error:
            self._refuse(error)
        except Exception:  # noqa: BLE001  the edge: one call fails, the server goes on
            traceback.print_exc()
            self._refuse(server_error())

    def do_GET(self) -> None:
        if self.path in ("/", "/_stats"):
            self._answer(HTTPStatus.OK, self.server.service.gate.stats())
        else:
            self._refuse(ServiceError("UnknownOperationException", self.path, status=HTTPStatus.NOT_FOUND))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: clients see all there is to know."""

    def _body(self) -> bytes | None:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MAX_BODY_BYTES:
            self.close_connection = True
            status = HTTPStatus.LENGTH_REQUIRED if size < 0 else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            self._refuse(
                ServiceError("RequestEntityTooLargeException", "a body of known size is needed", status=status)
            )
            return None
        return self.rfile.read(size)

    def _change(self, body: bytes) -> dict[str, Any]:
        gate = self.server.service.gate
        try:
            gate.behave(gate.behaviour.changed(**orjson.loads(body)))
        except (ValueError, TypeError) as error:
            raise ServiceError("ValidationException", str(error)) from error
        return gate.behaviour.model_dump()

    def _refuse(self, error: ServiceError) -> None:
        self._answer(error.status, {"__type": error.code, "Code": error.code, "Message": str(error)})

    def _answer(self, status: HTTPStatus, document: Any) -> None:
        body = orjson.dumps(document)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(settings: RekognitionSettings | None = None) -> Iterator[str]:
    """Run the stand-in in a thread of this process; gives its URL, and ends it with every connection."""
    settings = settings or RekognitionSettings()
    service = Rekognition(settings)
    with _Server(service, port=settings.port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="rekognition")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()
            service.close()
