"""S3's inventory configurations: puts ours on a bucket, takes it away again, and touches nothing else of the bucket."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import S3, as_ours, error_code
from batch_job.errors import SettingsError, SetUpError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.literals import InventoryOptionalFieldType
    from mypy_boto3_s3.type_defs import InventoryConfigurationTypeDef

OPTIONAL_FIELDS: "tuple[InventoryOptionalFieldType, ...]" = (
    "Size",
    "LastModifiedDate",
    "ETag",
    "StorageClass",
    "EncryptionStatus",
    "IsMultipartUploaded",
)
"""The planner needs the first four; the other two say why an ETag is no digest. They cost nothing."""

_NO_BUCKET = "there is no such bucket: correct the name, or have the stack make it"
_REGION = "x-amz-bucket-region"
"""A header of refusals too: HeadBucket in the Amazon S3 API reference."""
_NONE_SUCH = "NoSuchConfiguration"
_CURES = {
    "404": _NO_BUCKET,
    "NoSuchBucket": _NO_BUCKET,
    _NONE_SUCH: "it is gone",
    "TooManyConfigurations": "the bucket has 1,000 inventory configurations, the most that S3 keeps: delete one",
    "InvalidS3DestinationBucket": "the bucket for the reports must exist, in the same Region and of the account named",
}
"""What to do, by S3's error code; permissions and the rest say it themselves."""
_GONE = ("404", "NoSuchBucket", _NONE_SUCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """An inventory as we have it delivered: daily, as CSV, of the current versions of all objects."""

    bucket: str
    """Whose objects are listed."""
    id: str
    """Of the configuration, unique in the bucket."""
    destination_arn: str
    """Of the bucket for the reports."""
    destination_account: str
    """Who must own that bucket, or nothing is delivered."""
    prefix: str
    """Begins the reports' keys."""


class InventoryConfigurations:
    """The inventory configurations of buckets."""

    def __init__(self, client: "S3Client") -> None:
        """Take a client of ``s3.s3_client``."""
        self._client = client

    def put(self, order: ReportOrder, *, also_ours: Collection[str] = ()) -> None:
        """Make the configuration, or bring it up to date.

        Args:
            order: What is to be delivered.
            also_ours: ARNs of buckets beside the order's; a configuration that delivers to neither is somebody else's.

        Raises:
            SettingsError: the bucket is in another Region.
            SetUpError: the id is taken, the bucket is full of configurations, or what is needed does not exist.
            AccessError: the role lacks a permission, which the message names.
        """
        self._check_region(order.bucket)
        found = self._destination(order.bucket, order.id)
        if found is not None and found not in {order.destination_arn, *also_ours}:
            raise SetUpError(
                f"s3://{order.bucket} has an inventory configuration {order.id} that delivers to {found}: it is not "
                "ours and was left alone; give ours another id (the name of the stack), or delete that one"
            )
        doing = f"putting inventory configuration {order.id} on s3://{order.bucket}"
        with _told(f"{doing} (needs s3:PutInventoryConfiguration)"):
            self._client.put_bucket_inventory_configuration(
                Bucket=order.bucket, Id=order.id, InventoryConfiguration=_configuration(order)
            )

    def delete(self, bucket: str, id_: str, *, destination_arn: str) -> bool:
        """Delete a configuration if it delivers to this destination; tells whether there was one to delete.

        Raises:
            AccessError: the role lacks a permission, which the message names.
        """
        try:
            if self._destination(bucket, id_) != destination_arn:
                return False
            doing = f"deleting inventory configuration {id_} of s3://{bucket}"
            with _told(f"{doing} (needs s3:PutInventoryConfiguration)"):
                self._client.delete_bucket_inventory_configuration(Bucket=bucket, Id=id_)
        except _GoneError:
            return False
        return True

    def _check_region(self, bucket: str) -> None:
        """Refuse a bucket in another Region: S3 delivers inventories within one Region only."""
        ours = self._client.meta.region_name
        with _told(f"HEAD s3://{bucket} (needs s3:ListBucket)"):
            try:
                theirs = self._client.head_bucket(Bucket=bucket).get("BucketRegion", ours)  # stand-ins need not say it
            except ClientError as error:
                theirs = error.response["ResponseMetadata"].get("HTTPHeaders", {}).get(_REGION, ours)
                if theirs == ours:
                    raise
        if theirs != ours:
            raise SettingsError(
                f"s3://{bucket} is in {theirs}, and this stack in {ours}: S3 delivers inventories within one Region "
                f"only; deploy the stack in {theirs}"
            )

    def _destination(self, bucket: str, id_: str) -> str | None:
        """Tell where a configuration delivers to; None: there is none of this id."""
        with _told(f"reading inventory configuration {id_} of s3://{bucket} (needs s3:GetInventoryConfiguration)"):
            try:
                answer = self._client.get_bucket_inventory_configuration(Bucket=bucket, Id=id_)
            except ClientError as error:
                if error_code(error) == _NONE_SUCH:
                    return None
                raise
        return answer["InventoryConfiguration"]["Destination"]["S3BucketDestination"]["Bucket"]


class _GoneError(SetUpError):
    """The bucket, or the configuration, is not there."""


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Raise our errors, with the cure where S3's own words lack it."""
    with as_ours(S3, doing=doing):
        try:
            yield
        except ClientError as error:
            code = error_code(error)
            if code in _CURES:
                kind = _GoneError if code in _GONE else SetUpError
                raise kind(f"{doing}: {code}: {_CURES[code]}") from error
            raise


def _configuration(order: ReportOrder) -> "InventoryConfigurationTypeDef":
    return {
        "Id": order.id,
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "OptionalFields": list(OPTIONAL_FIELDS),
        "Destination": {
            "S3BucketDestination": {
                "AccountId": order.destination_account,
                "Bucket": order.destination_arn,
                "Format": "CSV",
                "Prefix": order.prefix,
                "Encryption": {"SSES3": {}},
            }
        },
    }
