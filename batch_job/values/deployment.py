"""A deployed stack, as its outputs describe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson
from pydantic import ValidationError

from batch_job.errors import SetUpError
from batch_job.settings import Output, PlannerSettings
from batch_job.settings.pipeline import PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """All that a stack's outputs say: one field for each member of ``Output``, named as that is."""

    name: str
    """The stack's."""
    region: str
    dashboards_url: str
    index_url: str
    index_prefix: str
    imagery_bucket: str
    reports_bucket: str
    runs_uri: str
    archive_uri: str
    plan_queue_url: str
    plan_dead_letters_url: str
    live_queue_url: str
    live_dead_letters_url: str
    job_queue: str
    """Name or ARN, like the other queue and the definitions."""
    job_definition: str
    live_job_queue: str
    live_job_definition: str
    budget_table: str
    operator_role: str
    """ARN."""
    settings: str
    """``planner_settings`` decodes it."""
    watch_command: str
    search_command: str

    def to_outputs(self) -> dict[str, str]:
        """Give the outputs by their names in the template."""
        return {str(output): getattr(self, _field(output)) for output in Output}

    @classmethod
    def from_outputs(cls, name: str, *, region: str, outputs: Mapping[str, str]) -> Self:
        """Read a stack's outputs; those that are none of ours are passed over.

        Raises:
            SetUpError: names every output that is missing.
        """
        missing = [str(output) for output in Output if output not in outputs]
        if missing:
            raise SetUpError(
                f"stack {name} in {region} has no output {', '.join(missing)}: it is no stack of this version; "
                "deploy it again, or name another one"
            )
        found = {_field(output): outputs[output] for output in Output}
        return cls(name=name, region=region, **found)

    def planner_settings(self) -> PlannerSettings:
        """Give the settings that the stack's planner and workers run under.

        Raises:
            SetUpError: they are another version's.
        """
        try:
            texts: Mapping[str, Any] = orjson.loads(self.settings)
            given = {name.removeprefix(PREFIX).lower(): text for name, text in texts.items()}
            # all are given, so that none comes from the environment of whoever asks
            defaults = {name: at.default for name, at in PlannerSettings.model_fields.items() if not at.is_required()}
            return PlannerSettings(**defaults | given)
        except (AttributeError, TypeError, ValidationError, ValueError) as error:
            raise SetUpError(f"the settings of stack {self.name} are not this version's: {error}") from error


def _field(output: Output) -> str:
    return output.name.lower()
