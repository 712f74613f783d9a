"""The index: a domain of the stack's own, or one that is there already."""

from collections.abc import Sequence

from aws_cdk import RemovalPolicy, Stack, aws_iam, aws_logs
from constructs import Construct

from infra.parts.domain import Domain
from infra.parts.grants import allow
from infra.parts.people import People

READING = ("es:ESHttpDelete", "es:ESHttpPost")
"""Searches are posted, and what they hold open is deleted. What may be done to which index, its own roles say."""
WRITING = (*READING, "es:ESHttpGet", "es:ESHttpPut")
ANYTHING = (*WRITING, "es:ESHttpHead", "es:ESHttpPatch")


class Search(Construct):
    """Where the index is, and the role that sets it up."""

    master: aws_iam.Role
    """Of the set-up's Lambda, which says who else may do what; no person holds it.

    For a domain of the user's it has a name, ``STACK-search-set-up``: its ARN can be mapped to that domain's
    ``all_access`` before the stack is deployed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        people: People | None,
        instance_type: str,
        instances: int,
        volume_gb: int,
        domain_endpoint: str,
        domain_arn: str,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make a domain, unless an endpoint is given.

        Args:
            scope: Around it.
            construct_id: Its name there.
            people: Who signs in to Dashboards of a new domain; None: the domain is there and has its own.
            instance_type: Of a new domain's data nodes.
            instances: How many.
            volume_gb: gp3 volume of each.
            domain_endpoint: Host name of a domain that is there; empty: a new one.
            domain_arn: ... and its ARN.
            log_retention: How long the domain's logs are kept.
            removal: What becomes of a new domain with the stack.
        """
        super().__init__(scope, construct_id)
        self.master = aws_iam.Role(
            self,
            "Master",
            role_name=f"{Stack.of(self).stack_name}-search-set-up" if domain_endpoint else None,
            assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Makes indices, roles and saved objects",
        )
        self._arn, endpoint = domain_arn, domain_endpoint
        if people and not domain_endpoint:
            domain = Domain(
                self,
                "Domain",
                people=people,
                master=self.master,
                instance_type=instance_type,
                instances=instances,
                volume_gb=volume_gb,
                log_retention=log_retention,
                removal=removal,
            )
            self._arn, endpoint = domain.arn, domain.endpoint
            self._grant(people.role, ANYTHING)
        self.url = f"https://{endpoint}"
        self._grant(self.master, ANYTHING)

    @property
    def dashboards_url(self) -> str:
        """Where people look."""
        return f"{self.url}/_dashboards"

    def grant_reading(self, grantee: aws_iam.IRole) -> None:
        """Let a role's searches reach the index, whose own roles then say what it may read."""
        self._grant(grantee, READING)

    def grant_writing(self, grantee: aws_iam.IRole) -> None:
        """Let a worker's requests reach the index, whose own roles then say what it may do."""
        self._grant(grantee, WRITING)

    def _grant(self, grantee: aws_iam.IRole, requests: Sequence[str]) -> None:
        allow(grantee, requests, on=[f"{self._arn}/*"], because="every path of one domain, whose own roles rule it")
