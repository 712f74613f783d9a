"""What the stack tells: all that the command line needs, and two lines for people to copy."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, Stack

from batch_job.settings import Output

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
