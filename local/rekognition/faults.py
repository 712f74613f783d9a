"""The errors of the service: code, HTTP status and text, as its clients meet them."""

from http import HTTPStatus


class ServiceError(Exception):
    """An error answer.

    Attributes:
        code: The service's name for it, which is what botocore's exceptions carry.
        status: The HTTP status; nearly always 400, throttling included.
    """

    def __init__(self, code: str, message: str, *, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def bad_json(what: str) -> ServiceError:
    """The body is not JSON, or a member has another type than the model says."""
    return ServiceError("SerializationException", what)


def bad_value(member: str, constraint: str) -> ServiceError:
    """A member breaks a constraint of the service's model."""
    message = f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    return ServiceError("ValidationException", message)


def bad_parameters(what: str) -> ServiceError:
    """The request is well formed and cannot be served; the real service does not say why."""
    return ServiceError("InvalidParameterException", f"Request has invalid parameters ({what})")


def bad_image(what: str) -> ServiceError:
    """The bytes are no JPEG or PNG."""
    return ServiceError("InvalidImageFormatException", f"Request has invalid image format ({what})")


def too_large(what: str) -> ServiceError:
    """More bytes or pixels than the service takes."""
    return ServiceError("ImageTooLargeException", what)


def no_object() -> ServiceError:
    """S3 would not give the object, for whatever reason."""
    return ServiceError(
        "InvalidS3ObjectException",
        "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
    )


def over_quota() -> ServiceError:
    """More calls a second than the quota."""
    return ServiceError("ProvisionedThroughputExceededException", "Provisioned Rate exceeded")


def slow_down() -> ServiceError:
    """The other throttling, whose status is 400 too."""
    return ServiceError("ThrottlingException", "Slow down; sudden increase in rate of requests")


def server_error() -> ServiceError:
    """The service's own failure."""
    return ServiceError("InternalServerError", "Internal server error", status=HTTPStatus.INTERNAL_SERVER_ERROR)
