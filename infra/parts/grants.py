"""Permissions: exact actions on exact resources, and for each wildcard the reason that it is one."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack, aws_iam

from infra.parts.nag import acknowledge


def allow(grantee: aws_iam.IRole, actions: Sequence[str], *, on: Sequence[str], because: str = "") -> None:
    """Let a role do something.

    Args:
        grantee: The role.
        actions: Without wildcards.
        on: ARNs.
        because: Why those with a wildcard have one; what cdk-nag would report is acknowledged with it.
    """
    aws_iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=list(on))
    stack = Stack.of(grantee)
    wildcards = [text for text in (spelled(stack.resolve(arn)) for arn in on) if "*" in text]
    if wildcards:
        acknowledge(grantee, {f"AwsSolutions-IAM5[Resource::{text}]": because for text in wildcards})


def spelled(value: Any) -> str:
    """Spell a resolved ARN as cdk-nag does: references stand in angle brackets."""
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(spelled, parts))
    return str(value)
