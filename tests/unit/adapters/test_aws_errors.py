import boto3
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import (
    BATCH,
    LAMBDA,
    REKOGNITION,
    S3,
    SERVICE_QUOTAS,
    SQS,
    STS,
    ErrorTable,
    as_ours,
    error_code,
)
from batch_job.errors import (
    AccessError,
    BackfillError,
    ChangedError,
    SettingsError,
    SetUpError,
    ThrottledError,
    UnavailableError,
)

OPERATIONS = [
    ("s3", "HeadObject", S3),
    ("s3", "GetObject", S3),
    ("s3", "ListObjectsV2", S3),
    ("s3", "PutObject", S3),
    ("rekognition", "DetectLabels", REKOGNITION),
    ("rekognition", "DetectCustomLabels", REKOGNITION),
    ("batch", "SubmitJob", BATCH),
    ("batch", "CancelJob", BATCH),
    ("sqs", "SendMessageBatch", SQS),
    ("batch", "ListJobs", BATCH),
    ("batch", "DescribeJobs", BATCH),
    ("sqs", "GetQueueAttributes", SQS),
    ("sts", "AssumeRole", STS),
    ("sqs", "ChangeMessageVisibility", SQS),
    ("sqs", "GetQueueUrl", SQS),
    ("lambda", "ListEventSourceMappings", LAMBDA),
    ("lambda", "GetEventSourceMapping", LAMBDA),
    ("lambda", "UpdateEventSourceMapping", LAMBDA),
    ("s3", "HeadBucket", S3),
    ("service-quotas", "GetServiceQuota", SERVICE_QUOTAS),
    ("service-quotas", "GetAWSDefaultServiceQuota", SERVICE_QUOTAS),
    ("service-quotas", "ListServiceQuotas", SERVICE_QUOTAS),
    ("service-quotas", "ListAWSDefaultServiceQuotas", SERVICE_QUOTAS),
]


def answer(code: str, status: int) -> ClientError:
    facts = {"Error": {"Code": code, "Message": "so it is"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(facts, "Operation")


@pytest.mark.parametrize(("service", "operation", "table"), OPERATIONS, ids=lambda given: str(given)[:20])
def test_every_declared_error_is_sorted(service: str, operation: str, table: ErrorTable):
    model = boto3.client(service, region_name="us-east-1").meta.service_model
    declared = {shape.name for shape in model.operation_model(operation).error_shapes}
    assert declared
    assert declared <= table.keys()


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (answer("ThrottlingException", 400), ThrottledError),
        (answer("ProvisionedThroughputExceededException", 400), ThrottledError),
        (answer("InternalServerError", 500), UnavailableError),
        (answer("NeverSeen", 503), UnavailableError),
        (answer("NeverSeen", 429), ThrottledError),
        (answer("NeverSeen", 403), AccessError),
        (answer("NeverSeen", 400), SetUpError),
        (ClientError({}, "Operation"), SetUpError),
        (boto.NoCredentialsError(), AccessError),
        (boto.NoRegionError(), SettingsError),
        (boto.EndpointConnectionError(endpoint_url="http://nowhere"), UnavailableError),
        (boto.ConnectTimeoutError(endpoint_url="http://nowhere"), UnavailableError),
        (boto.ReadTimeoutError(endpoint_url="http://nowhere"), UnavailableError),
        (boto.ResponseStreamingError(error="cut off"), UnavailableError),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), UnavailableError),
        (boto.ParamValidationError(report="bad name"), SettingsError),
        (boto.UnknownEndpointError(service_name="x", region_name="y"), SetUpError),
    ],
    ids=str,
)
def test_an_error_becomes_what_helps_against_it(error: Exception, ours: type[BackfillError]):
    with pytest.raises(ours) as raised, as_ours(REKOGNITION, doing="detecting a chip"):
        raise error
    assert type(raised.value) is ours
    assert raised.value.__cause__ is error


def test_a_message_says_what_was_being_done_and_what_the_service_said():
    with (
        pytest.raises(ChangedError, match=r"^reading s3://b/k: PreconditionFailed: so it is$"),
        as_ours(S3, doing="reading s3://b/k"),
    ):
        raise answer("PreconditionFailed", 412)


def test_other_errors_pass():
    with pytest.raises(KeyError), as_ours(S3, doing="anything"):
        raise KeyError("k")


def test_the_services_own_code_is_kept():
    assert error_code(answer("SlowDown", 503)) == "SlowDown"
    assert error_code(ClientError({}, "Operation")) == "Unknown"
