"""The checkup before a deployment: what is wrong is named with its cure; what cannot be looked at stops nothing."""

import dataclasses
from collections.abc import Mapping

import pytest

from batch_job.adapters.account import MemoryAccount
from batch_job.backfill.checkup import check
from batch_job.settings import DeploySettings
from batch_job.values.checkup import Finding, KmsKey, Quota, SampledObject, Verdict

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
AMPLE = dict.fromkeys(Quota, 100.0)
FINE = MemoryAccount(
    buckets={"scenes": "eu-west-1"},
    objects=[SampledObject("a.tif", "STANDARD"), SampledObject("b.txt", "STANDARD")],
    quotas=AMPLE,
)


def findings(account: MemoryAccount, builder: str | None = "/usr/bin/docker", **settings: object) -> list[Finding]:
    return list(check(account, DeploySettings.from_context({"bucket": "scenes", **settings}), builder=builder))


def told(found: list[Finding]) -> Mapping[str, Verdict]:
    worst: dict[str, Verdict] = {}
    for one in found:
        worst[one.about] = max(one.verdict, worst.get(one.about, Verdict.FINE), key=list(Verdict).index)
    return worst


def the(about: str, found: list[Finding]) -> Finding:
    [one] = [one for one in found if one.about == about and one.verdict is not Verdict.FINE]
    return one


def test_where_all_fits_every_line_is_fine():
    assert set(told(findings(FINE)).values()) == {Verdict.FINE}


def test_without_credentials_nothing_else_is_looked_at():
    [only] = findings(dataclasses.replace(FINE, denied=frozenset({"identity"})))
    assert (only.verdict, only.about) == (Verdict.WRONG, "credentials")
    assert "AWS_PROFILE" in only.cure


@pytest.mark.parametrize(
    ("buckets", "new", "cure"),
    [
        ({}, False, "new_bucket"),
        ({"scenes": "us-east-1"}, False, "AWS_REGION=us-east-1"),
        ({"scenes": "eu-west-1"}, True, "leave new_bucket out"),
    ],
)
def test_a_bucket_that_is_missing_elsewhere_or_in_the_way_is_wrong(buckets, new, cure):
    found = findings(dataclasses.replace(FINE, buckets=buckets), new_bucket=new)
    assert cure in the("bucket", found).cure
    assert "listing" not in told(found)


def test_a_new_bucket_is_not_looked_into():
    found = findings(dataclasses.replace(FINE, buckets={}), new_bucket=True)
    assert told(found)["bucket"] is Verdict.FINE
    assert "listing" not in told(found)


def test_images_that_no_filter_lets_through_are_a_warning():
    assert "include_prefixes" in the("listing", findings(FINE, exclude_prefixes="a")).cure
    assert told(findings(FINE, include_suffixes=".txt"))["listing"] is Verdict.FINE


def test_archived_images_are_counted_and_another_one_is_read():
    objects = [SampledObject("a.tif", "DEEP_ARCHIVE"), SampledObject("b.tif", "GLACIER_IR")]
    found = findings(dataclasses.replace(FINE, objects=objects))
    assert the("archived", found).said.startswith("1 of 2 images")
    assert "b.tif" in next(one.said for one in found if one.about == "reading")


def test_where_all_is_archived_nothing_is_read():
    found = findings(dataclasses.replace(FINE, objects=[SampledObject("a.tif", "GLACIER")]))
    assert "reading" not in told(found)


@pytest.mark.parametrize(
    ("is_customers", "given", "verdict"),
    [
        (True, "", Verdict.WRONG),
        (True, KEY, Verdict.FINE),
        (None, "", Verdict.WARNING),
        (False, "", Verdict.FINE),
    ],
)
def test_a_key_that_the_workers_would_not_get_is_named(is_customers, given, verdict):
    found = findings(dataclasses.replace(FINE, key=KmsKey(KEY, is_customers)), bucket_kms_key_arns=given)
    assert told(found)["reading"] is verdict
    if verdict is Verdict.WRONG:
        assert f"bucket_kms_key_arns={KEY}" in the("reading", found).cure


@pytest.mark.parametrize(
    ("quotas", "settings", "wrong"),
    [
        ({Quota.DETECT_LABELS_PER_S: 5.0}, {}, ""),
        ({Quota.DETECT_LABELS_PER_S: 4.9}, {}, "DetectLabels"),
        ({Quota.FARGATE_VCPUS: 1.0, Quota.FARGATE_SPOT_VCPUS: 3.0}, {}, ""),
        ({Quota.FARGATE_SPOT_VCPUS: 2.0}, {}, "Spot"),
        ({Quota.FARGATE_VCPUS: 3.0}, {"capacity": "on_demand"}, "on-demand"),
        ({Quota.FARGATE_VCPUS: 4.0, Quota.FARGATE_SPOT_VCPUS: 0.0}, {"capacity": "on_demand"}, ""),
    ],
)
def test_a_quota_under_the_settings_is_wrong(quotas, settings, wrong):
    found = findings(dataclasses.replace(FINE, quotas=AMPLE | quotas), **settings)
    if wrong:
        assert wrong in the("quota", found).said
    else:
        assert told(found)["quota"] is Verdict.FINE


def test_quotas_that_nobody_lists_or_may_read_are_warnings():
    assert told(findings(dataclasses.replace(FINE, quotas={})))["quota"] is Verdict.WARNING
    assert told(findings(dataclasses.replace(FINE, denied=frozenset({"quota"}))))["quota"] is Verdict.WARNING


@pytest.mark.parametrize("denied", ["bucket_region", "first_objects", "key_of"])
def test_a_refusal_is_wrong_and_says_the_cure(denied):
    found = findings(dataclasses.replace(FINE, denied=frozenset({denied})))
    wrong = [one for one in found if one.verdict is Verdict.WRONG]
    assert len(wrong) == 1
    assert "s3:" in wrong[0].cure


def test_without_a_builder_codebuild_is_the_cure():
    assert "build=codebuild" in the("image", findings(FINE, builder=None)).cure
    assert told(findings(FINE, builder=None, build="codebuild"))["image"] is Verdict.FINE


def test_a_finding_that_is_not_fine_needs_a_cure():
    with pytest.raises(ValueError, match="without a cure"):
        Finding("bucket", Verdict.WARNING, "something")
