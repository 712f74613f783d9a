"""A deployment's wiring: in which account and Region it is, and whether the CDK was there before."""

from dataclasses import dataclass

from batch_job.adapters.account import AwsAccount
from batch_job.adapters.bootstrap import is_bootstrapped
from batch_job.errors import SettingsError
from batch_job.settings import DeploySettings

ASKED_IN = "us-east-1"
"""Any Region tells in which one a bucket is."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a deployment goes."""

    account: str
    region: str
    bootstrapped: bool


def find_target(settings: DeploySettings, *, region: str | None) -> Target:
    """Look where the bucket is.

    Args:
        settings: What would be deployed.
        region: Where it is wanted; None: next to the bucket.

    Raises:
        SettingsError: there is no such bucket, or it is elsewhere.
        AccessError: there are no credentials, or they may not ask.
    """
    account = AwsAccount(region=region or ASKED_IN)
    chosen = choose_region(settings, bucket_region=account.bucket_region(settings.bucket), region=region)
    # arn:aws:sts::111122223333:assumed-role/…
    return Target(account.identity().split(":")[4], chosen, is_bootstrapped(chosen))


def choose_region(settings: DeploySettings, *, bucket_region: str | None, region: str | None) -> str:
    """Take the bucket's Region; a bucket yet to be made is made where it is wanted.

    Raises:
        SettingsError: says what contradicts what.
    """
    name = settings.bucket
    if bucket_region is None:
        if not settings.new_bucket:
            raise SettingsError(f"there is no bucket {name}: correct the name, or say -c new_bucket=true")
        if region is None:
            raise SettingsError(f"in which Region is {name} to be made? Set AWS_REGION, or say --region")
        return region
    if region not in (None, bucket_region):
        raise SettingsError(
            f"{name} is in {bucket_region}, the deployment would be in {region}: S3 sends events and inventories "
            f"within a Region only; leave AWS_REGION out, or set it to {bucket_region}"
        )
    return bucket_region
