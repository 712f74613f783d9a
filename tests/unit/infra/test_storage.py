"""Promises about buckets."""

from functools import partial

import pytest
from aws_cdk import RemovalPolicy, aws_iam

from infra.parts.storage import Storage
from tests.unit.infra.small import findings, properties, resources, spelled, statements, template_of

KEY = "arn:aws:kms:us-east-1:111122223333:key/abc"


def build(stack, *, new_bucket=False, keys=(KEY,), removal=RemovalPolicy.RETAIN):
    storage = Storage(
        stack, "Storage", bucket_name="our-imagery", new_bucket=new_bucket, kms_key_arns=keys, removal=removal
    )
    role = aws_iam.Role(stack, "Reader", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
    storage.grant_read_imagery(role)


existing = partial(build)
new = partial(build, new_bucket=True)
destroyed = partial(build, new_bucket=True, removal=RemovalPolicy.DESTROY)


def imagery(template):
    [bucket] = [one for one in resources(template, "AWS::S3::Bucket") if "BucketName" in one["Properties"]]
    return bucket


def reports(template):
    [(name, one)] = [
        (name, one)
        for name, one in template.find_resources("AWS::S3::Bucket").items()
        if any(
            "ExpirationInDays" in rule and "Prefix" not in rule
            for rule in one["Properties"]["LifecycleConfiguration"]["Rules"]
        )
    ]
    return name, one


@pytest.mark.parametrize("variant", [existing, new, destroyed])
def test_no_bucket_is_open_or_plain_or_reached_without_tls(variant):
    template = template_of(variant)
    buckets = template.find_resources("AWS::S3::Bucket")
    for one in buckets.values():
        assert set(one["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert one["Properties"]["BucketEncryption"]
    guarded = {
        spelled(policy["Bucket"])
        for policy in properties(template, "AWS::S3::BucketPolicy")
        for one in policy["PolicyDocument"]["Statement"]
        if one["Effect"] == "Deny" and one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }
    assert guarded == {f"<{name}>" for name in buckets}


@pytest.mark.parametrize("variant", [existing, new, destroyed])
def test_uploads_that_were_broken_off_are_taken_away(variant):
    for bucket in properties(template_of(variant), "AWS::S3::Bucket"):
        rules = bucket["LifecycleConfiguration"]["Rules"]
        [after] = [rule["AbortIncompleteMultipartUpload"] for rule in rules if "AbortIncompleteMultipartUpload" in rule]
        assert after == {"DaysAfterInitiation": 2}


def test_an_existing_bucket_is_not_in_the_template():
    template = template_of(existing)
    assert all("BucketName" not in one for one in properties(template, "AWS::S3::Bucket"))
    template.resource_count_is("AWS::S3::Bucket", 2)


@pytest.mark.parametrize("variant", [new, destroyed])
def test_imagery_is_never_deleted(variant):
    bucket = imagery(template_of(variant))
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "Tags" not in bucket["Properties"]  # the emptying of buckets goes by a tag


def test_answers_and_runs_stay_unless_told_otherwise():
    for bucket in resources(template_of(new), "AWS::S3::Bucket"):
        assert bucket["DeletionPolicy"] == "Retain"
    template_of(new).resource_count_is("Custom::S3AutoDeleteObjects", 0)


def test_what_is_to_go_is_emptied_first():
    template = template_of(destroyed)
    own = {f"<{name}>" for name, one in template.find_resources("AWS::S3::Bucket").items() if one != imagery(template)}
    emptied = {spelled(one["BucketName"]) for one in properties(template, "Custom::S3AutoDeleteObjects")}
    assert emptied == own
    assert len(own) == 2


def test_reports_and_old_runs_expire_and_answers_do_not():
    template = template_of(existing)
    name, _ = reports(template)
    expiring = {
        other == name: [(rule["ExpirationInDays"], rule.get("Prefix")) for rule in rules if "ExpirationInDays" in rule]
        for other, one in template.find_resources("AWS::S3::Bucket").items()
        if (rules := one["Properties"]["LifecycleConfiguration"]["Rules"])
    }
    assert expiring == {True: [(30, None)], False: [(365, "runs/")]}


def test_reports_and_imagery_send_their_events():
    sends = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert reports(template_of(existing))[1]["Properties"]["NotificationConfiguration"] == sends
    assert imagery(template_of(new))["Properties"]["NotificationConfiguration"] == sends
    [told] = properties(template_of(existing), "Custom::S3BucketNotifications")
    assert told["BucketName"] == "our-imagery"
    assert told["NotificationConfiguration"] == {"EventBridgeConfiguration": {}}
    assert told["Managed"] is False  # what others were told of stays


def test_a_bucket_of_our_own_needs_nobody_to_switch_events_on():
    template_of(new).resource_count_is("Custom::S3BucketNotifications", 0)
    template_of(new).resource_count_is("AWS::Lambda::Function", 0)


def test_what_switches_events_on_may_do_so_to_that_bucket_alone():
    [one] = [s for s in statements(template_of(existing)) if "s3:PutBucketNotification" in s["Action"]]
    assert sorted(one["Action"]) == ["s3:GetBucketNotification", "s3:PutBucketNotification"]
    assert spelled(one["Resource"]) == "arn:<AWS::Partition>:s3:::our-imagery"
    [handler] = properties(template_of(existing), "AWS::Lambda::Function")
    [policy] = [
        one
        for one in properties(template_of(existing), "AWS::IAM::Policy")
        if "s3:PutBucketNotification" in spelled(one["PolicyDocument"]["Statement"])
    ]
    assert spelled(handler["Role"]) == f"<{policy['Roles'][0]['Ref']}.Arn>"


@pytest.mark.parametrize(("variant", "source"), [(existing, "arn:<AWS::Partition>:s3:::our-imagery"), (new, None)])
def test_s3_may_deliver_inventories_of_this_bucket_of_this_account_and_nothing_else(variant, source):
    template = template_of(variant)
    name, _ = reports(template)
    allowed = [s for s in statements(template, "AWS::S3::BucketPolicy") if s["Effect"] == "Allow"]
    [one] = [s for s in allowed if s["Principal"] == {"Service": "s3.amazonaws.com"}]
    assert one["Action"] == "s3:PutObject"
    assert spelled(one["Resource"]) == f"<{name}.Arn>/inventories/*"
    assert one["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"},
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    found = spelled(one["Condition"]["ArnLike"]["aws:SourceArn"])
    assert found == source or found.startswith("<StorageImagery")
    assert one["Condition"].keys() == {"StringEquals", "ArnLike"}


def test_readers_list_the_imagery_and_read_it_and_open_its_keys():
    granted = {(spelled(s["Action"]), spelled(s["Resource"])) for s in statements(template_of(existing))}
    bucket = "arn:<AWS::Partition>:s3:::our-imagery"
    assert granted == {
        ("s3:GetBucketNotification s3:PutBucketNotification", bucket),
        ("s3:ListBucket", bucket),
        ("s3:GetObject", f"{bucket}/*"),
        ("kms:Decrypt", KEY),
    }


def test_without_keys_nothing_is_decrypted():
    granted = statements(template_of(partial(build, keys=())))
    assert "kms:Decrypt" not in [s["Action"] for s in granted]


@pytest.mark.parametrize("variant", [existing, new])
def test_every_finding_of_cdk_nag_is_answered(variant):
    assert findings(variant) == []
