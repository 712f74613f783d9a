"""Where a deployment goes: next to its bucket."""

import pytest

from batch_job.errors import SettingsError
from batch_job.settings import DeploySettings
from batch_job.wiring.deploying import choose_region

THERE = DeploySettings(bucket="scenes")
NEW = DeploySettings(bucket="scenes", new_bucket=True)


@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_the_bucket_says_the_region(region):
    assert choose_region(THERE, bucket_region="eu-west-1", region=region) == "eu-west-1"


def test_another_region_is_refused_with_the_reason():
    with pytest.raises(SettingsError, match=r"scenes is in eu-west-1, .* would be in us-west-2: S3 sends"):
        choose_region(THERE, bucket_region="eu-west-1", region="us-west-2")


def test_a_bucket_that_is_not_there_is_refused_unless_it_is_to_be_made():
    with pytest.raises(SettingsError, match="no bucket scenes"):
        choose_region(THERE, bucket_region=None, region="eu-west-1")
    assert choose_region(NEW, bucket_region=None, region="eu-west-1") == "eu-west-1"


def test_a_new_bucket_needs_a_region():
    with pytest.raises(SettingsError, match="in which Region is scenes"):
        choose_region(NEW, bucket_region=None, region=None)
