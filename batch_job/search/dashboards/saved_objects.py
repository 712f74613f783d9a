"""The files of saved objects, made out for the indices of one deployment."""

import re
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from batch_job.errors import SettingsError
from batch_job.search.mappings import DEFAULT_PREFIX, IndexNames

_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""Of the names that an index may have, those that need no quoting in JSON, a path or a query."""


class File(StrEnum):
    """Which objects stand together, so that one refused part does not take the others with it."""

    OBJECTS = "objects.ndjson"
    """Index patterns, saved searches, charts, the table, the label cloud."""
    MAP = "map.ndjson"
    """The map, and the dashboard with it; a server without the maps plugin refuses the map only."""
    WITHOUT_MAP = "without_map.ndjson"
    """The same dashboard, by the same id, without the map."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One file to import."""

    name: str
    """Ends in ``.ndjson``, or Dashboards refuses it."""
    body: bytes
    """One object a line."""

    @property
    def count(self) -> int:
        """How many objects it holds."""
        return self.body.count(b"\n")


def read_bundle(file: File, names: IndexNames) -> Bundle:
    """Read a file of objects; ids and index patterns carry the prefix of ``names``.

    Ids are derived, so importing again overwrites; two deployments in one domain do not touch each other's.

    Raises:
        SettingsError: the prefix holds other than small letters, digits, ``-`` and ``_``.
    """
    if not _PREFIX.fullmatch(names.prefix):
        raise SettingsError(f"an index prefix holds small letters, digits, - and _ only, not {names.prefix!r}")
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    return Bundle(name=file, body=text.replace(f"{DEFAULT_PREFIX}-", f"{names.prefix}-").encode())
