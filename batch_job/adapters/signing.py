"""Signatures for an OpenSearch domain: AWS Signature Version 4, made anew for every request."""

from urllib.parse import urlsplit

import boto3
from opensearchpy import Urllib3AWSV4SignerAuth

from batch_job.adapters.aws_errors import as_ours
from batch_job.errors import AccessError, SettingsError

SERVICE = "es"
"""What requests to a domain are signed for; the serverless kind would be ``aoss``."""

DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".on.aws")
"""How the names of Amazon's own domains end, the last where they have IPv6; others take passwords, or nothing."""


def auth_for(
    url: str, *, region: str | None = None, session: boto3.Session | None = None
) -> Urllib3AWSV4SignerAuth | None:
    """Give what signs requests to ``url``, or None when it is no domain of Amazon's. Raises as ``domain_auth``."""
    return domain_auth(region=region, session=session) if (urlsplit(url).hostname or "").endswith(DOMAINS) else None


def domain_auth(*, region: str | None = None, session: boto3.Session | None = None) -> Urllib3AWSV4SignerAuth:
    """Make what ``open_client`` takes as ``http_auth``, from a session's credentials, or those that boto3 finds.

    Credentials that run out are renewed: they are asked for at each request.

    Args:
        region: The domain's; None: the session's, or as boto3 finds it.
        session: Of an assumed role, say.

    Raises:
        AccessError: there are no credentials.
        SettingsError: there is no Region.
    """
    session = session or boto3.Session(region_name=region)
    with as_ours({}, doing="looking for AWS credentials"):
        credentials = session.get_credentials()
    if credentials is None:
        raise AccessError(
            "looking for AWS credentials: there are none, and an OpenSearch domain takes signed requests only"
        )
    region = region or session.region_name
    if region is None:
        raise SettingsError("in which Region is the OpenSearch domain? Set AWS_REGION")
    return Urllib3AWSV4SignerAuth(credentials, region, SERVICE)
