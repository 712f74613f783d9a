"""Reading pictures that stand in S3."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.rekognition.faults import no_object, too_large
from local.rekognition.request import S3Object

MAX_STORED_BYTES = 15 * 1024**2


class Storage:
    """An S3 endpoint on this machine, asked with credentials that mean nothing."""

    def __init__(self, endpoint_url: str) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="stand-in",
            aws_secret_access_key="stand-in",  # noqa: S106  no secret
            config=Config(
                s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1}
            ),
        )

    def read(self, where: S3Object) -> bytes:
        """Read a whole object.

        Raises:
            ServiceError: InvalidS3ObjectException or ImageTooLargeException.
        """
        version: dict[str, Any] = {"VersionId": where.version} if where.version else {}
        try:
            found = self._client.get_object(Bucket=where.bucket, Key=where.name, **version)
            with found["Body"] as body:
                if found["ContentLength"] > MAX_STORED_BYTES:
                    raise too_large(f"{found['ContentLength']} bytes, at most {MAX_STORED_BYTES} are allowed")
                return bytes(body.read())
        except (ClientError, BotoCoreError) as error:
            raise no_object() from error

    def close(self) -> None:
        """Close its connections."""
        self._client.close()
