"""Environments of the workers: settings as the workers' own classes write them, with places that are known later."""

import hashlib
from pathlib import Path
from typing import Any

from batch_job.settings import PREFIX, DeploySettings, JobSettings, KeyFilters, LiveSettings, PlannerSettings
from batch_job.settings.pipeline import PipelineSettings

REVISION = f"{PREFIX}SETTINGS_REVISION"
SEARCH_CODE = Path(__file__).parents[1] / "batch_job" / "search"
"""What the search set-up makes: mappings, roles, dashboards."""


class Environments:
    """What each worker reads.

    Nothing is checked here: the settings were, and places are the CDK's references, which look like no address yet.
    """

    def __init__(self, settings: DeploySettings, *, settings_revision: str, **places: str) -> None:
        """Take what all workers share.

        Args:
            settings: Of the deployment.
            settings_revision: A number, as text or as a reference to one.
            **places: Fields of the workers' settings, ``index_url`` say.
        """
        self._revision = settings_revision
        self._shared: dict[str, Any] = settings.pipeline().model_dump() | places
        self._filters = {name: getattr(settings, name) for name in KeyFilters.model_fields}
        self._shared |= {"bucket": settings.bucket, "shard_chips": settings.shard_chips}

    def planner(self, **places: str) -> dict[str, str]:
        """Give the environment of the planner."""
        return self._env(PlannerSettings, self._filters | places)

    def backfill_job(self, **places: str) -> dict[str, str]:
        """Give that of a job that works through shards, sweeps or plans what is too long for a Lambda."""
        return self._env(JobSettings, {"lane": "backfill"}) | self.planner(**places)

    def live_job(self, *, live_queue_url: str) -> dict[str, str]:
        """Give that of a job for one large new image."""
        return self._env(JobSettings, {"lane": "live", "live_queue_url": live_queue_url})

    def live(self, **more: Any) -> dict[str, str]:
        """Give that of the Lambda behind the bucket's events."""
        return self._env(LiveSettings, self._filters | more)

    def _env(self, kind: type[PipelineSettings], more: dict[str, Any]) -> dict[str, str]:
        given = self._shared | more
        known = {name: given[name] for name in kind.model_fields if name in given}
        written = kind.model_construct(**known).to_env() | {REVISION: self._revision}
        # what may be empty is so by default, and who takes empty variables of containers is not for us to find out
        return {name: text for name, text in written.items() if text}


def revision(settings: DeploySettings, *, area_digest: str = "") -> str:
    """Name all that the search set-up depends on, and all that makes other documents: a change runs it again."""
    pipeline, digest = settings.pipeline().model_copy(update={"area_digest": area_digest}), hashlib.sha256()
    for file in sorted(SEARCH_CODE.rglob("*.*")):
        if file.suffix in (".py", ".ndjson"):
            digest.update(file.read_bytes())
    return "-".join((pipeline.detection_fingerprint, pipeline.index_fingerprint, digest.hexdigest()[:16]))
