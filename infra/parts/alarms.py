"""What somebody must see to, and where it is written how."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, aws_cloudwatch, aws_cloudwatch_actions, aws_lambda, aws_logs, aws_sqs
from constructs import Construct

from infra.parts.failed_jobs import FailedJobs
from infra.parts.topic import AlarmTopic

NAMESPACE, STACK, LANE, BACKFILL = "ImageryBackfill", "stack", "lane", "backfill"
"""As ``batch_job.metrics`` writes them."""
SOON = Duration.minutes(5)
HELD_UP = Duration.hours(1)
"""A message that waits for so long stands before a shut door, or behind very many."""
OVERDUE_HOURS = 48
"""S3 promises the first inventory within 48 hours, and then one a day."""
RUNBOOK = "docs/runbook.md"

_AT_LEAST = aws_cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_FEWER = aws_cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_QUIET = aws_cloudwatch.TreatMissingData.NOT_BREACHING


class Alarms(Construct):
    """One topic, and an alarm for each thing that retries do not mend; its description names the runbook's section."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack: str,
        mail: str,
        queues: Mapping[str, aws_sqs.IQueue],
        dead_letters: Mapping[str, aws_sqs.IQueue],
        functions: Mapping[str, aws_lambda.IFunction],
        job_queues: Mapping[str, str],
        log_retention: aws_logs.RetentionDays,
        removal: RemovalPolicy,
    ) -> None:
        """Watch.

        Args:
            scope: Around it.
            construct_id: Its name there.
            stack: Names the deployment in metrics.
            mail: Gets alarms, once its owner has confirmed; empty: nobody.
            queues: Work, by the name of its door.
            dead_letters: What nobody could take, by the same.
            functions: Who takes it, by the same.
            job_queues: ARNs of Batch's queues, by name.
            log_retention: How long the events of failed jobs are kept.
            removal: What becomes of them with the stack.
        """
        super().__init__(scope, construct_id)
        self.topic = AlarmTopic(self, "Topic", mail=mail).topic
        self._action = aws_cloudwatch_actions.SnsAction(self.topic)
        self._stack = stack
        for door, queue in dead_letters.items():
            self._watch_dead_letters(door, queue)
        for door, queue in queues.items():
            self._watch_waiting(door, queue)
        for door, function in functions.items():
            self._watch_errors(door, function)
        self._watch_jobs(
            FailedJobs(
                self,
                "FailedJobs",
                job_queues=list(job_queues.values()),
                log_retention=log_retention,
                removal=removal,
            )
        )
        self._watch_inventories()

    def _watch_dead_letters(self, door: str, queue: aws_sqs.IQueue) -> None:
        self._alarm(
            f"{door}DeadLetters",
            queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=SOON),
            what=f"Messages that {door.lower()} could not take after many tries; they are kept for 14 days.",
            section="Redrive",
        )

    def _watch_waiting(self, door: str, queue: aws_sqs.IQueue) -> None:
        self._alarm(
            f"{door}HeldUp",
            queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=SOON),
            what=f"A message has waited for {door.lower()} for an hour: is its door shut, or did many come at once?",
            section="Watch",
            threshold=HELD_UP.to_seconds(),
        )

    def _watch_errors(self, door: str, function: aws_lambda.IFunction) -> None:
        self._alarm(
            f"{door}Errors",
            function.metric_errors(statistic="Sum", period=SOON),
            what=f"The function behind {door.lower()} failed as a whole: a permission or setting; its log says which.",
            section="Watch",
        )

    def _watch_jobs(self, failed: FailedJobs) -> None:
        self._alarm(
            "JobsFailed",
            failed.metric(),
            what="Batch jobs failed for good. Their events, with reasons and exit codes, are in the log group "
            f"{failed.log_group.log_group_name}.",
            section="Failed jobs",
        )

    def _watch_inventories(self) -> None:
        """Tell when the bucket's list stays away; the state is then "insufficient data", and the mail says so.

        Missing data cannot be told to be breaching: the alarm would go off when it is made, two days before S3 owes
        anything. So the metric's absence is the alarm. An alarm begins without data, which is no change of state and
        sends nothing; the inventory's set-up writes the first data point (``Inventories: 0``); and when for two days
        there was none, the state changes, also if S3 never delivered at all.
        """
        inventories = aws_cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name="Inventories",
            dimensions_map={STACK: self._stack, LANE: BACKFILL},
            statistic="SampleCount",
            period=Duration.hours(1),
        )
        alarm = inventories.create_alarm(
            self,
            "OverdueInventory",
            alarm_description=f"INSUFFICIENT DATA means: no inventory of the bucket was planned for {OVERDUE_HOURS} "
            f'hours. What to do: {RUNBOOK}, "Overdue inventory".',
            comparison_operator=_FEWER,
            threshold=1,
            evaluation_periods=OVERDUE_HOURS,
            treat_missing_data=aws_cloudwatch.TreatMissingData.MISSING,
        )
        alarm.add_insufficient_data_action(self._action)

    def _alarm(
        self, construct_id: str, metric: aws_cloudwatch.IMetric, *, what: str, section: str, threshold: float = 1
    ) -> None:
        alarm = aws_cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            alarm_description=f'{what} What to do: {RUNBOOK}, "{section}".',
            comparison_operator=_AT_LEAST,
            threshold=threshold,
            evaluation_periods=1,
            treat_missing_data=_QUIET,
        )
        alarm.add_alarm_action(self._action)
