"""A deployed stack: its outputs, found by its name, and its operator's role, for whoever may assume that."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import CredentialProvider, RefreshableCredentials
from botocore.exceptions import ClientError
from botocore.session import get_session

from batch_job.adapters.aws_errors import CLOUDFORMATION, STS, as_ours, error_code
from batch_job.errors import AccessError, SettingsError, SetUpError, UnavailableError
from batch_job.ports import Deployments
from batch_job.values.deployment import Deployment

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS = 4
SESSION_S = 3600
"""The longest that one role may give to another (IAM user guide, role chaining); renewed before it ends."""
SESSION_NAME = "imagery-backfill"
"""Whose calls these are, in CloudTrail."""

_NO_SUCH = "ValidationError"
"""All that CloudFormation says of a name that is no stack's."""
_BEING_MADE = "CREATE_IN_PROGRESS"
_OF_NO_USE = {
    "CREATE_FAILED": "its creation failed",
    "DELETE_COMPLETE": "it was deleted",
    "DELETE_FAILED": "its deletion failed half-way",
    "DELETE_IN_PROGRESS": "it is being deleted",
    "REVIEW_IN_PROGRESS": "it was never deployed",
    "ROLLBACK_COMPLETE": "its creation failed, and was rolled back",
    "ROLLBACK_FAILED": "its creation failed, and so did the way back",
    "ROLLBACK_IN_PROGRESS": "its creation failed, and is being rolled back",
}
"""By status. In all others what was deployed last works, or goes on working while it is updated."""

_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_S,
    read_timeout=READ_TIMEOUT_S,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)


def own_session(*, region: str | None = None) -> boto3.Session:
    """Start from the credentials that boto3 finds.

    Args:
        region: None: as boto3 finds it.

    Raises:
        AccessError, SettingsError: there are no credentials, or no Region; or a profile is named that is not there.
    """
    with as_ours({}, doing="looking for AWS credentials"):
        session = boto3.Session(region_name=region)
        found = session.get_credentials()
    if found is None:
        raise AccessError(
            "looking for AWS credentials: there are none; `aws configure sso` or `aws configure` makes them, "
            "AWS_PROFILE names one of several"
        )
    if session.region_name is None:
        raise SettingsError("in which Region is the stack? --region, or AWS_REGION")
    return session


def assumed(session: boto3.Session, role_arn: str) -> boto3.Session:
    """Give a session of a role, whose credentials are renewed whenever they are about to run out.

    Raises:
        AccessError: whoever ``session`` is may not assume it.
    """

    def assume() -> dict[str, str]:
        # closed each time: an hour passes until the next
        with (
            as_ours(STS, doing=f"assuming {role_arn} (needs sts:AssumeRole on it)"),
            closing(session.client("sts", config=_CONFIG)) as sts,
        ):
            answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME, DurationSeconds=SESSION_S)
        given = answer["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    renewed = RefreshableCredentials.create_from_metadata(assume(), refresh_using=assume, method=_Given.METHOD)
    core = get_session()
    core.get_component("credential_provider").insert_before("env", _Given(renewed))
    return boto3.Session(botocore_session=core, region_name=session.region_name)


class _Given(CredentialProvider):
    """Gives the credentials that it was made of."""

    METHOD = "assumed-operator-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


class StackOutputs:
    """Stacks by name; fits ``ports.Deployments``."""

    def __init__(self, session: boto3.Session) -> None:
        """Look in the Region of ``session``."""
        self._session = session

    def find(self, name: str) -> Deployment:
        """Read a stack's outputs; see ``ports.Deployments``."""
        region = str(self._session.region_name)
        stack = self._describe(name, region)
        _check_stands(name, region, stack)
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
        return Deployment.from_outputs(name, region=region, outputs=outputs)

    def _describe(self, name: str, region: str) -> Mapping[str, Any]:
        with (
            as_ours(CLOUDFORMATION, doing=f"describing stack {name} in {region} (needs cloudformation:DescribeStacks)"),
            closing(self._session.client("cloudformation", config=_CONFIG)) as client,
        ):
            try:
                stacks = client.describe_stacks(StackName=name)["Stacks"]
            except ClientError as error:
                if error_code(error) != _NO_SUCH:
                    raise
                raise SetUpError(
                    f"there is no stack {name} in {region}, for these credentials: is it in another Region (--region, "
                    "or AWS_REGION) or account (AWS_PROFILE)? `make deploy` makes one"
                ) from error
        stack: Mapping[str, Any] = stacks[0]
        return stack


def _check_stands(name: str, region: str, stack: Mapping[str, Any]) -> None:
    status = stack["StackStatus"]
    if status == _BEING_MADE:
        raise UnavailableError(f"stack {name} in {region} is being made: try again when it stands, in half an hour")
    if status in _OF_NO_USE:
        why = stack.get("StackStatusReason") or "see its events in the CloudFormation console"
        raise SetUpError(f"stack {name} in {region} is {status}: {_OF_NO_USE[status]} ({why}); deploy it again")


@dataclass(frozen=True, slots=True)
class MemoryDeployments:
    """Deployments that were given."""

    by_name: dict[str, Deployment] = field(default_factory=dict)

    def find(self, name: str) -> Deployment:
        """Find a deployment.

        Raises:
            SetUpError: there is none of this name.
        """
        if name not in self.by_name:
            raise SetUpError(f"there is no stack {name}")
        return self.by_name[name]


if TYPE_CHECKING:
    _fits: type[Deployments] = StackOutputs
    _fits_too: type[Deployments] = MemoryDeployments
