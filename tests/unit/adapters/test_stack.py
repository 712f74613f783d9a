from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.session import get_session
from botocore.stub import Stubber

from batch_job.adapters import stack as module
from batch_job.adapters.signing import auth_for
from batch_job.adapters.stack import MemoryDeployments, StackOutputs, assumed, own_session
from batch_job.errors import AccessError, BackfillError, SettingsError, SetUpError, UnavailableError
from batch_job.wiring.memory_operator import memory_deployment

DEPLOYED = memory_deployment()
OUTPUTS = [{"OutputKey": name, "OutputValue": value} for name, value in DEPLOYED.to_outputs().items()]
OWN = boto3.Session(aws_access_key_id="own", aws_secret_access_key="s", region_name="us-east-1")  # noqa: S106
"""One for all, as each reads the services' models anew."""
STATUSES = get_session().get_service_model("cloudformation").shape_for("StackStatus").enum


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """An environment without credentials and Region, whatever ours is."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def session() -> boto3.Session:
    return OWN


class Stubbed:
    """A session whose every client is stubbed alike."""

    def __init__(self, session: boto3.Session, stubbing: Any) -> None:
        self._session, self._stubbing, self.region_name = session, stubbing, session.region_name

    def client(self, service: str, **options: Any) -> Any:
        client = self._session.client(service, **options)
        stubber = Stubber(client)
        self._stubbing(stubber)
        stubber.activate()
        return client


def described(status: str, **more: Any) -> dict[str, Any]:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return {"Stacks": [{"StackName": "Mine", "CreationTime": now, "StackStatus": status, **more}]}


def found_with(session: boto3.Session, answer: dict[str, Any]) -> Any:
    stubbed = Stubbed(session, lambda stub: stub.add_response("describe_stacks", answer, {"StackName": "Mine"}))
    return StackOutputs(stubbed).find("Mine")


def test_a_stack_is_found_by_its_outputs(session: boto3.Session):
    assert found_with(session, described("CREATE_COMPLETE", Outputs=OUTPUTS)) == DEPLOYED


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_either_works_or_says_what_to_do(session: boto3.Session, status: str):
    works = status.startswith(("UPDATE", "IMPORT")) or status == "CREATE_COMPLETE"
    answer = described(status, Outputs=OUTPUTS)
    if works:
        assert found_with(session, answer) == DEPLOYED
        return
    ours, cure = (UnavailableError, "try again") if status == "CREATE_IN_PROGRESS" else (SetUpError, "deploy it again")
    with pytest.raises(ours, match=f"stack Mine in us-east-1 is .*{cure}"):
        found_with(session, answer)


def test_why_it_does_not_stand_is_told(session: boto3.Session):
    with pytest.raises(SetUpError, match=r"ROLLBACK_COMPLETE.*The bucket is another Region's"):
        found_with(session, described("ROLLBACK_COMPLETE", StackStatusReason="The bucket is another Region's"))


def test_a_stack_of_somebody_else_has_not_our_outputs(session: boto3.Session):
    with pytest.raises(SetUpError, match="stack Mine in us-east-1 has no output DashboardsUrl, "):
        found_with(session, described("CREATE_COMPLETE"))


@pytest.mark.parametrize(
    ("code", "ours", "text"),
    [
        ("ValidationError", SetUpError, "there is no stack Mine in us-east-1.*--region.*AWS_PROFILE.*make deploy"),
        ("AccessDenied", AccessError, r"describing stack Mine in us-east-1 \(needs cloudformation:DescribeStacks\)"),
        ("ExpiredToken", AccessError, "describing stack Mine"),
    ],
)
def test_a_refusal_says_the_cure(session: boto3.Session, code: str, ours: type[BackfillError], text: str):
    stubbed = Stubbed(session, lambda stub: stub.add_client_error("describe_stacks", code, "so it is", 400))
    with pytest.raises(ours, match=text):
        StackOutputs(stubbed).find("Mine")


def test_without_credentials_or_region_the_cure_is_said(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AccessError, match="aws configure"):
        own_session(region="us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with pytest.raises(SettingsError, match="--region, or AWS_REGION"):
        own_session()
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(SettingsError, match="nobodys"):
        own_session(region="us-east-1")


def credentials(number: int, *, seconds: float) -> dict[str, Any]:
    return {
        "AccessKeyId": f"ASIA{number:016d}",
        "SecretAccessKey": "s",
        "SessionToken": f"token {number}",
        "Expiration": datetime.now(UTC) + timedelta(seconds=seconds),
    }


@contextmanager
def role_sessions(session: boto3.Session, *seconds: float) -> Iterator[Stubbed]:
    """A session that may assume the role, for so many seconds each time."""
    given = iter(enumerate(seconds))

    def stubbing(stub: Stubber) -> None:
        number, lasts_s = next(given)
        asked = {"RoleArn": "arn:aws:iam::1:role/x", "RoleSessionName": "imagery-backfill", "DurationSeconds": 3600}
        stub.add_response("assume_role", {"Credentials": credentials(number, seconds=lasts_s)}, asked)

    yield Stubbed(session, stubbing)


def test_credentials_of_the_role_are_renewed_before_they_run_out(session: boto3.Session):
    with role_sessions(session, 60, 3600, 3600) as stubbed:
        renewing = assumed(stubbed, "arn:aws:iam::1:role/x")
        # of the first, less than boto3's margin is left at once
        tokens = [renewing.get_credentials().get_frozen_credentials().token for _ in range(2)]
        assert tokens == ["token 1", "token 1"]
        assert renewing.region_name == "us-east-1"


def test_requests_to_the_index_are_signed_as_the_role(session: boto3.Session):
    with role_sessions(session, 3600) as stubbed:
        auth = auth_for("https://x.us-east-1.es.amazonaws.com", session=assumed(stubbed, "arn:aws:iam::1:role/x"))
    headers = auth("GET", "https://x.us-east-1.es.amazonaws.com/", None)
    assert headers["X-Amz-Security-Token"] == "token 0"
    assert "/us-east-1/es/" in headers["Authorization"]


def test_that_the_role_may_not_be_assumed_is_said_at_once(session: boto3.Session):
    stubbed = Stubbed(session, lambda stub: stub.add_client_error("assume_role", "AccessDenied", "not you", 403))
    with pytest.raises(AccessError, match=r"assuming arn:aws:iam::1:role/x \(needs sts:AssumeRole on it\): .*not you"):
        assumed(stubbed, "arn:aws:iam::1:role/x")


def test_every_status_that_is_of_no_use_is_one_of_cloudformations():
    assert set(STATUSES) >= module._OF_NO_USE.keys() | {module._BEING_MADE}


def test_the_fake_finds_what_it_was_given():
    assert MemoryDeployments({"Mine": DEPLOYED}).find("Mine") is DEPLOYED
    with pytest.raises(SetUpError, match="no stack Other"):
        MemoryDeployments().find("Other")
