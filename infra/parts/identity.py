"""Names that AWS wants unique, and that must not change: drawn from the stack's own id."""

from aws_cdk import Fn, Stack
from constructs import Construct


def stack_uuid(scope: Construct) -> str:
    """Give the UUID of the stack, 36 characters: another one for each creation, the same for all its updates.

    So what a deleted stack left behind stands in no later stack's way.
    """
    return Fn.select(2, Fn.split("/", Stack.of(scope).stack_id))


def short_id(scope: Construct) -> str:
    """Give 13 of them: the time that the UUID begins with, as two stacks made by one host end alike."""
    parts = Fn.split("-", stack_uuid(scope))
    return Fn.join("-", [Fn.select(0, parts), Fn.select(1, parts)])
