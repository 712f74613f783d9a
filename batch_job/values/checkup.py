"""What is looked at before money is spent, and what came of it."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any


class Verdict(StrEnum):
    """How a check ended."""

    FINE = auto()
    WARNING = auto()
    """It may work, or could not be looked at."""
    WRONG = auto()
    """A deployment would fail, or do nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a checkup."""

    about: str
    verdict: Verdict
    said: str
    cure: str = ""
    """What to do; every finding that is not fine has one."""

    def __post_init__(self) -> None:
        if self.verdict is not Verdict.FINE and not self.cure:
            raise ValueError(f"a finding without a cure: {self.said}")

    def to_json(self) -> dict[str, Any]:
        """Encode for programs."""
        return {"about": self.about, "verdict": str(self.verdict), "said": self.said, "cure": self.cure or None}


@dataclass(frozen=True, slots=True)
class SampledObject:
    """An object as a listing shows it."""

    key: str
    storage_class: str
    """As S3 names it, ``STANDARD`` say."""

    @property
    def readable(self) -> bool:
        """Tell whether its class gives bytes without a restore; Intelligent-Tiering may hide that it does not."""
        return self.storage_class not in ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True, slots=True)
class KmsKey:
    """The key that an object is encrypted with."""

    arn: str
    is_customers: bool | None
    """False: Amazon's own for S3, which needs no grant; None: nobody would say."""


class Quota(StrEnum):
    """A quota of an account in a Region."""

    DETECT_LABELS_PER_S = auto()
    FARGATE_VCPUS = auto()
    FARGATE_SPOT_VCPUS = auto()
