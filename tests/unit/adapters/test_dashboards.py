import json

import pytest

from batch_job.adapters.dashboards import import_objects
from batch_job.adapters.opensearch import open_client
from batch_job.errors import AccessError, SetUpError, UnavailableError
from batch_job.search.dashboards.saved_objects import Bundle
from batch_job.values.set_up import LeftOut
from tests.fake_domain import answer, no_handler, uploaded
from tests.scripted_server import Response, scripted

BUNDLE = Bundle("labels.ndjson", b'{"id":"a","attributes":{"title":"\xc3\xa9\\n"}}\n{"id":"b"}\n')
TAKEN = answer(success=True, successCount=2)


def importing(respond):
    """Give what was left out, and the request that was sent."""
    with scripted(respond if callable(respond) else lambda _: respond) as server:
        client = open_client(server.url)
        try:
            return import_objects(client, BUNDLE), server.requests
        finally:
            client.close()


def test_objects_go_over_those_of_the_same_ids_into_the_tenant_that_all_see():
    left_out, [request] = importing(TAKEN)
    assert left_out == ()
    assert (request.method, request.path) == ("POST", "/_dashboards/api/saved_objects/_import?overwrite=true")
    assert request.headers["osd-xsrf"] == "true"
    assert request.headers["securitytenant"] == "global"


def test_the_file_goes_as_it_is_by_its_name():
    _, [request] = importing(TAKEN)
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert uploaded(request) == (BUNDLE.name, BUNDLE.body)


REFUSALS = {
    "one object": (
        {
            "success": False,
            "successCount": 1,
            "errors": [{"id": "b", "type": "map", "error": {"type": "unsupported_type"}}],
        },
        (LeftOut("map b", "unsupported_type"),),
    ),
    "with details": (
        {
            "success": False,
            "successCount": 0,
            "errors": [
                {
                    "id": "a",
                    "type": "search",
                    "error": {"type": "missing_references", "references": [{"type": "index-pattern", "id": "x"}]},
                },
                {"id": "b", "type": "search", "error": {"type": "conflict"}},
            ],
        },
        (
            LeftOut("search a", "missing_references {'references': [{'type': 'index-pattern', 'id': 'x'}]}"),
            LeftOut("search b", "conflict"),
        ),
    ),
    "without a reason": (
        {"success": False, "successCount": 0},
        (LeftOut(BUNDLE.name, "0 of 2 objects were imported"),),
    ),
    "success of a part": (
        {"success": True, "successCount": 1},
        (LeftOut(BUNDLE.name, "1 of 2 objects were imported"),),
    ),
    "error of no known form": (
        {"success": False, "successCount": 1, "errors": [{"id": "b"}]},
        (LeftOut("None b", "unknown"),),
    ),
}


@pytest.mark.parametrize(("body", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_the_status_200_is_no_success(body, expected):
    left_out, _ = importing(answer(**body))
    assert left_out == expected


def test_a_server_without_dashboards_is_no_failure():
    left_out, _ = importing(no_handler)
    assert left_out == (LeftOut(BUNDLE.name, "there is no Dashboards at the index's address"),)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (
            answer(400, statusCode=400, error="Bad Request", message="Request must contain a osd-xsrf header"),
            SetUpError,
        ),
        (answer(401), AccessError),
        (answer(403, message="no permissions"), AccessError),
        (answer(404), SetUpError),
        (Response(302, b"", {"Location": "https://sign-in.example"}), SetUpError),
        (answer(429), UnavailableError),
        (Response(503, b"Dashboards server is not ready yet", {"Content-Type": "text/plain"}), UnavailableError),
        (Response(200, b"<html>sign in</html>", {"Content-Type": "text/html"}), UnavailableError),
        (Response(200, b"", {}), SetUpError),
        (Response(200, json.dumps([1]).encode(), {"Content-Type": "application/json"}), SetUpError),
        (answer(acknowledged=True), SetUpError),
    ],
    ids=lambda one: f"{one.status} {one.body[:20]!r}" if isinstance(one, Response) else one.__name__,
)
def test_other_answers_are_errors_that_name_the_file(response, error):
    with pytest.raises(error, match=r"labels\.ndjson into Dashboards"):
        importing(response)


def test_nobody_at_the_address_is_worth_a_retry():
    client = open_client("http://127.0.0.1:1")
    with pytest.raises(UnavailableError):
        import_objects(client, BUNDLE)
    client.close()
