"""An account through boto3: what is asked, and what is made of the answers."""

import io
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from batch_job.adapters.account import AwsAccount
from batch_job.adapters.s3 import Payer
from batch_job.errors import AccessError, SettingsError
from batch_job.values.checkup import KmsKey, Quota, SampledObject

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


class Account(AwsAccount):
    """Answers come from stubs, in the order in which they were added."""

    def __init__(self, payer: Payer = Payer.OWNER) -> None:
        super().__init__(region="eu-west-1", payer=payer)
        self._stubs: dict[str, Stubber] = {}

    def stub(self, service: str) -> Stubber:
        if service not in self._stubs:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            self._stubs[service] = Stubber(boto3.client(service, region_name="eu-west-1", **keys))
            self._stubs[service].activate()
        return self._stubs[service]

    def _client(self, service: str) -> Any:
        return _open(self.stub(service).client)


class _open:  # noqa: N801  stands for a function
    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def account():
    made = Account()
    yield made
    for stub in made._stubs.values():
        stub.assert_no_pending_responses()


def test_without_a_region_nothing_begins(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(SettingsError, match="in which Region"):
        AwsAccount()


def test_who_pays_is_said_when_objects_are_looked_at():
    account = Account(Payer.REQUESTER)
    account.stub("s3").add_response(
        "list_objects_v2", {}, {"Bucket": "scenes", "Prefix": "", "MaxKeys": 1, "RequestPayer": "requester"}
    )
    body = StreamingBody(io.BytesIO(b"a"), 1)
    asked = {"Bucket": "scenes", "Key": "a.tif", "Range": "bytes=0-0", "RequestPayer": "requester"}
    account.stub("s3").add_response("get_object", {"Body": body}, asked)
    assert account.first_objects("scenes", "", count=1) == []
    assert account.key_of("scenes", "a.tif") is None
    account.stub("s3").assert_no_pending_responses()


def test_a_bucket_says_its_region(account):
    account.stub("s3").add_response("head_bucket", {"BucketRegion": "eu-west-1"}, {"Bucket": "scenes"})
    assert account.bucket_region("scenes") == "eu-west-1"


def test_a_bucket_elsewhere_says_where_although_it_refuses(account):
    elsewhere = {"HTTPHeaders": {"x-amz-bucket-region": "us-east-1"}}
    account.stub("s3").add_client_error("head_bucket", "301", http_status_code=301, response_meta=elsewhere)
    assert account.bucket_region("scenes") == "us-east-1"


def test_a_bucket_that_is_missing_has_no_region_and_a_refusal_passes_on(account):
    account.stub("s3").add_client_error("head_bucket", "404", http_status_code=404)
    assert account.bucket_region("scenes") is None
    account.stub("s3").add_client_error("head_bucket", "403", http_status_code=403)
    with pytest.raises(AccessError, match="s3:ListBucket"):
        account.bucket_region("scenes")


def test_objects_are_listed_with_their_storage_classes(account):
    contents = [{"Key": "a.tif", "StorageClass": "GLACIER"}, {"Key": "b.tif"}]
    asked = {"Bucket": "scenes", "Prefix": "x/", "MaxKeys": 7}
    account.stub("s3").add_response("list_objects_v2", {"Contents": contents}, asked)
    listed = account.first_objects("scenes", "x/", count=7)
    assert listed == [SampledObject("a.tif", "GLACIER"), SampledObject("b.tif", "STANDARD")]


@pytest.mark.parametrize(("manager", "is_customers"), [("CUSTOMER", True), ("AWS", False)])
def test_an_object_names_its_key(account, manager, is_customers):
    body = StreamingBody(io.BytesIO(b"x"), 1)
    asked = {"Bucket": "scenes", "Key": "a.tif", "Range": "bytes=0-0"}
    account.stub("s3").add_response("get_object", {"Body": body, "SSEKMSKeyId": KEY}, asked)
    told = {"KeyMetadata": {"KeyId": "1", "KeyManager": manager}}
    account.stub("kms").add_response("describe_key", told, {"KeyId": KEY})
    assert account.key_of("scenes", "a.tif") == KmsKey(KEY, is_customers)


def test_a_key_that_may_not_be_looked_at_is_nobodys(account):
    account.stub("s3").add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"x"), 1), "SSEKMSKeyId": KEY})
    account.stub("kms").add_client_error("describe_key", "AccessDeniedException", http_status_code=400)
    assert account.key_of("scenes", "a.tif") == KmsKey(KEY, None)


def test_an_object_without_a_key_has_none(account):
    account.stub("s3").add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"x"), 1)})
    assert account.key_of("scenes", "a.tif") is None


@pytest.mark.parametrize(("status", "versioned"), [("Enabled", True), ("Suspended", False), (None, False)])
def test_only_enabled_versioning_counts(account, status, versioned):
    account.stub("s3").add_response("get_bucket_versioning", {"Status": status} if status else {})
    assert account.is_versioned("scenes") is versioned


def test_a_quota_that_was_never_raised_is_the_services_default(account):
    stub = account.stub("service-quotas")
    stub.add_client_error("get_service_quota", "NoSuchResourceException", http_status_code=400)
    default = {"Quota": {"Value": 6.0}}
    asked = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
    stub.add_response("get_aws_default_service_quota", default, asked)
    assert account.quota(Quota.FARGATE_VCPUS) == 6.0


def test_rekognitions_quota_is_found_by_its_name(account):
    stub = account.stub("service-quotas")
    others = [{"QuotaName": "Transactions per second for DetectFaces", "Value": 5.0}]
    ours = [{"QuotaName": "Transactions per second for Detect Labels", "Value": 50.0}]
    stub.add_response("list_service_quotas", {"Quotas": others})
    stub.add_response("list_aws_default_service_quotas", {"Quotas": others + ours})
    assert account.quota(Quota.DETECT_LABELS_PER_S) == 50.0


def test_a_quota_that_is_listed_nowhere_is_none(account):
    stub = account.stub("service-quotas")
    stub.add_response("list_service_quotas", {"Quotas": []})
    stub.add_response("list_aws_default_service_quotas", {"Quotas": []})
    assert account.quota(Quota.DETECT_LABELS_PER_S) is None
