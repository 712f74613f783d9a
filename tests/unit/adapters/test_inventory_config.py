from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from batch_job.adapters.inventory_config import InventoryConfigurations, ReportOrder
from batch_job.adapters.s3 import s3_client
from batch_job.errors import AccessError, BackfillError, ConflictError, SettingsError, SetUpError

REPORTS = "arn:aws:s3:::reports"
ORDER = ReportOrder(
    bucket="imagery", id="Backfill", destination_arn=REPORTS, destination_account="111122223333", prefix="inventories"
)
NAMED = {"Bucket": "imagery", "Id": "Backfill"}
CONFIGURATION = {
    "Id": "Backfill",
    "IsEnabled": True,
    "IncludedObjectVersions": "Current",
    "Schedule": {"Frequency": "Daily"},
    "OptionalFields": ["Size", "LastModifiedDate", "ETag", "StorageClass", "EncryptionStatus", "IsMultipartUploaded"],
    "Destination": {
        "S3BucketDestination": {
            "AccountId": "111122223333",
            "Bucket": REPORTS,
            "Format": "CSV",
            "Prefix": "inventories",
            "Encryption": {"SSES3": {}},
        }
    },
}
PUT, GET, DELETE = (f"{verb}_bucket_inventory_configuration" for verb in ("put", "get", "delete"))


@pytest.fixture
def client() -> Iterator[Any]:
    made = s3_client(endpoint_url="http://127.0.0.1:9", region="eu-central-1", access_key="k", secret_key="s")  # noqa: S106
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def configurations(client: Any) -> InventoryConfigurations:
    return InventoryConfigurations(client)


def is_here(stub: Stubber, region: str = "eu-central-1"):
    stub.add_response("head_bucket", {"BucketRegion": region}, {"Bucket": "imagery"})


def delivers_to(stub: Stubber, arn: str | None):
    if arn is None:
        stub.add_client_error(GET, "NoSuchConfiguration", "none", 404, expected_params=NAMED)
        return
    destination = {"S3BucketDestination": {"Bucket": arn, "Format": "CSV"}}
    stub.add_response(GET, {"InventoryConfiguration": CONFIGURATION | {"Destination": destination}}, NAMED)


@pytest.mark.parametrize("before", [None, REPORTS])
def test_the_configuration_is_all_that_is_put(configurations, stub: Stubber, before):
    is_here(stub)
    delivers_to(stub, before)
    stub.add_response(PUT, {}, {**NAMED, "InventoryConfiguration": CONFIGURATION})
    configurations.put(ORDER)


def test_one_of_our_id_that_delivers_elsewhere_is_left_alone(configurations, stub: Stubber):
    is_here(stub)
    delivers_to(stub, "arn:aws:s3:::somebodys")
    with pytest.raises(SetUpError, match=r"Backfill that delivers to arn:aws:s3:::somebodys: .*another id"):
        configurations.put(ORDER)


def test_one_that_delivers_where_ours_did_is_ours(configurations, stub: Stubber):
    is_here(stub)
    delivers_to(stub, "arn:aws:s3:::earlier")
    stub.add_response(PUT, {}, {**NAMED, "InventoryConfiguration": CONFIGURATION})
    configurations.put(ORDER, also_ours=("arn:aws:s3:::earlier",))


def test_a_bucket_in_another_region_is_refused_before_anything_is_put(configurations, stub: Stubber):
    is_here(stub, "us-west-2")
    with pytest.raises(SettingsError, match=r"s3://imagery is in us-west-2, .*deploy the stack in us-west-2"):
        configurations.put(ORDER)


@pytest.mark.parametrize("code", [301, 400, 403])
def test_a_bucket_elsewhere_that_refuses_is_elsewhere_first_of_all(configurations, stub: Stubber, code):
    said = {"HTTPHeaders": {"x-amz-bucket-region": "us-west-2"}}
    stub.add_client_error("head_bucket", str(code), "", code, response_meta=said)
    with pytest.raises(SettingsError, match="deploy the stack in us-west-2"):
        configurations.put(ORDER)


@pytest.mark.parametrize(
    ("code", "status", "error", "says"),
    [
        ("TooManyConfigurations", 400, SetUpError, r"1,000 .*delete one"),
        ("AccessDenied", 403, AccessError, r"needs s3:PutInventoryConfiguration"),
        ("InvalidS3DestinationBucket", 400, SetUpError, r"reports must exist, in the same Region"),
        ("InvalidArgument", 400, SetUpError, r"InvalidArgument: what S3 says"),
        ("OperationAborted", 409, ConflictError, r"OperationAborted"),
    ],
)
def test_a_refused_put_says_what_helps(configurations, stub: Stubber, code, status, error: type[BackfillError], says):
    is_here(stub)
    delivers_to(stub, None)
    stub.add_client_error(PUT, code, "what S3 says", status)
    with pytest.raises(error, match=f"Backfill on s3://imagery.*{says}") as raised:
        configurations.put(ORDER)
    assert isinstance(raised.value, error)


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [("404", SetUpError, r"no such bucket: correct the name"), ("403", AccessError, r"needs s3:ListBucket")],
)
def test_a_bucket_that_is_not_there_or_not_ours_to_see_is_named(configurations, stub: Stubber, code, error, says):
    stub.add_client_error("head_bucket", code, "", int(code))
    with pytest.raises(error, match=f"s3://imagery.*{says}"):
        configurations.put(ORDER)


def test_reading_without_permission_is_said(configurations, stub: Stubber):
    is_here(stub)
    stub.add_client_error(GET, "AccessDenied", "no", 403)
    with pytest.raises(AccessError, match="needs s3:GetInventoryConfiguration"):
        configurations.put(ORDER)


def test_ours_is_deleted(configurations, stub: Stubber):
    delivers_to(stub, REPORTS)
    stub.add_response(DELETE, {}, NAMED)
    assert configurations.delete("imagery", "Backfill", destination_arn=REPORTS)


@pytest.mark.parametrize("found", [None, "arn:aws:s3:::somebodys"])
def test_what_is_gone_or_somebodys_is_not_deleted(configurations, stub: Stubber, found):
    delivers_to(stub, found)
    assert not configurations.delete("imagery", "Backfill", destination_arn=REPORTS)


def test_a_bucket_that_is_gone_has_nothing_to_delete(configurations, stub: Stubber):
    stub.add_client_error(GET, "NoSuchBucket", "gone", 404)
    assert not configurations.delete("imagery", "Backfill", destination_arn=REPORTS)


@pytest.mark.parametrize("code", ["NoSuchConfiguration", "NoSuchBucket"])
def test_what_goes_at_the_last_moment_is_gone(configurations, stub: Stubber, code):
    delivers_to(stub, REPORTS)
    stub.add_client_error(DELETE, code, "gone", 404)
    assert not configurations.delete("imagery", "Backfill", destination_arn=REPORTS)


def test_ours_that_may_not_be_deleted_is_told(configurations, stub: Stubber):
    delivers_to(stub, REPORTS)
    stub.add_client_error(DELETE, "AccessDenied", "no", 403)
    with pytest.raises(AccessError, match=r"deleting inventory configuration Backfill .*s3:PutInventoryConfiguration"):
        configurations.delete("imagery", "Backfill", destination_arn=REPORTS)
