"""The one tree of errors; the split says what helps.

* BackfillError
  + TransientError                 the same input may succeed later: retry it            exit 75
    - ThrottledError               a service keeps asking us to slow down
    - UnavailableError             a service cannot be reached, or answers 5xx
    - DetectorDownError            the detector kept refusing, although it was asked patiently
    - ChangedError                 the object is no longer the version that we claimed
    - LeaseLostError               another worker holds the image now
    - ConflictError                a compare-and-set write lost
    - LateError                    too late to write the labels declared in the ledger
    - OutOfBudgetError             no more paid calls are allowed for now
    - DiskFullError                this machine has no room left
    - HandedBackError              this worker was told to stop, and handed its image back
  + PermanentError                 retrying changes nothing
    - InputError                   ... for this input: record it, go on to the next      exit 65
      . UnreadableImageError, UnsupportedImageError, TooLargeError, GridError, GeometryError, AnswerError, HookError,
        InventoryError
    - DeploymentError              ... for any input: stop, a person must act            exit 78
      . SettingsError, AccessError, SetUpError
"""

import os
from enum import StrEnum, auto


class ErrorCode(StrEnum):
    """Why an image failed, as written to ``error_code`` in the images index; the list is in ``docs/failures.md``."""

    UNREADABLE = auto()
    UNSUPPORTED = auto()
    TOO_LARGE = auto()
    ARCHIVED = auto()
    """The object is in an archive storage class; the one failure that is not final."""
    BAD_GRID = auto()
    BAD_GEOMETRY = auto()
    BAD_ANSWER = auto()
    BAD_HOOK = auto()
    ABANDONED = auto()
    """Three workers died on it without a word."""


class BackfillError(Exception):
    """Anything that this package raises on purpose."""

    exit_code = os.EX_SOFTWARE


class TransientError(BackfillError):
    """The same input may succeed later."""

    exit_code = os.EX_TEMPFAIL


class ThrottledError(TransientError):
    """A service keeps asking us to slow down."""


class UnavailableError(TransientError):
    """A service cannot be reached, or answers with its own failure."""


class DetectorDownError(TransientError):
    """The detector kept refusing, although it was asked patiently; other images would fare the same for now."""


class ChangedError(TransientError):
    """The object, or one of its side files, is no longer the version that was claimed (S3: 412 or 404)."""


class LeaseLostError(TransientError):
    """The ledger says that the image is no longer ours."""


class ConflictError(TransientError):
    """Somebody else wrote the document since it was read."""


class LateError(TransientError):
    """The labels may no longer be written: too long since they were declared in the ledger."""


class OutOfBudgetError(TransientError):
    """No more paid calls are allowed for now."""


class DiskFullError(TransientError):
    """This machine has no room left."""


class HandedBackError(TransientError):
    """This worker was told to stop, or the run is paused: the image is handed back before anything more is paid."""


class PermanentError(BackfillError):
    """Retrying changes nothing."""


class InputError(PermanentError):
    """This input cannot be processed; its neighbours can."""

    exit_code = os.EX_DATAERR
    code = ErrorCode.UNREADABLE


class UnreadableImageError(InputError):
    """The bytes are not a readable image."""


class UnsupportedImageError(InputError):
    """An image, but of a kind that is not allowed or has no picture to show (complex numbers, say)."""

    code = ErrorCode.UNSUPPORTED


class TooLargeError(InputError):
    """Reading it would need more memory than a worker has."""

    code = ErrorCode.TOO_LARGE


class GridError(InputError):
    """A window or a grid that cannot be."""

    code = ErrorCode.BAD_GRID


class GeometryError(InputError):
    """A box or a shape that cannot be."""

    code = ErrorCode.BAD_GEOMETRY


class AnswerError(InputError):
    """A detector's answer that breaks its contract."""

    code = ErrorCode.BAD_ANSWER


class HookError(InputError):
    """A user's hook failed on this image."""

    code = ErrorCode.BAD_HOOK


class InventoryError(InputError):
    """An inventory that is not what S3 delivers, or not as it must be configured: it cannot be planned."""


class DeploymentError(PermanentError):
    """Every input would fail in the same way: stop, a person must act."""

    exit_code = os.EX_CONFIG


class SettingsError(DeploymentError):
    """Settings are missing or contradict each other."""


class AccessError(DeploymentError):
    """Credentials or permissions are missing."""


class SetUpError(DeploymentError):
    """Something that must stand before we start does not: an index, a server, a package."""
