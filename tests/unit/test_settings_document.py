"""docs/settings.md: its tables are the settings' own classes, their defaults and what they say of themselves.

``BACKFILL_REWRITE_GOLDEN=1 pytest …`` writes the tables anew; read the diff before you commit it.
"""

import os
import re
from enum import Enum
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from batch_job.settings import PREFIX, DeploySettings
from batch_job.settings.doors import KeyFilters
from batch_job.settings.pipeline import PipelineSettings
from tests.golden_files import REWRITE

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = "| name | default | meaning |\n|---|---|---|\n"
OF_THE_STACK = {"settings_revision", "budget_table", "backfill_calls_per_s", "live_calls_per_s", "stack", "area_digest"}
"""What a deployment gives its workers, and nobody sets by hand."""


def default_of(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "(needed)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return "" if value in ("", ()) else f"`{value}`"


def rows(names: list[str], kind: type[BaseSettings], *, prefix: str = "") -> str:
    fields = kind.model_fields
    return HEAD + "".join(
        f"| `{prefix}{name.upper() if prefix else name}` | {default_of(fields[name])} | {fields[name].description} |\n"
        for name in names
    )


def deployed() -> str:
    # a class lists what it inherits first; people look for the bucket first
    inherited = [name for name in DeploySettings.model_fields if name in KeyFilters.model_fields]
    own = [name for name in DeploySettings.model_fields if name not in inherited]
    at = own.index("bucket_kms_key_arns")
    return rows(own[:at] + inherited + own[at:], DeploySettings)


def run() -> str:
    names = [name for name in PipelineSettings.model_fields if name not in OF_THE_STACK]
    return rows(names, PipelineSettings, prefix=PREFIX)


@pytest.mark.parametrize(
    ("title", "table"), [("Of a deployment", deployed()), ("Of a run", run())], ids=lambda x: x[:15]
)
def test_a_table_is_what_the_class_says(title, table):
    page = PAGE.read_text(encoding="utf-8")
    section = re.compile(rf"^## {title}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE).search(page)
    written = re.search(re.escape(HEAD) + r"(?:\|.*\n)*", section[0])
    if os.environ.get(REWRITE) == "1":
        PAGE.write_text(page.replace(section[0], section[0].replace(written[0], table)), encoding="utf-8")
        return
    assert written[0] == table


def test_every_setting_says_what_it_is_for():
    for kind in (DeploySettings, PipelineSettings):
        assert [name for name, field in kind.model_fields.items() if not field.description] == []
