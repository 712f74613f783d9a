"""The file of an area of interest, whole, from this machine or from S3."""

from typing import TYPE_CHECKING

from batch_job.adapters.aws_errors import S3, as_ours
from batch_job.adapters.s3 import whole_body
from batch_job.errors import AccessError, ChangedError, SettingsError, SetUpError
from batch_job.settings.area import S3_SCHEME, check_area_size, read_area_file, split_area_uri

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def read_area(place: str, client: "S3Client") -> bytes:
    """Read the file at a path or an ``s3://`` URI.

    Raises:
        SettingsError: it is not there, may not be read, or is too large.
        TransientError: the store could not answer.
    """
    if not place.startswith(S3_SCHEME):
        return read_area_file(place)
    bucket, key = split_area_uri(place)
    try:
        with as_ours(S3, doing=f"area_of_interest {place}"):
            answer = client.get_object(Bucket=bucket, Key=key)
            check_area_size(place, answer["ContentLength"])
            return whole_body(answer)
    except ChangedError as error:
        raise SettingsError(f"area_of_interest {place}: there is no such object") from error
    except (AccessError, SetUpError) as error:
        needs = "whoever reads it needs s3:GetObject on it, and kms:Decrypt where a KMS key encrypts it"
        raise SettingsError(f"{error}; {needs}") from error
