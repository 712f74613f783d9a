"""What cdk-nag finds and we mean to keep, said beside the construct."""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Keep findings on a construct and all below it.

    Args:
        construct: Where they are found.
        reasons: Why each is meant, by its id; a granular finding is named in full, ``AwsSolutions-IAM5[Resource::*]``.
    """
    Validations.of(construct).acknowledge(*(Acknowledgment(id=one, reason=why) for one, why in reasons.items()))
