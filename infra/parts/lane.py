"""A lane of Batch: its own compute environment behind its own queue, so that no lane blocks another."""

from aws_cdk import Stack, aws_batch, aws_iam
from constructs import Construct

from infra.parts.grants import allow
from infra.parts.network import Network


class Lane(Construct):
    """Fargate up to a number of vCPUs, a queue before it, and the name of what it runs.

    Jobs are submitted by the definition's name, which means its newest revision: who submits needs no new settings
    when the definition changes, and what runs can submit its like.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition_name: str,
        network: Network,
        max_vcpus: int,
        spot: bool,
    ) -> None:
        """Make environment and queue."""
        super().__init__(scope, construct_id)
        self.definition_name = definition_name
        environment = aws_batch.FargateComputeEnvironment(
            self,
            "Fargate",
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            security_groups=[network.security_group],
            maxv_cpus=max_vcpus,
            spot=spot,
        )
        queue = aws_batch.JobQueue(
            self,
            "Queue",
            compute_environments=[aws_batch.OrderedComputeEnvironment(compute_environment=environment, order=1)],
        )
        self.queue_arn = queue.job_queue_arn

    def grant_submit(self, grantee: aws_iam.IRole) -> None:
        """Let somebody submit jobs of this lane's definition."""
        definition = Stack.of(self).format_arn(
            service="batch", resource="job-definition", resource_name=self.definition_name
        )
        allow(
            grantee,
            ["batch:SubmitJob"],
            on=[self.queue_arn, definition, f"{definition}:*"],
            because="Any revision of this one definition: jobs are submitted by its name.",
        )


def grant_cancel(grantee: aws_iam.IRole) -> None:
    """Let somebody take back jobs that wait; those that run look for orders themselves."""
    jobs = Stack.of(grantee).format_arn(service="batch", resource="job", resource_name="*")
    allow(grantee, ["batch:CancelJob"], on=[jobs], because="Jobs' ids are not known before.")
