"""Clients of AWS that are asked seldom and in no hurry: alike but for the service, and how patient they are."""

from typing import Any, TypedDict, Unpack

import boto3
from botocore.config import Config

from batch_job.adapters.aws_errors import ErrorTable, as_ours

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30


class Where(TypedDict, total=False):
    """Where a service is, and who asks; what is left out, or None, comes from the environment, as always with AWS."""

    endpoint_url: str | None
    region: str | None
    session: boto3.Session | None


def connect(service: str, errors: ErrorTable, *, attempts: int, **where: Unpack[Where]) -> Any:
    """Make a client that tries each request ``attempts`` times in all, with botocore's standard back-off.

    Raises:
        SettingsError, AccessError: the environment names what is not there, a profile say.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    maker: Any = where.get("session") or boto3  # Any: the service is named at run time
    with as_ours(errors, doing=f"connecting to AWS ({service})"):
        return maker.client(
            service, endpoint_url=where.get("endpoint_url"), region_name=where.get("region"), config=config
        )
