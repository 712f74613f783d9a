"""Before money is spent: whether account, bucket and quotas fit the settings. Each line says the cure."""

from collections.abc import Iterator, Sequence

from batch_job.errors import AccessError, BackfillError, SetUpError
from batch_job.ports import Account
from batch_job.settings import Build, Capacity, DeploySettings
from batch_job.values.checkup import Finding, KmsKey, Quota, SampledObject, Verdict
from batch_job.values.image import IMAGE_SUFFIXES, is_image_key

SAMPLE = 1000
"""Objects listed, one request: enough to see whether there are images, and whether they can be read."""

FINE, WARNING, WRONG = Verdict.FINE, Verdict.WARNING, Verdict.WRONG


def check(account: Account, settings: DeploySettings, *, builder: str | None) -> Iterator[Finding]:
    """Yield one finding after the other; after one without which nothing else can be looked at, no more.

    Args:
        account: Who would deploy, and where.
        settings: What would be deployed.
        builder: The program that would build the image here; None: there is none.
    """
    identity = _identity(account)
    yield identity
    if identity.verdict is WRONG:
        return
    bucket = _bucket(account, settings)
    yield bucket
    if bucket.verdict is not WRONG and not settings.new_bucket:
        yield from _objects(account, settings)
        yield _versions(account, settings.bucket)
    yield from _quotas(account, settings)
    yield _builder(settings, builder)


def _identity(account: Account) -> Finding:
    try:
        return Finding("credentials", FINE, f"{account.identity()} in {account.region}")
    except AccessError as error:
        return Finding("credentials", WRONG, str(error), "sign in (aws sso login, say), or set AWS_PROFILE")
    except BackfillError as error:
        return Finding("credentials", WRONG, str(error), "look at the network, and at AWS_REGION and AWS_ENDPOINT_URL")


def _bucket(account: Account, settings: DeploySettings) -> Finding:
    name = settings.bucket
    try:
        region = account.bucket_region(name)
    except BackfillError as error:
        return Finding("bucket", WRONG, str(error), f"look whether {name} is yours; it needs s3:ListBucket")
    if settings.new_bucket:
        if region is None:
            return Finding("bucket", FINE, f"{name} will be made")
        return Finding("bucket", WRONG, f"{name} exists, in {region}", "leave new_bucket out, or choose another name")
    if region is None:
        return Finding("bucket", WRONG, f"there is no bucket {name}", "correct the name, or say -c new_bucket=true")
    if region != account.region:
        said = f"{name} is in {region}, the deployment would be in {account.region}"
        return Finding("bucket", WRONG, said, f"deploy next to the bucket: AWS_REGION={region}")
    return Finding("bucket", FINE, f"{name} is in {region}")


def _objects(account: Account, settings: DeploySettings) -> Iterator[Finding]:
    try:
        found = _sample(account, settings)
    except BackfillError as error:
        yield Finding("listing", WRONG, str(error), f"grant s3:ListBucket on {settings.bucket}")
        return
    images = [one for one in found if _is_wanted(one.key, settings)]
    if not images:
        said = f"no images among the first {len(found):,} objects"
        yield Finding("listing", WARNING, said, "look at include_prefixes, include_suffixes and their exclude_ kin")
        return
    yield Finding("listing", FINE, f"{len(images):,} images among the first {len(found):,} objects")
    yield _archived(images)
    readable = next((one for one in images if one.readable), None)
    if readable is not None:
        yield _reading(account, settings, readable.key)


def _sample(account: Account, settings: DeploySettings) -> list[SampledObject]:
    prefixes: Sequence[str] = settings.include_prefixes or ("",)
    each = -(-SAMPLE // len(prefixes))
    return [one for prefix in prefixes for one in account.first_objects(settings.bucket, prefix, count=each)]


def _is_wanted(key: str, settings: DeploySettings) -> bool:
    return (
        is_image_key(key, settings.include_suffixes or IMAGE_SUFFIXES)
        and not is_image_key(key, settings.exclude_suffixes)
        and not key.startswith(settings.exclude_prefixes)
    )


def _archived(images: Sequence[SampledObject]) -> Finding:
    count = sum(not one.readable for one in images)
    if not count:
        return Finding("archived", FINE, "none of them is in an archive storage class")
    said = f"{count:,} of {len(images):,} images are in an archive storage class and wait until they are restored"
    return Finding("archived", WARNING, said, "restore them (S3 Batch Operations): a restored image is then worked on")


def _reading(account: Account, settings: DeploySettings, key: str) -> Finding:
    uri = f"s3://{settings.bucket}/{key}"
    try:
        kms = account.key_of(settings.bucket, key)
    except AccessError as error:
        is_kms = "kms" in str(error).lower()
        cure = "grant kms:Decrypt on the bucket's key" if is_kms else "grant s3:GetObject; look at the bucket's policy"
        return Finding("reading", WRONG, str(error), cure)
    except BackfillError as error:
        return Finding("reading", WARNING, str(error), "try again; one object alone may be broken")
    if kms is None or kms.is_customers is False:
        return Finding("reading", FINE, f"{uri} can be read")
    return _key(settings, uri, kms)


def _key(settings: DeploySettings, uri: str, kms: KmsKey) -> Finding:
    if kms.arn in settings.bucket_kms_key_arns:
        return Finding("reading", FINE, f"{uri} can be read, and the workers get its key")
    cure = f"say -c bucket_kms_key_arns={kms.arn}, and let the key's policy allow IAM policies"
    if kms.is_customers is None:
        said = f"{uri} is encrypted with {kms.arn}; whether that is a customer's key could not be looked up"
        return Finding("reading", WARNING, said, f"if it is: {cure}")
    return Finding("reading", WRONG, f"{uri} is encrypted with {kms.arn}, which the workers would not get", cure)


def _versions(account: Account, bucket: str) -> Finding:
    try:
        versioned = account.is_versioned(bucket)
    except BackfillError as error:
        return Finding("versions", WARNING, str(error), "none is needed: only current versions are worked on")
    kept = "keeps older versions; only current ones are worked on" if versioned else "keeps no older versions"
    return Finding("versions", FINE, f"the bucket {kept}")


def _quotas(account: Account, settings: DeploySettings) -> Iterator[Finding]:
    calls = settings.backfill_calls_per_s + settings.live_calls_per_s
    cure = "lower backfill_calls_per_s and live_calls_per_s, or ask Service Quotas for more"
    yield _quota(account, Quota.DETECT_LABELS_PER_S, "Rekognition DetectLabels calls a second", calls, cure)
    backfill = settings.max_vcpus - settings.live_vcpus
    is_spot = settings.capacity is Capacity.SPOT
    on_demand = settings.live_vcpus + (0 if is_spot else backfill)
    cure = "lower max_vcpus, or ask Service Quotas for more"
    yield _quota(account, Quota.FARGATE_VCPUS, "Fargate on-demand vCPUs", on_demand, cure)
    if is_spot:
        yield _quota(account, Quota.FARGATE_SPOT_VCPUS, "Fargate Spot vCPUs", backfill, cure)


def _quota(account: Account, quota: Quota, name: str, wanted: float, cure: str) -> Finding:
    try:
        allowed = account.quota(quota)
    except (AccessError, SetUpError) as error:
        return Finding("quota", WARNING, f"{name}: {error}", f"look in Service Quotas that {wanted:g} are allowed")
    except BackfillError as error:
        return Finding("quota", WARNING, f"{name}: {error}", "try again")
    if allowed is None:
        said = f"{name}: the quota is not listed in {account.region}"
        return Finding("quota", WARNING, said, f"look in Service Quotas that {wanted:g} are allowed")
    said = f"{name}: {wanted:g} wanted, {allowed:g} allowed"
    return Finding("quota", FINE, said) if wanted <= allowed else Finding("quota", WRONG, said, cure)


def _builder(settings: DeploySettings, builder: str | None) -> Finding:
    if settings.build is Build.CODEBUILD:
        return Finding("image", FINE, "CodeBuild builds the image")
    if builder is None:
        return Finding("image", WRONG, "there is no docker here to build the image", "say -c build=codebuild")
    return Finding("image", FINE, f"{builder} builds the image")
