import json
import time

import pytest
import structlog

from batch_job.errors import SettingsError, SetUpError
from batch_job.values.set_up import LeftOut
from lambdas.set_up_search import handle, handler
from tests.fake_domain import FakeDomain
from tests.scripted_server import scripted

PROPERTIES = {"ServiceToken": "arn:provider", "IndexUrl": "https://domain", "IndexPrefix": "survey", "Shards": "2"}


def event(kind, **more):
    return {"RequestType": kind, "ResourceProperties": PROPERTIES, "PhysicalResourceId": "search-survey", **more}


def refuse(wanted):
    raise AssertionError(wanted)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_create_and_update_do_the_same(kind):
    asked = []
    answer = handle(event(kind), lambda wanted: asked.append(wanted) or (), clock=lambda: 1_790_000_000.9)
    assert answer == {"PhysicalResourceId": "search-survey", "Data": {"LeftOut": "", "Revision": "1790000000"}}
    [wanted] = asked
    assert (wanted.index_url, wanted.index_prefix, wanted.shards) == ("https://domain", "survey", 2)


@pytest.mark.parametrize(
    ("kind", "before", "now", "asked"),
    [
        ("Update", {}, {"Rebuild": "a"}, "a"),
        ("Update", {"Rebuild": "a"}, {"Rebuild": "b"}, "b"),
        ("Update", {"Rebuild": "a"}, {"Rebuild": "a"}, ""),
        ("Update", {"Rebuild": "a"}, {}, ""),
        ("Create", {}, {"Rebuild": "a"}, ""),
    ],
    ids=["first", "another", "same", "rolled back or left out", "new stack, perhaps on an index that is there"],
)
def test_indices_are_made_anew_once_for_each_text(kind, before, now, asked):
    told = event(kind, ResourceProperties=PROPERTIES | now, OldResourceProperties=PROPERTIES | before)
    wanted = []
    handle(told, lambda one: wanted.append(one.rebuild) or ())
    assert wanted == [asked]


def test_delete_touches_nothing_and_keeps_the_name():
    assert handle(event("Delete", PhysicalResourceId="search-old"), refuse) == {"PhysicalResourceId": "search-old"}


def test_delete_of_what_never_was_right_succeeds():
    assert handle(event("Delete", ResourceProperties={"Shards": "none"}), refuse)


def test_a_later_deployment_has_a_larger_revision():
    first, second = (handle(event("Update"), lambda _: (), clock=lambda at=at: at) for at in (999_999_999, 1e9))
    assert int(first["Data"]["Revision"]) < int(second["Data"]["Revision"])


def test_what_was_left_out_is_told_and_fails_nothing():
    left_out = (LeftOut("map imagery-map", "unsupported_type"), LeftOut("roles", "none"))
    answer = handle(event("Create"), lambda _: left_out)
    assert answer["Data"]["LeftOut"] == "map imagery-map: unsupported_type\nroles: none"


def test_the_answer_fits_into_cloudformations():
    answer = handle(event("Create"), lambda _: (LeftOut("x", "\U0001f5fa" * 10_000),))
    assert 3000 < len(json.dumps(answer, ensure_ascii=False).encode()) < 4096


def test_the_address_of_a_stand_in_goes_before_that_of_the_template():
    asked = []
    handle(event("Create"), lambda wanted: asked.append(wanted.index_url) or (), index_url="http://127.0.0.1:9200")
    assert asked == ["http://127.0.0.1:9200"]


def test_failures_fail_the_deployment():
    def fail(_):
        raise SetUpError("no index")

    with pytest.raises(SetUpError, match="no index"):
        handle(event("Create"), fail)


def test_wrong_properties_fail_before_anything_is_done():
    with pytest.raises(SettingsError, match="Shards"):
        handle(event("Create", ResourceProperties={**PROPERTIES, "Shards": "none"}), refuse)


def test_the_handler_sets_up_the_domain_that_the_environment_names(monkeypatch):
    domain = FakeDomain()
    with scripted(domain) as server:
        monkeypatch.setenv("BACKFILL_INDEX_URL", server.url)
        try:
            answer = handler(event("Create"), None)
        finally:
            structlog.reset_defaults()
    assert answer["Data"]["LeftOut"] == ""
    assert abs(int(answer["Data"]["Revision"]) - time.time()) < 600
    assert domain.files == ["objects.ndjson", "map.ndjson"]
    assert set(domain.roles) == {"survey-writer", "survey-reader"}
