"""Settings of a deployment: from ``cdk.json`` and ``-c`` alone, every problem named before anything is made."""

import pytest

from batch_job.errors import SettingsError
from batch_job.settings import Capacity, DeploySettings, Removal
from batch_job.settings.deploy import ENDPOINT_REASON, VPC_REASON

ROLE = "arn:aws:iam::111122223333:role/analysts"
DOMAIN = {"domain_endpoint": "search-x.eu-west-1.es.amazonaws.com", "domain_arn": "arn:aws:es:eu-west-1:1:domain/x"}
POOL = {"user_pool_id": "eu-west-1_abc", "identity_pool_id": "eu-west-1:1", "people_role_arn": ROLE}


def settings(**context):
    return DeploySettings.from_context({"bucket": "my-imagery", **context})


def test_a_bucket_is_enough():
    assert settings().bucket == "my-imagery"
    with pytest.raises(SettingsError, match="bucket: Field required"):
        DeploySettings.from_context({})


def test_what_is_there_is_not_deleted_unless_asked():
    assert settings().removal is Removal.RETAIN


def test_words_of_the_command_line_are_understood():
    given = settings(max_vcpus="16", capacity="on_demand", include_labels="Boat, Car", requester_pays="true")
    assert (given.max_vcpus, given.capacity) == (16, Capacity.ON_DEMAND)
    assert (given.include_labels, given.requester_pays) == (("Boat", "Car"), True)


def test_what_belongs_to_the_cdk_is_left_alone():
    assert settings(**{"@aws-cdk/core:stackRelativeExports": True, "aws:cdk:version-reporting": True}) == settings()


def test_a_misspelt_setting_is_named_beside_all_that_is_wrong():
    with pytest.raises(SettingsError) as caught:
        settings(max_vcpu="16", colour="red", log_days=8)
    assert str(caught.value).splitlines()[1:3] == [
        "  max_vcpu: there is no such setting: max_vcpus?",
        "  colour: there is no such setting",
    ]
    assert "log_days" in str(caught.value)


def test_whose_shell_it_is_changes_nothing(monkeypatch):
    monkeypatch.setenv("MAX_VCPUS", "64")
    monkeypatch.setenv("BACKFILL_CHIP_PX", "512")
    assert (settings().max_vcpus, settings().pipeline().chip_px) == (4, 1024)


def test_every_wrong_value_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        settings(bucket="A", max_vcpus="many", search_instance_type="m5.large", mail="nobody", log_days=8)
    named = {line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]}
    assert named == {"bucket", "max_vcpus", "search_instance_type", "mail", "log_days"}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"max_vcpus": 2, "live_vcpus": 2}, "live_vcpus (2) must be under max_vcpus (2)"),
        ({"max_vcpus": 129}, "128 workers that share 4 calls a second would take 18 h for a shard of 2000 chips"),
        ({"overlap_px": 2000}, "overlap_px"),
        (DOMAIN | {"domain_endpoint": "search.example.org"}, ENDPOINT_REASON),
        (DOMAIN | {"domain_endpoint": "https://search-x.eu-west-1.es.amazonaws.com"}, ENDPOINT_REASON),
        ({"domain_endpoint": "x.es.amazonaws.com"}, "domain_endpoint and domain_arn go together"),
        ({"user_pool_id": "eu-west-1_abc"}, "user_pool_id and identity_pool_id go together"),
        (POOL | {"people_role_arn": ""}, "user_pool_id and people_role_arn go together"),
        (POOL | {"people_role_arn": "analysts"}, "people_role_arn"),
        (POOL | DOMAIN, "user_pool_id is of no use beside domain_endpoint"),
        ({"search_volume_gb": 101}, "t3.small.search takes 100 GB"),
        ({"vpc_id": "vpc-1"}, VPC_REASON),
        ({"dem": "heights.tif"}, "dem: Value error, names no object; put the file into a bucket, and write s3://"),
        ({"dem": "s3://maps/*"}, "without any of * ? $"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(wrong, why):
    with pytest.raises(SettingsError) as caught:
        settings(**wrong)
    assert why in str(caught.value)


def test_all_that_does_not_go_together_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        settings(max_vcpus=2, live_vcpus=2, search_volume_gb=101, user_pool_id="eu-west-1_abc")
    assert all(name in str(caught.value) for name in ("live_vcpus", "search_volume_gb", "identity_pool_id", "people"))


def test_ones_own_domain_or_pool_is_taken():
    assert settings(**POOL).people_role_arn == ROLE
    assert settings(**DOMAIN, people_role_arn=ROLE).domain_arn == DOMAIN["domain_arn"]
    assert settings(search_instance_type="r6g.large.search", search_volume_gb=500).search_volume_gb == 500


def test_workers_get_what_the_deployment_says():
    pipeline = settings(chip_px=512, exclude_labels="Toy", live_calls_per_s=2).pipeline()
    assert (pipeline.chip_px, pipeline.overlap_px, pipeline.exclude_labels) == (512, 102, ("Toy",))
    assert pipeline.live_calls_per_s == 2
