"""Where the services are."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of an AWS account, or what a stand-in takes for one."""

    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of the index and the buckets; None: as the AWS libraries find it."""

    index_url: str | None = None
    index_prefix: str = "imagery"
    """Beginning of the two indices' names."""
    archive_uri: str | None = None
    """``s3://BUCKET/PREFIX`` of the paid answers."""
    s3_endpoint: str | None = None
    region: str | None = None
    credentials: Credentials | None = None
    dem: str = ""
    """Where heights of the ground are: ``s3://BUCKET/KEY``, or a path; empty: nowhere."""
    requester_pays: bool = False
    """Whether we pay for requests to the bucket with the imagery."""
    session: Any = None
    """An assumed role's, as ``adapters.stack`` gives it; None: as the AWS libraries find it."""
