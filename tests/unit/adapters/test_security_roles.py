import copy

import pytest

from batch_job.adapters.opensearch import open_client
from batch_job.adapters.security_roles import put_roles
from batch_job.errors import AccessError, SetUpError, UnavailableError
from batch_job.search.mappings import IndexNames
from batch_job.search.roles import DASHBOARDS_USER, Access
from tests.fake_domain import FakeDomain, answer, no_handler
from tests.scripted_server import scripted

NAMES = IndexNames("survey")
ARN = "arn:aws:iam::111122223333:role/"
ACCESS = Access(writers=(f"{ARN}job", f"{ARN}live"), readers=(f"{ARN}planner",), people=(f"{ARN}signed-in",))


def put(respond, access=ACCESS):
    with scripted(respond) as server:
        client = open_client(server.url)
        try:
            return put_roles(client, NAMES, access), server.requests
        finally:
            client.close()


def test_each_kind_gets_its_role():
    domain = FakeDomain()
    left_out, _ = put(domain)
    assert left_out == ()
    assert domain.mappings == {
        "survey-writer": {"backend_roles": [f"{ARN}job", f"{ARN}live"]},
        "survey-reader": {"backend_roles": [f"{ARN}planner", f"{ARN}signed-in"]},
        DASHBOARDS_USER: {"backend_roles": [f"{ARN}signed-in"]},
    }


def test_doing_it_again_changes_nothing():
    domain = FakeDomain()
    put(domain)
    before = copy.deepcopy((domain.roles, domain.mappings))
    put(domain)
    assert (domain.roles, domain.mappings) == before


def test_who_is_no_longer_named_is_out_of_our_roles():
    domain = FakeDomain()
    put(domain)
    put(domain, Access(writers=(f"{ARN}job",)))
    assert domain.mappings["survey-writer"] == {"backend_roles": [f"{ARN}job"]}
    assert domain.mappings["survey-reader"] == {"backend_roles": []}


def test_others_stay_in_the_role_that_is_theirs_too():
    others = {"backend_roles": ["theirs"], "users": ["Cognito/pool/ann"], "hosts": []}
    domain = FakeDomain(mappings={DASHBOARDS_USER: copy.deepcopy(others)})
    put(domain)
    assert domain.mappings[DASHBOARDS_USER] == {**others, "backend_roles": ["theirs", f"{ARN}signed-in"]}


def test_a_mapping_that_has_everybody_is_not_written():
    domain = FakeDomain(mappings={DASHBOARDS_USER: {"backend_roles": [f"{ARN}signed-in"]}})
    _, requests = put(domain)
    assert [one.method for one in requests if DASHBOARDS_USER in one.path] == ["GET"]


@pytest.mark.parametrize(("name", "writes"), [("survey-writer", True), ("survey-reader", False)])
def test_a_role_may_only_what_it_needs_on_our_two_indices_only(name, writes):
    domain = FakeDomain()
    put(domain)
    role = domain.roles[name]
    [permissions] = role["index_permissions"]
    assert permissions["index_patterns"] == ["survey-images", "survey-images-v*", "survey-labels", "survey-labels-v*"]
    granted = [*role["cluster_permissions"], *permissions["allowed_actions"]]
    assert any(action.startswith("indices:data/write") for action in granted) == writes
    assert not [
        one for one in granted if one in ("*", "crud", "write", "indices_all", "manage", "cluster_all", "unlimited")
    ]
    assert not [one for one in granted if one.startswith(("indices:admin/create", "indices:admin/delete", "cluster:"))]


def test_a_server_without_access_control_is_said_not_failed():
    [left_out], _ = put(no_handler)
    assert left_out.what == "roles"


@pytest.mark.parametrize(("status", "error"), [(400, SetUpError), (403, AccessError), (500, UnavailableError)])
def test_a_refusal_is_an_error(status, error):
    with pytest.raises(error, match="roles of survey"):
        put(lambda _: answer(status, status="NO", message="no"))
