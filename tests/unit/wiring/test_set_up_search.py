import re
from pathlib import Path

import pytest

from batch_job.errors import AccessError, SettingsError, UnavailableError
from batch_job.wiring.set_up_search import WAITS_S, Wanted, set_up_search
from tests.fake_domain import FakeDomain, answer, imported, no_handler
from tests.scripted_server import Response, scripted

DOCS = Path(__file__).parents[3] / "docs" / "dashboards.md"
ARN = "arn:aws:iam::111122223333:role/job"
BUSY = answer(503, message="starting")


def set_up(respond, **wanted):
    """Give what was left out, what came to the domain, and the waits."""
    waits = []
    with scripted(respond) as server:
        left_out = set_up_search(Wanted(index_url=server.url, **wanted), sleep=waits.append)
        return [str(one) for one in left_out], server.requests, waits


def test_a_whole_domain_gets_indices_roles_and_every_object():
    domain = FakeDomain()
    left_out, requests, waits = set_up(domain, index_prefix="survey", writers=(ARN,), shards=3)
    assert (left_out, waits) == ([], [])
    made = [one for one in requests if one.method == "PUT" and one.path.startswith("/survey-")]
    assert [one.path for one in made] == ["/survey-images-v1", "/survey-labels-v1"]
    assert all(b'"number_of_shards":3' in one.body for one in made)
    assert domain.mappings["survey-writer"] == {"backend_roles": [ARN]}
    assert domain.files == ["objects.ndjson", "map.ndjson"]


def test_where_the_map_is_refused_the_dashboard_without_it_comes_last():
    refusal = {"id": "imagery-map", "type": "map", "error": {"type": "unsupported_type"}}
    domain = FakeDomain(on_import=lambda name, body: imported(body, [refusal] if name == "map.ndjson" else []))
    left_out, _, _ = set_up(domain)
    assert left_out == ["map imagery-map: unsupported_type"]
    assert domain.files == ["objects.ndjson", "map.ndjson", "without_map.ndjson"]


def test_an_object_that_is_refused_does_not_keep_the_others_out():
    refusal = {"id": "imagery-label-cloud", "type": "visualization", "error": {"type": "unknown"}}
    domain = FakeDomain(on_import=lambda name, body: imported(body, [refusal] if name == "objects.ndjson" else []))
    left_out, _, _ = set_up(domain)
    assert left_out == ["visualization imagery-label-cloud: unknown"]
    assert domain.files == ["objects.ndjson", "map.ndjson"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
def test_dashboards_that_refuses_all_is_said_and_fails_nothing(status):
    domain = FakeDomain(on_import=lambda _name, _body: answer(status, message="no"))
    left_out, _, _ = set_up(domain)
    assert len(left_out) == 1
    assert left_out[0].startswith("objects.ndjson: importing objects.ndjson into Dashboards: ")
    assert set(domain.files) == {"objects.ndjson"}


def test_a_server_without_access_control_and_dashboards_is_set_up_as_far_as_it_goes():
    domain = FakeDomain()
    left_out, _, _ = set_up(lambda request: no_handler(request) if request.path.startswith("/_") else domain(request))
    assert [one.partition(":")[0] for one in left_out] == ["roles", "objects.ndjson"]


def test_a_domain_that_is_still_starting_is_waited_for():
    _, _, waits = set_up(FakeDomain(broken=[BUSY, BUSY, answer(429)]))
    assert waits == list(WAITS_S[:3])


def test_a_right_that_was_granted_a_moment_ago_is_waited_for():
    refused = Response(403, b"")  # of a HEAD
    left_out, _, waits = set_up(FakeDomain(broken=[refused, refused]))
    assert (left_out, waits) == ([], list(WAITS_S[:2]))


def test_a_domain_that_never_comes_up_fails_the_deployment():
    with pytest.raises(UnavailableError):
        set_up(lambda _: BUSY)


def test_roles_that_may_not_be_made_fail_the_deployment():
    domain = FakeDomain()
    with pytest.raises(AccessError, match="roles of imagery"):
        set_up(lambda request: answer(403) if "_security" in request.path else domain(request))


def test_a_prefix_that_needs_quoting_is_refused_before_anything_is_made():
    domain = FakeDomain()
    with scripted(domain) as server:
        wanted = Wanted(index_url=server.url, index_prefix='a"b')
        with pytest.raises(SettingsError, match="prefix"):
            set_up_search(wanted)
        assert server.requests == []


def test_a_domain_is_asked_with_signatures(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(SettingsError, match="AWS_REGION"):
        set_up_search(Wanted(index_url="https://search-x.eu-central-1.es.amazonaws.com"))


def test_every_wrong_property_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        Wanted.from_properties({"Shards": "none", "Writer": [ARN], "Readers": ARN})
    assert {line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]} == {
        "IndexUrl",
        "Shards",
        "Writer",
        "Readers",
    }


def test_what_cloudformation_adds_is_no_property_of_ours():
    wanted = Wanted.from_properties(
        {"IndexUrl": "https://x", "ServiceToken": "arn", "ServiceTimeout": "600", "Shards": "2", "Revision": "7"}
    )
    assert (wanted.index_url, wanted.shards) == ("https://x", 2)


def test_the_documentation_lists_every_property():
    rows = DOCS.read_text(encoding="utf-8").partition("| property |")[2].partition("\n\n")[0].splitlines()
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1] if row.startswith("|") else "")]
    ours = [field.alias for name, field in Wanted.model_fields.items() if not name.startswith("service_")]
    assert told == ours
