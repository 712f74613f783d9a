"""The custom resource on a bucket that somebody uses: everything else of it stays as it was."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from batch_job.adapters.inventory_config import InventoryConfigurations
from batch_job.errors import SettingsError, SetUpError
from batch_job.wiring.set_up_inventory import InventorySetUp
from lambdas.set_up_inventory import handle
from local.inventory import deliver

pytestmark = pytest.mark.server

QUEUE = "arn:aws:sqs:us-east-1:000000000000:theirs"
THEIRS = {
    "Id": "theirs",
    "IsEnabled": True,
    "IncludedObjectVersions": "All",
    "Schedule": {"Frequency": "Weekly"},
    "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::theirs", "Format": "ORC"}},
}


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def bucket(s3, aws):
    """A bucket that others use: tags, policy, events, life cycle and an inventory of theirs."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    aws("sqs").create_queue(QueueName="theirs")
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=f"{name}-reports")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "Owner", "Value": "them"}]})
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [{"Id": "theirs", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}],
            "EventBridgeConfiguration": {},
        },
    )
    rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_inventory_configuration(Bucket=name, Id="theirs", InventoryConfiguration=THEIRS)
    s3.put_object(Bucket=name, Key="image.tif", Body=b"image")
    return name


def told(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def all_but_ours(s3, bucket):
    return {
        "policy": told(s3.get_bucket_policy(Bucket=bucket)),
        "tags": told(s3.get_bucket_tagging(Bucket=bucket)),
        "events": told(s3.get_bucket_notification_configuration(Bucket=bucket)),
        "life cycle": told(s3.get_bucket_lifecycle_configuration(Bucket=bucket))["Rules"],
        "objects": [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]],
        "inventories": [one for one in inventories(s3, bucket) if one["Id"] == "theirs"],
    }


def inventories(s3, bucket):
    return s3.list_bucket_inventory_configurations(Bucket=bucket).get("InventoryConfigurationList", [])


def ids(s3, bucket):
    return [one["Id"] for one in inventories(s3, bucket)]


def properties(bucket, **more):
    return {
        "ServiceToken": "arn:provider",
        "Bucket": bucket,
        "Id": "Backfill",
        "DestinationBucketArn": f"arn:aws:s3:::{bucket}-reports",
        "DestinationAccountId": "000000000000",
        **more,
    }


@pytest.fixture
def run(s3):
    """Takes an event as the provider sends it."""
    set_up = InventorySetUp(InventoryConfigurations(s3), sleep=lambda _: None)

    def run(kind, wanted, **more):
        return handle({"RequestType": kind, "ResourceProperties": wanted, **more}, set_up)["PhysicalResourceId"]

    return run


def test_creation_update_and_deletion_leave_the_rest_of_the_bucket_as_it_was(s3, bucket, run):
    before = all_but_ours(s3, bucket)
    assert all(before.values())
    name = run("Create", properties(bucket))
    assert (name, ids(s3, bucket)) == (f"{bucket}/Backfill", ["Backfill", "theirs"])
    assert all_but_ours(s3, bucket) == before

    old = properties(bucket)
    new = old | {"Prefix": "other"}
    assert run("Update", new, PhysicalResourceId=name, OldResourceProperties=old) == name
    [ours] = [one for one in inventories(s3, bucket) if one["Id"] == "Backfill"]
    assert ours["Destination"]["S3BucketDestination"]["Prefix"] == "other"
    assert all_but_ours(s3, bucket) == before

    for _ in range(2):  # CloudFormation may ask again
        assert run("Delete", new, PhysicalResourceId=name) == name
        assert ids(s3, bucket) == ["theirs"]
        assert all_but_ours(s3, bucket) == before


@pytest.mark.parametrize("other", [{"Id": "Other"}, {"DestinationAccountId": "000000000000", "Id": "With.dots_and-"}])
def test_a_replacement_deletes_the_old_one_and_not_the_new(s3, bucket, run, other):
    old, new = properties(bucket), properties(bucket, **other)
    before = run("Create", old)
    after = run("Update", new, PhysicalResourceId=before, OldResourceProperties=old)
    assert ids(s3, bucket) == sorted(["Backfill", other["Id"], "theirs"])
    run("Delete", old, PhysicalResourceId=before)
    assert ids(s3, bucket) == sorted([other["Id"], "theirs"])
    assert after == f"{bucket}/{other['Id']}"


def test_what_delivers_elsewhere_is_neither_written_over_nor_deleted(s3, bucket, run):
    mine = properties(bucket, Id="theirs")
    with pytest.raises(SetUpError, match="delivers to arn:aws:s3:::theirs"):
        run("Create", mine)
    run("Delete", mine, PhysicalResourceId=f"{bucket}/theirs")
    assert inventories(s3, bucket) == [THEIRS]


def test_deletion_after_the_bucket_is_deletion(s3, run):
    run("Delete", properties("was-never-there"), PhysicalResourceId="was-never-there/Backfill")
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket="was-never-there")


def test_a_bucket_that_does_not_exist_is_named(run):
    with pytest.raises(SetUpError, match=r"s3://was-never-there.*no such bucket"):
        run("Create", properties("was-never-there"))


def test_a_bucket_of_another_region_is_refused_with_the_cure(s3, bucket, run):
    name = f"{bucket}-far"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(SettingsError, match=r"is in eu-west-1, .* us-east-1"):
        run("Create", properties(name))
    assert ids(s3, name) == []


def test_what_we_put_is_what_is_delivered(s3, bucket, run):
    run("Create", properties(bucket))
    delivery = deliver(s3, bucket, configuration_id="Backfill")
    assert delivery.manifest_key.startswith(f"inventories/{bucket}/Backfill/")
    manifest = json.loads(s3.get_object(Bucket=delivery.bucket, Key=delivery.manifest_key)["Body"].read())
    assert manifest["fileSchema"] == (
        "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass, EncryptionStatus, IsMultipartUploaded"
    )
