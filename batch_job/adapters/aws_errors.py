"""From the errors of AWS's client to ours, by table: a code that nobody sorted is found by a test, not in the night."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from batch_job.errors import (
    AccessError,
    BackfillError,
    ChangedError,
    ConflictError,
    InputError,
    SettingsError,
    SetUpError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
    UnreadableImageError,
    UnsupportedImageError,
)

ErrorTable = Mapping[str, type[BackfillError]]
"""By a service's error code. A HEAD has no body, so its codes are HTTP statuses: ``"404"``."""

_COMMON: ErrorTable = {
    "AccessDenied": AccessError,
    "AccessDeniedException": AccessError,
    "ExpiredToken": AccessError,
    "ExpiredTokenException": AccessError,
    "IncompleteSignature": AccessError,
    "InvalidAccessKeyId": AccessError,
    "InvalidClientTokenId": AccessError,
    "InvalidSignatureException": AccessError,
    "InvalidToken": AccessError,
    "MissingAuthenticationToken": AccessError,
    "MissingAuthenticationTokenException": AccessError,
    "NotAuthorized": AccessError,
    "OptInRequired": AccessError,
    "SignatureDoesNotMatch": AccessError,
    "SubscriptionRequiredException": AccessError,
    "UnrecognizedClientException": AccessError,
    "RequestExpired": SetUpError,  # this and the next: this machine's clock is wrong
    "RequestTimeTooSkewed": SetUpError,
    "InternalError": UnavailableError,
    "InternalFailure": UnavailableError,
    "InternalServerError": UnavailableError,
    "RequestTimeout": UnavailableError,
    "RequestTimeoutException": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "ServiceUnavailableException": UnavailableError,
    "RequestLimitExceeded": ThrottledError,
    "RequestThrottled": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
}

S3: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "403": AccessError,
        "404": ChangedError,
        "412": ChangedError,
        "AllAccessDisabled": AccessError,
        "AuthorizationHeaderMalformed": SettingsError,  # this and the next two: another Region's bucket
        "IllegalLocationConstraintException": SettingsError,
        "PermanentRedirect": SettingsError,
        "ConditionalRequestConflict": ChangedError,
        "EncryptionTypeMismatch": SetUpError,
        "InvalidBucketName": SettingsError,
        "InvalidObjectState": ChangedError,  # a lifecycle rule archived it since the HEAD; the next HEAD says so
        "InvalidRange": UnreadableImageError,  # under If-Match only an empty object has no bytes to give
        "InvalidRequest": SetUpError,
        "InvalidWriteOffset": SetUpError,
        "KMS.DisabledException": AccessError,
        "KMS.InvalidStateException": AccessError,
        "KMS.NotFoundException": AccessError,
        "KeyTooLongError": InputError,
        "NoSuchBucket": SetUpError,
        "NoSuchKey": ChangedError,
        "NoSuchVersion": ChangedError,
        "OperationAborted": ConflictError,  # another change of the same bucket's configuration is under way
        "PreconditionFailed": ChangedError,
        "SlowDown": ThrottledError,
        "TooManyParts": SetUpError,
    }
)
"""Error Responses in the Amazon S3 API reference, and what botocore's model declares."""

REKOGNITION: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "ImageTooLargeException": TooLargeError,
        "InvalidImageFormatException": UnsupportedImageError,
        "InvalidParameterException": InputError,
        "InvalidS3ObjectException": UnreadableImageError,
        "LimitExceededException": ThrottledError,  # as botocore's standard retry mode sorts it
        "ProvisionedThroughputExceededException": ThrottledError,
        "ResourceNotFoundException": SetUpError,  # this and the next: a Custom Labels model that does not run
        "ResourceNotReadyException": SetUpError,
    }
)
"""Error handling in the Amazon Rekognition developer guide; the input errors are outcomes of one chip."""

DYNAMODB: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "ConditionalCheckFailedException": ConflictError,
        "ItemCollectionSizeLimitExceededException": SetUpError,
        "LimitExceededException": ThrottledError,
        "ProvisionedThroughputExceededException": ThrottledError,
        "ReplicatedWriteConflictException": UnavailableError,
        "ResourceNotFoundException": SetUpError,  # no such table, or it is being made
        "TransactionConflictException": UnavailableError,
        "ValidationException": SetUpError,  # another key than ours, say
    }
)
"""Error handling in the Amazon DynamoDB developer guide, and what botocore's model declares."""

BATCH: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "ClientException": SetUpError,  # no such queue or definition, or it is disabled
        "ServerException": UnavailableError,
    }
)
"""Common errors in the AWS Batch API reference."""

_SQS_OLD = "AWS.SimpleQueueService."
"""Begins the names that the service keeps sending from before its JSON protocol."""

SQS: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "BatchEntryIdsNotDistinct": SetUpError,  # this and the next four: a request that we should never make
        "BatchRequestTooLong": SetUpError,
        "EmptyBatchRequest": SetUpError,
        "InvalidBatchEntryId": SetUpError,
        "TooManyEntriesInBatchRequest": SetUpError,
        "InvalidAddress": SettingsError,
        "InvalidAttributeName": SetUpError,
        "InvalidSecurity": SetUpError,
        "KmsAccessDenied": AccessError,
        "KmsDisabled": AccessError,
        "KmsInvalidKeyUsage": AccessError,
        "KmsInvalidState": AccessError,
        "KmsNotFound": AccessError,
        "KmsOptInRequired": AccessError,
        "KmsThrottled": ThrottledError,
        "MessageNotInflight": ConflictError,  # this and the next: it waits again, or somebody else received it
        "ReceiptHandleIsInvalid": ConflictError,
        "QueueDoesNotExist": SetUpError,
        f"{_SQS_OLD}NonExistentQueue": SetUpError,
        f"{_SQS_OLD}UnsupportedOperation": SetUpError,
        "UnsupportedOperation": SetUpError,
    }
)
"""What botocore's model declares for sending messages, for how long they wait, and GetQueueAttributes."""

SERVICE_QUOTAS: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "IllegalArgumentException": SetUpError,
        "InvalidPaginationTokenException": UnavailableError,
        "NoSuchResourceException": SetUpError,
        "ServiceException": UnavailableError,
    }
)
"""What botocore's model declares for reading quotas."""

CLOUDFORMATION: ErrorTable = MappingProxyType({**_COMMON, "ValidationError": SetUpError})
"""Common errors in the AWS CloudFormation API reference; DescribeStacks declares none of its own."""

LAMBDA: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "InvalidParameterValueException": SettingsError,
        "ResourceConflictException": ConflictError,  # this and the next: another change of it is under way
        "ResourceInUseException": ConflictError,
        "ResourceNotFoundException": SetUpError,
        "ServiceException": UnavailableError,
    }
)
"""What botocore's model declares for event source mappings."""

STS: ErrorTable = MappingProxyType(
    {
        **_COMMON,
        "MalformedPolicyDocument": SetUpError,  # this and the next: a request that we should never make
        "MalformedPolicyDocumentException": SetUpError,
        "PackedPolicyTooLarge": SetUpError,
        "PackedPolicyTooLargeException": SetUpError,
        "RegionDisabledException": SettingsError,
        "ValidationError": SetUpError,  # no ARN of a role
    }
)
"""What botocore's model declares for AssumeRole; GetCallerIdentity declares none, and nobody may be refused it."""

_CLIENT_SIDE: tuple[tuple[type[BotoCoreError], type[BackfillError]], ...] = (
    (boto.NoCredentialsError, AccessError),
    (boto.PartialCredentialsError, AccessError),
    (boto.CredentialRetrievalError, AccessError),
    (boto.RefreshWithMFAUnsupportedError, AccessError),
    (boto.LoginError, AccessError),
    (boto.SSOError, AccessError),
    (boto.TokenRetrievalError, AccessError),
    (boto.ProfileNotFound, SettingsError),
    (boto.InvalidRegionError, SettingsError),
    (boto.NoRegionError, SettingsError),
    (boto.ParamValidationError, SettingsError),
    (boto.ChecksumError, UnavailableError),
    (boto.ConnectionError, UnavailableError),
    (boto.FlexibleChecksumError, UnavailableError),
    (boto.HTTPClientError, UnavailableError),
    (boto.IncompleteReadError, UnavailableError),
    (boto.MetadataRetrievalError, UnavailableError),
)
"""In this order; anything else that the client itself raises is a matter of set-up."""

_SERVER_FAILURE, _TOO_MANY, _DENIED = 500, 429, (401, 403)


@contextmanager
def as_ours(table: ErrorTable, *, doing: str) -> Iterator[None]:
    """Raise our error for the client's, with the client's as its cause.

    Args:
        table: One of the tables of this module.
        doing: What is being done, to what: it begins the message.

    Raises:
        BackfillError: the class that the table names for the code; for codes that it lacks, what the HTTP status says.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, table)(f"{doing}: {error_code(error)}: {_message(error)}") from error
    except BotoCoreError as error:
        raise _of_client(error)(f"{doing}: {error}") from error


def error_code(error: ClientError) -> str:
    """Give the service's own code, ``ThrottlingException`` say."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def _message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")) or error.operation_name


def _of_answer(error: ClientError, table: ErrorTable) -> type[BackfillError]:
    known = table.get(error_code(error))
    if known is not None:
        return known
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= _SERVER_FAILURE:
        return UnavailableError
    if status == _TOO_MANY:
        return ThrottledError
    # an unknown refusal would meet every object: stop rather than fail them one by one
    return AccessError if status in _DENIED else SetUpError


def _of_client(error: BotoCoreError) -> type[BackfillError]:
    for theirs, ours in _CLIENT_SIDE:
        if isinstance(error, theirs):
            return ours
    return SetUpError
