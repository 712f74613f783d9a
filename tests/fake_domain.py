"""The parts of an OpenSearch domain that no local server has: the security plugin's API, and Dashboards' import."""

import email
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.scripted_server import Request, Response

SECURITY, IMPORT = "/_plugins/_security/api/", "/_dashboards/api/saved_objects/_import"


def answer(code: int = 200, /, **body: Any) -> Response:
    return Response(code, json.dumps(body).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def no_handler(request: Request) -> Response:
    """As OpenSearch 3.6.0 without plugins."""
    return answer(400, error=f"no handler found for uri [{request.path}] and method [{request.method}]")


def uploaded(request: Request) -> tuple[str, bytes]:
    """File name and content of the one part of a multipart body, as the standard library reads it."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    [part] = email.message_from_bytes(head + request.body).get_payload()
    assert part.get_param("name", header="content-disposition") == "file"
    return part.get_filename(), part.get_payload(decode=True)


def imported(content: bytes, refused: Iterable[dict[str, Any]] = ()) -> Response:
    errors = list(refused)
    count = content.count(b"\n") - len(errors)
    return answer(success=not errors, successCount=count, **({"errors": errors} if errors else {}))


@dataclass
class FakeDomain:
    """Stateful; every index that is asked for is made, none is there before."""

    roles: dict[str, Any] = field(default_factory=dict)
    mappings: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    """Names of the files that came to be imported, in order."""
    on_import: Callable[[str, bytes], Response] = lambda _, content: imported(content)
    broken: list[Response] = field(default_factory=list)
    """Answers to the next requests, whatever they are."""

    def __call__(self, request: Request) -> Response:
        if self.broken:
            return self.broken.pop(0)
        path = urlsplit(request.path).path
        if path.startswith(SECURITY):
            return self._security(request.method, *unquote(path.removeprefix(SECURITY)).split("/"), request.body)
        if path == IMPORT:
            name, content = uploaded(request)
            self.files.append(name)
            return self.on_import(name, content)
        return Response(404, b"") if request.method == "HEAD" else answer(acknowledged=True)

    def _security(self, method: str, kind: str, name: str, body: bytes) -> Response:
        stored = {"roles": self.roles, "rolesmapping": self.mappings}[kind]
        if method == "PUT":
            stored[name] = json.loads(body)
            return answer(status="OK")
        if name not in stored:
            return answer(404, status="NOT_FOUND", message="Resource not found.")
        if method == "PATCH":
            for change in json.loads(body):
                assert change["op"] == "add"
                stored[name][change["path"].removeprefix("/")] = change["value"]
        return answer(**{name: stored[name]})
