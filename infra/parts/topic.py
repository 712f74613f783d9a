"""Where alarms go."""

from aws_cdk import Duration, RemovalPolicy, Stack, aws_iam, aws_kms, aws_sns, aws_sns_subscriptions
from constructs import Construct

ALARMS = "cloudwatch.amazonaws.com"


class AlarmTopic(Construct):
    """A topic that CloudWatch may publish to, for this account, and that people may listen to."""

    def __init__(self, scope: Construct, construct_id: str, *, mail: str) -> None:
        """Make it.

        Args:
            scope: Around it.
            construct_id: Its name there.
            mail: Who is asked to confirm a subscription; empty: nobody.
        """
        super().__init__(scope, construct_id)
        # a key of our own: alarms cannot use the one that SNS brings, and say nothing when they fail to
        key = aws_kms.Key(
            self,
            "Key",
            description=f"Alarms of {Stack.of(self).stack_name}",
            enable_key_rotation=True,
            pending_window=Duration.days(7),
            removal_policy=RemovalPolicy.DESTROY,  # nothing is kept that it could open
        )
        self.topic = aws_sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        ours = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        alarms = aws_iam.ServicePrincipal(ALARMS, conditions=ours)
        self.topic.grant_publish(alarms)  # and with it the use of the key
        if mail:
            self.topic.add_subscription(aws_sns_subscriptions.EmailSubscription(mail))
