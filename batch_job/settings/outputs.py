"""Names of the stack's outputs: `infra` writes them, ``imagery-backfill --stack NAME`` finds everything by them."""

from enum import StrEnum


class Output(StrEnum):
    """An output of the stack."""

    DASHBOARDS_URL = "DashboardsUrl"
    INDEX_URL = "IndexUrl"
    INDEX_PREFIX = "IndexPrefix"
    IMAGERY_BUCKET = "ImageryBucket"
    REPORTS_BUCKET = "ReportsBucket"
    """Where inventories are delivered, S3's and ours."""
    RUNS_URI = "RunsUri"
    ARCHIVE_URI = "ArchiveUri"
    PLAN_QUEUE_URL = "PlanQueueUrl"
    PLAN_DEAD_LETTERS_URL = "PlanDeadLettersUrl"
    LIVE_QUEUE_URL = "LiveQueueUrl"
    LIVE_DEAD_LETTERS_URL = "LiveDeadLettersUrl"
    JOB_QUEUE = "JobQueue"
    JOB_DEFINITION = "JobDefinition"
    LIVE_JOB_QUEUE = "LiveJobQueue"
    LIVE_JOB_DEFINITION = "LiveJobDefinition"
    BUDGET_TABLE = "BudgetTable"
    OPERATOR_ROLE = "OperatorRole"
    """Its ARN; whoever may assume it can watch, search, start, pause and resume."""
    SETTINGS = "Settings"
    """The settings that workers run under, as JSON of ``PlannerSettings``' own variables."""
    WATCH_COMMAND = "WatchCommand"
    SEARCH_COMMAND = "SearchCommand"
