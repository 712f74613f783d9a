"""Settings. Every field ``name`` is the variable ``BACKFILL_NAME``; all problems are named at once."""

from batch_job.settings.deploy import Build, Capacity, DeploySettings, Removal
from batch_job.settings.doors import JobSettings, KeyFilters, LiveSettings, PlannerSettings
from batch_job.settings.outputs import Output
from batch_job.settings.pipeline import (
    AUTO_BANDS,
    PREFIX,
    BandOrder,
    Encoding,
    PipelineSettings,
    Stretch,
    find_callable,
)

__all__ = [
    "AUTO_BANDS",
    "PREFIX",
    "BandOrder",
    "Build",
    "Capacity",
    "DeploySettings",
    "Encoding",
    "JobSettings",
    "KeyFilters",
    "LiveSettings",
    "Output",
    "PipelineSettings",
    "PlannerSettings",
    "Removal",
    "Stretch",
    "find_callable",
]
