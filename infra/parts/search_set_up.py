"""What searching needs inside a domain: indices, roles, saved objects."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, aws_iam, aws_lambda, aws_logs
from constructs import Construct

from infra.parts.set_up import SetUp

TIMEOUT = Duration.minutes(10)
"""A domain answers before its parts do: ``docs/dashboards.md``."""


class SearchSetUp(Construct):
    """Runs when the domain is there, and again whenever a setting, or whom it lets in, changes."""

    settings_revision: str
    """Seconds since the epoch at which it ran last; the same for all workers of a deployment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: aws_lambda.DockerImageCode,
        role: aws_iam.Role,
        index_url: str,
        index_prefix: str,
        writers: Sequence[aws_iam.IRole],
        readers: Sequence[aws_iam.IRole],
        people: Sequence[aws_iam.IRole],
        revision: str,
        rebuild: str,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Set up.

        Args:
            scope: Around it.
            construct_id: Its name there.
            code: Of ``lambdas.set_up_search.handler``.
            role: A master user of the domain.
            index_url: The domain's address.
            index_prefix: Beginning of the indices' names.
            writers: Workers, who read and write documents.
            readers: Programs that only look.
            people: Whoever signs in to Dashboards.
            revision: Names the settings and the code that workers run under.
            rebuild: Another text than before has both indices deleted and made anew; empty: never.
            log_retention: How long logs are kept.
            removal: What becomes of them with the stack.
        """
        super().__init__(scope, construct_id)
        done = SetUp(
            self,
            "SetUpSearch",
            code=code,
            role=role,
            timeout=TIMEOUT,
            # beside the property, which tells CloudFormation of another domain: a stand-in's address is set here alone
            environment={"BACKFILL_INDEX_URL": index_url},
            properties={
                "IndexUrl": index_url,
                "IndexPrefix": index_prefix,
                "Writers": [one.role_arn for one in writers],
                "Readers": [one.role_arn for one in readers],
                "People": [one.role_arn for one in people],
                "Revision": revision,
                **({"Rebuild": rebuild} if rebuild else {}),
            },
            log_retention=log_retention,
            removal=removal,
        )
        self.resource = done.resource
        """When this is there, the index can be used."""
        self.settings_revision = done.resource.get_att_string("Revision")
