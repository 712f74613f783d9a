"""Who acts: one role for each kind of worker, and one for the people who operate the stack."""

from aws_cdk import Stack, aws_iam
from constructs import Construct

BATCH = "ecs-tasks.amazonaws.com"
LAMBDA = "lambda.amazonaws.com"


class Roles(Construct):
    """Roles without permissions: whoever makes a resource grants it, and the index is told who may write.

    They stand before the workers, as workers run under a revision that the index's set-up gives.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Make the roles."""
        super().__init__(scope, construct_id)
        self.backfill_job = self._worker("BackfillJob", BATCH)
        self.live_job = self._worker("LiveJob", BATCH)
        self.planner = self._worker("Planner", LAMBDA)
        self.live = self._worker("Live", LAMBDA)
        self.operator = aws_iam.Role(
            self,
            "Operator",
            # whom IAM of this account lets: nobody outside, and nobody inside without sts:AssumeRole on it
            assumed_by=aws_iam.AccountPrincipal(Stack.of(self).account),
            description="Watches, searches, starts, pauses and resumes: imagery-backfill --stack",
        )

    @property
    def workers(self) -> tuple[aws_iam.Role, ...]:
        """Those that call the detector, and read and write the index."""
        return (self.backfill_job, self.live_job, self.live)

    @property
    def readers(self) -> tuple[aws_iam.Role, ...]:
        """Those that only read the index."""
        return (self.planner, self.operator)

    def _worker(self, construct_id: str, service: str) -> aws_iam.Role:
        return aws_iam.Role(self, construct_id, assumed_by=aws_iam.ServicePrincipal(service))
