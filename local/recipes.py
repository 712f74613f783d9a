"""How a server is started: what a stand-in tells those who start, watch and stop it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]
"""Takes a line of progress for people."""

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""All that servers see of our environment: the emulator hands its own to workers, and Java reads options from it."""

PROJECT = Path(__file__).resolve().parent.parent
"""Where ``python -m local.…`` finds the package, whatever the working directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A process that is ready to be started."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    ports_file: Path
    """Gets ``127.0.0.1:PORT`` in its first line, from the server or from whoever chose the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One server."""

    name: str
    """Names its folder, its output and its record in the state folder."""
    title: str
    """Names it to people."""
    prepare: Callable[[Path, Say], Command]
    """Fetch what is missing, fill the server's empty folder, and tell how to start it there."""
    health_path: str
    """What answers 200 once the server is ready."""
    within_s: float
    """A start that takes longer has failed."""
    causes: Mapping[str, str]
    """Pieces of its output, and what each means to somebody who has never seen it."""


def clean_environment(**more: str) -> dict[str, str]:
    """Give a server's environment: little of ours, and what is given."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONPATH": str(PROJECT), **more}
