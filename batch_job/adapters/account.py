"""An AWS account as who deploys sees it: identity, bucket, quotas. Reads only; and the same in memory."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import S3, SERVICE_QUOTAS, STS, as_ours, error_code
from batch_job.adapters.s3 import Payer
from batch_job.errors import AccessError, BackfillError, SettingsError
from batch_job.ports import Account
from batch_job.values.checkup import KmsKey, Quota, SampledObject

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
"""Somebody waits in front of the screen."""

_CODES: Mapping[Quota, tuple[str, str]] = {
    Quota.FARGATE_VCPUS: ("fargate", "L-3032A538"),
    Quota.FARGATE_SPOT_VCPUS: ("fargate", "L-36FBB829"),
}
"""``aws service-quotas list-service-quotas --service-code fargate``."""
_NAMES: Mapping[Quota, tuple[str, str]] = {Quota.DETECT_LABELS_PER_S: ("rekognition", "detectlabels")}
"""Found by a piece of the quota's name, without blanks and in lower case: its code is written down nowhere."""
_NO_SUCH_QUOTA = "NoSuchResourceException"
_NO_BUCKET = ("404", "NoSuchBucket")


class AwsAccount:
    """The account of the credentials that boto3 finds; fits ``ports.Account``."""

    def __init__(self, *, region: str | None = None, payer: Payer = Payer.OWNER) -> None:
        """Look for credentials and Region.

        Args:
            region: Of the deployment; None: as boto3 finds it.
            payer: Of requests for objects.

        Raises:
            SettingsError: there is no Region, or a profile that is named does not exist.
        """
        with as_ours(STS, doing="looking for AWS credentials"):
            self._session: Any = boto3.Session(region_name=region)  # Any: services are named at run time
        if self._session.region_name is None:
            raise SettingsError("in which Region? Set AWS_REGION, or say --region")
        self._paying = payer.parameters

    @property
    def region(self) -> str:
        """Name the Region of a deployment."""
        return str(self._session.region_name)

    def identity(self) -> str:
        """Give the ARN of whoever asks."""
        with self._client("sts") as sts, as_ours(STS, doing="asking who we are (sts:GetCallerIdentity)"):
            return str(sts.get_caller_identity()["Arn"])

    def bucket_region(self, bucket: str) -> str | None:
        """Name a bucket's Region; None when there is no such bucket."""
        with self._client("s3") as s3, as_ours(S3, doing=f"HEAD s3://{bucket} (needs s3:ListBucket)"):
            try:
                answer = s3.head_bucket(Bucket=bucket)
            except ClientError as error:
                if error_code(error) in _NO_BUCKET:
                    return None
                elsewhere = _header(error.response).get("x-amz-bucket-region")
                if elsewhere not in (None, self.region):
                    return str(elsewhere)
                raise
        return str(answer.get("BucketRegion") or _header(answer).get("x-amz-bucket-region") or self.region)

    def first_objects(self, bucket: str, prefix: str, *, count: int) -> Sequence[SampledObject]:
        """List the first objects under a prefix."""
        with self._client("s3") as s3, as_ours(S3, doing=f"listing s3://{bucket}/{prefix} (needs s3:ListBucket)"):
            answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=count, **self._paying)
        found = answer.get("Contents", ())
        return [SampledObject(one["Key"], one.get("StorageClass", "STANDARD")) for one in found]

    def key_of(self, bucket: str, key: str) -> KmsKey | None:
        """Read a byte of an object, and name the KMS key it is encrypted with; None: none."""
        with self._client("s3") as s3, as_ours(S3, doing=f"reading s3://{bucket}/{key} (needs s3:GetObject)"):
            answer = s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **self._paying)
            answer["Body"].close()
        arn = answer.get("SSEKMSKeyId")
        return None if arn is None else KmsKey(arn, self._is_customers(arn))

    def _is_customers(self, arn: str) -> bool | None:
        with self._client("kms") as kms:
            try:
                with as_ours(STS, doing=f"looking at {arn}"):
                    return bool(kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyManager"] == "CUSTOMER")
            except BackfillError:
                return None

    def is_versioned(self, bucket: str) -> bool:
        """Tell whether a bucket keeps older versions."""
        doing = f"asking for the versioning of s3://{bucket} (needs s3:GetBucketVersioning)"
        with self._client("s3") as s3, as_ours(S3, doing=doing):
            return bool(s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")

    def quota(self, quota: Quota) -> float | None:
        """Give the account's quota, or else the service's default; None when it is listed nowhere."""
        doing = f"reading {quota} (needs servicequotas:GetServiceQuota and servicequotas:ListServiceQuotas)"
        with self._client("service-quotas") as client, as_ours(SERVICE_QUOTAS, doing=doing):
            return _quota_by_code(client, *_CODES[quota]) if quota in _CODES else _quota_by_name(client, *_NAMES[quota])

    @contextmanager
    def _client(self, service: str) -> Iterator[Any]:
        with as_ours(STS, doing=f"connecting to {service}"):
            client = self._session.client(service, config=CONFIG)
        try:
            yield client
        finally:
            client.close()


def _header(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _quota_by_code(client: Any, service: str, code: str) -> float | None:
    for ask in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            return float(ask(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
        except ClientError as error:
            if error_code(error) != _NO_SUCH_QUOTA:
                raise
    return None


def _quota_by_name(client: Any, service: str, piece: str) -> float | None:
    for listing in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(listing).paginate(ServiceCode=service):
            for one in page["Quotas"]:
                if piece in one["QuotaName"].replace(" ", "").lower():
                    return float(one["Value"])
    return None


@dataclass(slots=True, kw_only=True)
class MemoryAccount:
    """An account in memory; fits ``ports.Account``."""

    region: str = "eu-west-1"
    buckets: Mapping[str, str] = field(default_factory=dict)
    """Regions by name."""
    objects: Sequence[SampledObject] = ()
    key: KmsKey | None = None
    quotas: Mapping[Quota, float] = field(default_factory=dict)
    versioned: bool = False
    denied: frozenset[str] = frozenset()
    """Names of methods that are refused."""

    def identity(self) -> str:
        """Name somebody."""
        self._may("identity")
        return "arn:aws:iam::123456789012:user/somebody"

    def bucket_region(self, bucket: str) -> str | None:
        """Look it up."""
        self._may("bucket_region")
        return self.buckets.get(bucket)

    def first_objects(self, bucket: str, prefix: str, *, count: int) -> Sequence[SampledObject]:  # noqa: ARG002
        """Give those under the prefix."""
        self._may("first_objects")
        return [one for one in self.objects if one.key.startswith(prefix)][:count]

    def key_of(self, bucket: str, key: str) -> KmsKey | None:  # noqa: ARG002
        """Give the one key."""
        self._may("key_of")
        return self.key

    def is_versioned(self, bucket: str) -> bool:  # noqa: ARG002
        """Say so."""
        self._may("is_versioned")
        return self.versioned

    def quota(self, quota: Quota) -> float | None:
        """Look it up."""
        self._may("quota")
        return self.quotas.get(quota)

    def _may(self, what: str) -> None:
        if what in self.denied:
            raise AccessError(f"{what}: AccessDenied: it is not allowed")


if TYPE_CHECKING:
    _fits: type[Account] = AwsAccount
    _fake: type[Account] = MemoryAccount
