"""What an operator does to runs: start, resume."""

import secrets
from collections.abc import Callable

from batch_job.backfill.resuming import Resumer
from batch_job.backfill.starting import Starter
from batch_job.wiring.operator import Operator
from batch_job.wiring.planner import rules_of


def starter(operator: Operator, *, watch: Callable[[int], None]) -> Starter:
    """Connect what lists a deployment's bucket.

    Args:
        operator: Of the deployment.
        watch: Is told now and then how many objects were listed.

    Raises:
        SetUpError: the deployment's settings are another version's.
    """
    at = operator.deployment
    return Starter(
        objects=operator.objects,
        reports=operator.reports,
        clock=operator.clock,
        bucket=at.imagery_bucket,
        reports_bucket=at.reports_bucket,
        rules=rules_of(at.planner_settings()),
        new_name=lambda: secrets.token_hex(4),
        watch=watch,
    )


def resumer(operator: Operator) -> Resumer:
    """Connect what submits again."""
    return Resumer(
        runs=operator.runs,
        jobs=operator.backfill_jobs,
        queue=operator.unended,
        bucket=operator.deployment.imagery_bucket,
    )
