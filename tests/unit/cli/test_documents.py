"""What the documents tell people to type exists, and where they point to is something."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from batch_job.cli.commands import WITHOUT_STACK, commands

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "benchmarks/*.md") for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = ".venv/bin/imagery-backfill"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines_of(path: Path) -> Iterator[str]:
    """What stands in a document's blocks of shell commands, continued lines joined."""
    for block in BLOCK.findall(path.read_text()):
        yield from block.replace("\\\n", " ").splitlines()


COMMANDS = [
    pytest.param(shlex.split(line, comments=True)[1:], id=f"{name_of(path)}: {line[:60]}")
    for path in DOCUMENTS
    for line in lines_of(path)
    if line.startswith(COMMAND)
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(path):
    links = [link.partition("#")[0] for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_programs_are_named_where_setup_puts_them(path):
    words = [line.removeprefix("$ ").split(maxsplit=1)[0] for line in lines_of(path) if line.strip("$ ")]
    assert not {"imagery-backfill", "python", "python3"} & set(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_module_to_be_run_exists(path):
    modules = re.findall(r"\.venv/bin/python -m ([\w.]+)", path.read_text())
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


def parsed(words: list[str]) -> tuple[list[str], dict[str, object]]:
    """The names of the commands in a command line, and all that it gives them."""
    command: click.Command | None = commands
    context, given, names, rest = None, {}, [], list(words)
    while command is not None:
        context = click.Context(command, parent=context, **commands.context_settings)
        options, rest, _ = command.make_parser(context).parse_args(rest)
        given |= options
        if not isinstance(command, click.Group):
            return names, given
        names.append(rest.pop(0))
        command = command.get_command(context, names[-1])
    raise AssertionError(f"there is no command {names}")


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_line_has_the_options_that_it_needs(words):
    [name, *_], given = parsed(words)
    if name not in WITHOUT_STACK:
        assert given.keys() & {"stack", "index_url", "local", "geojson"}
    elif given.get("to") == "index":
        assert given.keys() >= {"index_url", "archive_uri"} or "local" in given


def test_there_are_command_lines_to_check():
    assert len(COMMANDS) >= 10
