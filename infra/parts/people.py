"""Who signs in to OpenSearch Dashboards, and as whom."""

from aws_cdk import Duration, RemovalPolicy, Stack, aws_cognito, aws_iam
from constructs import Construct, IDependable

from infra.parts.identity import stack_uuid
from infra.parts.nag import acknowledge

OPENSEARCH = "opensearchservice.amazonaws.com"
INVITATION_DAYS = 7
"""A password from a mail is good for so long."""


class People(Construct):
    """A user pool whose users are invited, never self-made; or one that is there already.

    OpenSearch Service itself makes the pool's app client and joins it to the identity pool when the domain is made.
    """

    user_pool_id: str
    identity_pool_id: str
    role: aws_iam.IRole
    """What people in Dashboards are; the index's own roles say what it may read."""
    service_role: aws_iam.Role
    """OpenSearch Service's, to connect the pools with a domain."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        mail: str,
        user_pool_id: str,
        identity_pool_id: str,
        people_role_arn: str,
        removal: RemovalPolicy,
    ) -> None:
        """Make pools and roles; those with an id are only used.

        Args:
            scope: Around it.
            construct_id: Its name there.
            mail: The first user's address; empty: nobody is invited. A pool that was there gets no user.
            user_pool_id: Of a pool that is there, with a domain of its own; empty: a new one.
            identity_pool_id: ... and its identity pool.
            people_role_arn: ... and the role of those who signed in.
            removal: What becomes of the users with the stack.
        """
        super().__init__(scope, construct_id)
        self._invited: aws_cognito.CfnUserPoolUser | None = None
        self._before_domain: list[IDependable] = []
        self.service_role = self._service_role()
        if user_pool_id:
            self.user_pool_id, self.identity_pool_id = user_pool_id, identity_pool_id
            self.role = aws_iam.Role.from_role_arn(self, "Role", people_role_arn)
        else:
            pool = self._user_pool(removal)
            self.user_pool_id = pool.user_pool_id
            self.identity_pool_id = self._identity_pool(removal)
            self.role = self._role()
            if mail:
                self._invited = self._invite(mail)

    def serve(self, domain: Construct) -> None:
        """Order things around a domain: the pool's address before it, the invitation when there is something to see."""
        domain.node.add_dependency(*self._before_domain)
        if self._invited:
            self._invited.node.add_dependency(domain)

    def _user_pool(self, removal: RemovalPolicy) -> aws_cognito.UserPool:
        pool = aws_cognito.UserPool(
            self,
            "Users",
            self_sign_up_enabled=False,
            sign_in_aliases=aws_cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            account_recovery=aws_cognito.AccountRecovery.EMAIL_ONLY,
            mfa=aws_cognito.Mfa.OPTIONAL,
            mfa_second_factor=aws_cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=aws_cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                temp_password_validity=Duration.days(INVITATION_DAYS),
            ),
            user_invitation=aws_cognito.UserInvitationConfig(
                email_subject="Your imagery in OpenSearch Dashboards",
                email_body=(
                    f"Sign in to OpenSearch Dashboards as {{username}} with {{####}} within {INVITATION_DAYS} days. "
                    f"Its address is the output DashboardsUrl of the stack {Stack.of(self).stack_name}."
                ),
            ),
            removal_policy=removal,
        )
        acknowledge(
            pool,
            {
                "AwsSolutions-COG2": "people may add a second factor; demanding one needs a visit to the console",
                "AwsSolutions-COG8": "the plus plan is paid for each user; there is no self sign-up to protect",
            },
        )
        domain = pool.add_domain(
            "Address",
            cognito_domain=aws_cognito.CognitoDomainOptions(
                # unique among everybody's in the Region
                domain_prefix=f"imagery-{stack_uuid(self)}"
            ),
        )
        domain.apply_removal_policy(removal)
        self._before_domain.append(domain)
        return pool

    def _identity_pool(self, removal: RemovalPolicy) -> str:
        pool = aws_cognito.CfnIdentityPool(self, "Identities", allow_unauthenticated_identities=False)
        pool.apply_removal_policy(removal)
        return pool.ref

    def _role(self) -> aws_iam.Role:
        role = aws_iam.Role(
            self,
            "Role",
            assumed_by=aws_iam.WebIdentityPrincipal(
                "cognito-identity.amazonaws.com",
                {
                    "StringEquals": {"cognito-identity.amazonaws.com:aud": self.identity_pool_id},
                    "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
                },
            ),
            description="People who signed in to OpenSearch Dashboards",
        )
        attachment = aws_cognito.CfnIdentityPoolRoleAttachment(
            self, "Attachment", identity_pool_id=self.identity_pool_id, roles={"authenticated": role.role_arn}
        )
        self._before_domain.append(attachment)
        return role

    def _service_role(self) -> aws_iam.Role:
        name = "AmazonOpenSearchServiceCognitoAccess"
        role = aws_iam.Role(
            self,
            "ServiceRole",
            assumed_by=aws_iam.ServicePrincipal(OPENSEARCH),
            managed_policies=[aws_iam.ManagedPolicy.from_aws_managed_policy_name(name)],
        )
        finding = f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{name}]"
        acknowledge(role, {finding: "what OpenSearch Service does with the pools is its own, and changes with it"})
        return role

    def _invite(self, mail: str) -> aws_cognito.CfnUserPoolUser:
        return aws_cognito.CfnUserPoolUser(
            self,
            "FirstUser",
            user_pool_id=self.user_pool_id,
            username=mail,
            desired_delivery_mediums=["EMAIL"],
            user_attributes=[
                aws_cognito.CfnUserPoolUser.AttributeTypeProperty(name="email", value=mail),
                aws_cognito.CfnUserPoolUser.AttributeTypeProperty(name="email_verified", value="true"),
            ],
        )
