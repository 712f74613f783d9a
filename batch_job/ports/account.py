"""The account that a deployment would be made in."""

from collections.abc import Sequence
from typing import Protocol

from batch_job.values.checkup import KmsKey, Quota, SampledObject


class Account(Protocol):
    """What a checkup asks of an account; every question may be refused with ``AccessError``."""

    @property
    def region(self) -> str:
        """Name the Region of a deployment."""
        ...

    def identity(self) -> str:
        """Give the ARN of whoever asks."""
        ...

    def bucket_region(self, bucket: str) -> str | None:
        """Name a bucket's Region; None when there is no such bucket."""
        ...

    def first_objects(self, bucket: str, prefix: str, *, count: int) -> Sequence[SampledObject]:
        """List the first objects under a prefix, at most ``count`` and at most 1,000."""
        ...

    def key_of(self, bucket: str, key: str) -> KmsKey | None:
        """Read a byte of an object, and name the KMS key it is encrypted with; None: none."""
        ...

    def is_versioned(self, bucket: str) -> bool:
        """Tell whether a bucket keeps older versions."""
        ...

    def quota(self, quota: Quota) -> float | None:
        """Give a quota; None when it is listed nowhere."""
        ...
