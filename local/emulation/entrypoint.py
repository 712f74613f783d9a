"""What a container of our image would run: the Dockerfile's ENTRYPOINT and CMD, ``python`` being this interpreter."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batch_job.errors import SetUpError

PYTHONS = frozenset({"python", "python3"})


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """How a container starts."""

    argv: tuple[str, ...]
    """In front of every command."""
    command: tuple[str, ...] = ()
    """For jobs that name none."""

    def with_command(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Give the whole argument list."""
        return self.argv + (command or self.command)


BATCH_JOB = Entrypoint((sys.executable, "-m", "batch_job"))
"""Where there is no Dockerfile."""


def read_entrypoint(project: Path) -> Entrypoint:
    """Read the Dockerfile of a project; without one, jobs are ``python -m batch_job``."""
    dockerfile = project / "Dockerfile"
    return parse_entrypoint(dockerfile.read_text(encoding="utf-8")) if dockerfile.exists() else BATCH_JOB


def parse_entrypoint(dockerfile: str) -> Entrypoint:
    """Find what the last stage of a Dockerfile starts.

    Raises:
        SetUpError: an instruction is not a list of strings.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in _logical_lines(dockerfile):
        word, _, rest = line.partition(" ")
        match word.upper():
            case "FROM":
                found.clear()
            case "ENTRYPOINT" | "CMD" as instruction:
                found[instruction] = _argv(rest.strip())
                if instruction == "ENTRYPOINT":
                    found.pop("CMD", None)  # a CMD of before belonged to the other entrypoint
    argv, command = found.get("ENTRYPOINT", ()), found.get("CMD", ())
    return Entrypoint(_local(argv), command) if argv else Entrypoint((), _local(command))


def _logical_lines(text: str) -> list[str]:
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [line.strip() for line in "\n".join(kept).replace("\\\n", " ").splitlines() if line.strip()]


def _argv(text: str) -> tuple[str, ...]:
    if not text.startswith("["):
        return ("/bin/sh", "-c", text)
    try:
        words = json.loads(text)
    except ValueError as error:
        raise SetUpError(f"the Dockerfile starts something that is no list: {text}") from error
    return tuple(map(str, words))


def _local(argv: tuple[str, ...]) -> tuple[str, ...]:
    is_python = bool(argv) and PurePosixPath(argv[0]).name in PYTHONS
    return (sys.executable, *argv[1:]) if is_python else argv
