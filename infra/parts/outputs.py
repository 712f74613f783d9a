"""What the stack tells: all that the command line needs, and two lines for people to copy."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, Stack

from batch_job.settings import Output
from infra.parts.lane import Lane
from infra.parts.queue import WorkQueue

DESCRIPTIONS = {
    Output.DASHBOARDS_URL: "Open this to search; the invitation in the mail has the password",
    Output.INDEX_URL: "The index; requests are signed",
    Output.INDEX_PREFIX: "Beginning of the indices' names",
    Output.IMAGERY_BUCKET: "The bucket with the imagery",
    Output.REPORTS_BUCKET: "Where inventories and listings arrive",
    Output.RUNS_URI: "Where runs are kept",
    Output.ARCHIVE_URI: "Where paid answers are kept",
    Output.PLAN_QUEUE_URL: "Inventories to plan",
    Output.PLAN_DEAD_LETTERS_URL: "... that could not be planned",
    Output.LIVE_QUEUE_URL: "Events of the imagery bucket",
    Output.LIVE_DEAD_LETTERS_URL: "... that could not be taken",
    Output.JOB_QUEUE: "Batch queue of the backfill",
    Output.JOB_DEFINITION: "... and its job definition",
    Output.LIVE_JOB_QUEUE: "Batch queue of large new images",
    Output.LIVE_JOB_DEFINITION: "... and its job definition",
    Output.BUDGET_TABLE: "Calls are drawn from here",
    Output.OPERATOR_ROLE: "Whoever may assume it can watch, search, start, pause and resume",
    Output.SETTINGS: "What the planner runs under",
    Output.WATCH_COMMAND: "What happens now",
    Output.SEARCH_COMMAND: "Search from the command line",
}


def write_outputs(stack: Stack, values: Mapping[Output, str]) -> None:
    """Write every output, under its own name."""
    for output, description in DESCRIPTIONS.items():
        CfnOutput(stack, output.value, value=values[output], description=description)


def queue_outputs(*, plan: WorkQueue, live: WorkQueue) -> dict[Output, str]:
    """Tell where messages wait, and where they end."""
    return {
        Output.PLAN_QUEUE_URL: plan.queue.queue_url,
        Output.PLAN_DEAD_LETTERS_URL: plan.dead_letters.queue_url,
        Output.LIVE_QUEUE_URL: live.queue.queue_url,
        Output.LIVE_DEAD_LETTERS_URL: live.dead_letters.queue_url,
    }


def lane_outputs(*, backfill: Lane, live: Lane) -> dict[Output, str]:
    """Tell what jobs are submitted to, and under which definition."""
    return {
        Output.JOB_QUEUE: backfill.queue_arn,
        Output.JOB_DEFINITION: backfill.definition_name,
        Output.LIVE_JOB_QUEUE: live.queue_arn,
        Output.LIVE_JOB_DEFINITION: live.definition_name,
    }


def command_outputs(stack: str) -> dict[Output, str]:
    """Give command lines to copy."""
    command = f"imagery-backfill --stack {stack}"
    return {
        Output.WATCH_COMMAND: f"{command} status --watch",
        Output.SEARCH_COMMAND: f"{command} search Vehicle --min-confidence 80",
    }
