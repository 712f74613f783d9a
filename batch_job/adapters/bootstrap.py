"""Whether the CDK was here: a parameter that ``cdk bootstrap`` leaves in an account's Region."""

import boto3

from batch_job.adapters.account import CONFIG
from batch_job.adapters.aws_errors import STS, as_ours

PARAMETER = "/cdk-bootstrap/hnb659fds/version"
"""Its name by default; whoever bootstraps under another qualifier calls ``cdk deploy`` without us."""


def is_bootstrapped(region: str) -> bool:
    """Ask for the parameter.

    Raises:
        BackfillError: nobody may ask, or nobody answers.
    """
    with as_ours(STS, doing=f"reading {PARAMETER} in {region} (needs ssm:GetParameter)"):
        client = boto3.client("ssm", region_name=region, config=CONFIG)
        try:
            client.get_parameter(Name=PARAMETER)
        except client.exceptions.ParameterNotFound:
            return False
        finally:
            client.close()
    return True
