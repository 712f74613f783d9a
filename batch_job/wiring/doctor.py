"""The checkup's wiring."""

import shutil
from collections.abc import Iterator, Mapping

from batch_job.adapters.account import AwsAccount
from batch_job.adapters.s3 import Payer
from batch_job.backfill.checkup import check
from batch_job.settings import DeploySettings
from batch_job.values.checkup import Finding

BUILDER = "CDK_DOCKER"
"""The CDK's own variable: a program that is called as docker is."""


def checkup(settings: DeploySettings, *, region: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at account, bucket, quotas and this machine; yields as it goes.

    Raises:
        SettingsError: there is no Region, or a profile that is named does not exist.
    """
    account = AwsAccount(region=region, payer=Payer.REQUESTER if settings.requester_pays else Payer.OWNER)
    return check(account, settings, builder=shutil.which(environment.get(BUILDER) or "docker"))
