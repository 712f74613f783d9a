"""Where Batch jobs run: public subnets, nothing that costs by the hour."""

from aws_cdk import aws_ec2
from constructs import Construct

from infra.parts.nag import acknowledge

HTTPS = 443


class Network(Construct):
    """A VPC without NAT gateways: jobs have public addresses, and nothing may connect to them.

    S3 and DynamoDB are reached by gateway endpoints, which are free; the other services by their public endpoints.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Make VPC and security group."""
        super().__init__(scope, construct_id)
        self.subnets = aws_ec2.SubnetSelection(subnet_type=aws_ec2.SubnetType.PUBLIC)
        self.vpc = aws_ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[aws_ec2.SubnetConfiguration(name="Public", subnet_type=aws_ec2.SubnetType.PUBLIC)],
            gateway_endpoints={
                "S3": aws_ec2.GatewayVpcEndpointOptions(service=aws_ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": aws_ec2.GatewayVpcEndpointOptions(service=aws_ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
            # nothing is ever in the default group, and restricting it takes a Lambda of the CDK's
            restrict_default_security_group=False,
        )
        self.security_group = aws_ec2.SecurityGroup(
            self,
            "Jobs",
            vpc=self.vpc,
            allow_all_outbound=False,
            description="Batch jobs: nothing comes in, HTTPS goes out",
        )
        self.security_group.add_egress_rule(aws_ec2.Peer.any_ipv4(), aws_ec2.Port.tcp(HTTPS), "services' endpoints")
        acknowledge(
            self.vpc,
            {"AwsSolutions-VPC7": "Nothing listens here; who called which service is in CloudTrail and in our logs."},
        )
