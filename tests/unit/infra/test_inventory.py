"""Promises about the order of the daily list."""

from aws_cdk import RemovalPolicy, aws_s3

from infra.parts.inventory import Inventory
from infra.parts.storage import Storage
from lambdas import set_up_inventory
from tests.unit.infra.small import KEPT, code, findings, properties, resources, spelled, statements, template_of


def build(stack):
    storage = Storage(
        stack, "Storage", bucket_name="our-imagery", new_bucket=False, kms_key_arns=(), removal=RemovalPolicy.RETAIN
    )
    Inventory(
        stack,
        "Inventory",
        imagery=storage.imagery,
        reports=storage.reports,
        stack="Harbour",
        code=code(stack),
        **KEPT,
    )


def ordered():
    [one] = resources(template_of(build), "Custom::SetUpInventory")
    return one


def test_the_handler_understands_all_that_the_template_asks_for():
    asked = {name: spelled(value) for name, value in ordered()["Properties"].items()}
    filled = asked | {"DestinationBucketArn": "arn:aws:s3:::reports", "DestinationAccountId": "111122223333"}
    wanted = set_up_inventory.Wanted.from_properties(filled)
    assert (wanted.bucket, wanted.id, wanted.prefix) == ("our-imagery", "Harbour", "inventories")
    assert asked["DestinationBucketArn"].startswith("<StorageReports")
    assert asked["DestinationAccountId"] == "<AWS::AccountId>"


def test_it_is_ordered_when_s3_may_deliver():
    policies = {
        name
        for name, one in template_of(build).find_resources("AWS::S3::BucketPolicy").items()
        if "Reports" in spelled(one["Properties"]["Bucket"])
    }
    assert len(policies) == 1
    assert policies <= set(ordered()["DependsOn"])


def test_what_is_delivered_is_what_s3_may_deliver():
    [allowed] = [
        s
        for s in statements(template_of(build), "AWS::S3::BucketPolicy")
        if s["Principal"] == {"Service": "s3.amazonaws.com"}
    ]
    assert spelled(allowed["Resource"]).endswith(f"/{ordered()['Properties']['Prefix']}/*")


def test_a_failure_is_told_within_minutes_not_after_an_hour():
    assert 180 < int(ordered()["Properties"]["ServiceTimeout"]) <= 300


def test_the_handler_may_change_inventories_of_this_bucket_and_nothing_else():
    [handler] = [f for f in properties(template_of(build), "AWS::Lambda::Function") if f.get("PackageType") == "Image"]
    role = spelled(handler["Role"]).strip("<>").removesuffix(".Arn")
    mine = [
        (spelled(s["Action"]), spelled(s["Resource"]))
        for policy in properties(template_of(build), "AWS::IAM::Policy")
        if {"Ref": role} in policy["Roles"]
        for s in policy["PolicyDocument"]["Statement"]
    ]
    s3 = [one for one in mine if "s3:" in one[0]]
    assert s3 == [
        (
            "s3:PutInventoryConfiguration s3:GetInventoryConfiguration s3:ListBucket",
            "arn:<AWS::Partition>:s3:::our-imagery",
        )
    ]
    [logs] = [one for one in mine if one not in s3]
    assert logs[0] == "logs:CreateLogStream logs:PutLogEvents"
    assert logs[1].startswith("<InventorySetUpInventoryHandlerLogs")


def test_a_bucket_of_our_own_is_ordered_in_the_same_way():
    def own(stack):
        imagery, reports = aws_s3.Bucket(stack, "Imagery"), aws_s3.Bucket(stack, "Reports")
        Inventory(stack, "Inventory", imagery=imagery, reports=reports, stack="S", code=code(stack), **KEPT)

    [one] = properties(template_of(own), "Custom::SetUpInventory")
    assert spelled(one["Bucket"]).startswith("<Imagery")
    assert not any("InventoryConfigurations" in bucket for bucket in properties(template_of(own), "AWS::S3::Bucket"))


def test_every_finding_of_cdk_nag_is_answered():
    assert findings(build) == []
