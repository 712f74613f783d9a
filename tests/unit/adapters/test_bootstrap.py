"""Whether a Region is prepared for the CDK, asked of SSM."""

import boto3
import pytest
from botocore.stub import Stubber

from batch_job.adapters import bootstrap
from batch_job.adapters.bootstrap import PARAMETER, is_bootstrapped
from batch_job.errors import AccessError
from local.emulator import KEY


@pytest.fixture
def ssm(monkeypatch):
    client = boto3.client("ssm", region_name="eu-west-1", aws_access_key_id=KEY, aws_secret_access_key=KEY)
    monkeypatch.setattr(bootstrap.boto3, "client", lambda *_, **__: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_the_parameter_that_bootstrapping_leaves_says_yes(ssm):
    ssm.add_response("get_parameter", {"Parameter": {"Name": PARAMETER, "Value": "28"}}, {"Name": PARAMETER})
    assert is_bootstrapped("eu-west-1")


def test_without_it_the_region_is_new(ssm):
    ssm.add_client_error("get_parameter", "ParameterNotFound")
    assert not is_bootstrapped("eu-west-1")


def test_who_may_not_ask_is_told_what_is_missing(ssm):
    ssm.add_client_error("get_parameter", "AccessDeniedException")
    with pytest.raises(AccessError, match="needs ssm:GetParameter"):
        is_bootstrapped("eu-west-1")
