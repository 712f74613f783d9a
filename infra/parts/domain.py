"""An OpenSearch domain of the stack's own."""

from aws_cdk import RemovalPolicy, Stack, aws_ec2, aws_iam, aws_logs
from aws_cdk import aws_opensearchservice as opensearch
from constructs import Construct

from infra.parts.identity import short_id
from infra.parts.nag import acknowledge
from infra.parts.people import People

VERSION = opensearch.EngineVersion.OPENSEARCH_3_7
"""The one place. 3.0 to 3.5 have a maps plugin that shows nothing: opensearch-project/dashboards-maps."""
WRITER = "es.amazonaws.com"
"""What OpenSearch Service is when it writes logs."""


class Domain(Construct):
    """A public endpoint that takes signed requests, over TLS, of roles that IAM and the index's own roles let in.

    Its name holds the stack's id and is known beforehand, so that its own policies can hold it; that it is
    named also means that CloudFormation refuses any change that would replace it, and the index with it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        people: People,
        master: aws_iam.IRole,
        instance_type: str,
        instances: int,
        volume_gb: int,
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Make it, with its logs.

        Args:
            scope: Around it.
            construct_id: Its name there.
            people: Who signs in to Dashboards.
            master: Who may change everything, the index's roles too.
            instance_type: Of the data nodes, as ``t3.small.search``.
            instances: How many; an even number, or a multiple of three, is spread over as many zones.
            volume_gb: gp3 volume of each.
            log_retention: How long its logs are kept.
            removal: What becomes of it and its logs with the stack.
        """
        super().__init__(scope, construct_id)
        name = f"imagery-{short_id(self)}"
        self._arn = Stack.of(self).format_arn(service="es", resource="domain", resource_name=name)
        self._logs = {
            kind: self._log_group(kind, log_retention, removal) for kind in ("Search", "Index", "Application")
        }
        zones = _zones(instances)
        self._domain = opensearch.Domain(
            self,
            "Domain",
            domain_name=name,
            version=VERSION,
            capacity=opensearch.CapacityConfig(
                data_node_instance_type=instance_type,
                data_nodes=instances,
                multi_az_with_standby_enabled=False,  # takes three nodes of other kinds than t3
            ),
            zone_awareness=opensearch.ZoneAwarenessConfig(enabled=True, availability_zone_count=zones)
            if zones > 1
            else None,
            ebs=opensearch.EbsOptions(volume_size=volume_gb, volume_type=aws_ec2.EbsDeviceVolumeType.GP3),
            encryption_at_rest=opensearch.EncryptionAtRestOptions(enabled=True),
            node_to_node_encryption=True,
            enforce_https=True,
            tls_security_policy=opensearch.TLSSecurityPolicy.TLS_1_2_PFS,
            fine_grained_access_control=opensearch.AdvancedSecurityOptions(master_user_arn=master.role_arn),
            cognito_dashboards_auth=opensearch.CognitoOptions(
                user_pool_id=people.user_pool_id, identity_pool_id=people.identity_pool_id, role=people.service_role
            ),
            enable_auto_software_update=True,
            enable_version_upgrade=True,  # in place, when VERSION is raised
            logging=self._logging(),
            suppress_logs_resource_policy=True,  # the CDK's own is a Lambda with an SDK of its own
            removal_policy=removal,
        )
        self.arn, self.endpoint = self._domain.domain_arn, self._domain.domain_endpoint
        self._let_in_signed_requests()
        self._let_write_logs()
        people.serve(self._domain)
        acknowledge(self._domain, _KEPT)

    def _log_group(self, kind: str, retention: aws_logs.RetentionDays, removal: RemovalPolicy) -> aws_logs.LogGroup:
        return aws_logs.LogGroup(self, f"{kind}Logs", retention=retention, removal_policy=removal)

    def _logging(self) -> opensearch.LoggingOptions:
        return opensearch.LoggingOptions(
            slow_search_log_enabled=True,
            slow_search_log_group=self._logs["Search"],
            slow_index_log_enabled=True,
            slow_index_log_group=self._logs["Index"],
            app_log_enabled=True,
            app_log_group=self._logs["Application"],
        )

    def _let_in_signed_requests(self) -> None:
        # naming the account leaves it to IAM which of its roles; naming anybody at all makes signatures a must
        policy = aws_iam.PolicyDocument(
            statements=[
                aws_iam.PolicyStatement(
                    principals=[aws_iam.AccountPrincipal(Stack.of(self).account)],
                    actions=["es:ESHttp*"],
                    resources=[f"{self._arn}/*"],
                )
            ]
        )
        l1 = self._domain.node.default_child
        if not isinstance(l1, opensearch.CfnDomain):
            raise TypeError(f"{self._domain.node.path} has no CfnDomain")
        # the L2's way is, again, a Lambda with an SDK of its own
        l1.access_policies = policy

    def _let_write_logs(self) -> None:
        allowed = aws_logs.ResourcePolicy(
            self,
            "LogsPolicy",
            policy_statements=[
                aws_iam.PolicyStatement(
                    principals=[aws_iam.ServicePrincipal(WRITER)],
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[group.log_group_arn for group in self._logs.values()],
                    conditions={
                        "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
                        "ArnLike": {"aws:SourceArn": self._arn},
                    },
                )
            ],
        )
        # it is tried when the domain is made
        self._domain.node.add_dependency(allowed)


def _zones(instances: int) -> int:
    """Give in how many zones nodes stand, as many in each."""
    return next((zones for zones in (3, 2) if instances % zones == 0), 1)


_KEPT = {
    "AwsSolutions-OS1": "in a VPC neither browsers nor the workers' public subnets reach it without a VPN or a gateway",
    "AwsSolutions-OS3": "workers have no fixed addresses; requests are signed, and two sets of roles let them in",
    "AwsSolutions-OS4": "dedicated masters cost more than a small domain; the index can be made again from the archive",
    "AwsSolutions-OS7": "the smallest domain is one node; an even number of them, or three, is spread over zones",
}
