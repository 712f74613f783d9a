"""What the documents tell people to type exists, and where they point to is something."""

import ast
import importlib
import importlib.util
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from batch_job.cli.commands import WITHOUT_STACK, commands
from batch_job.settings import DeploySettings, Output

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "benchmarks/*.md") for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PROGRAM = "imagery-backfill"
COMMAND = f".venv/bin/{PROGRAM}"
ACTIVATED = ". .venv/bin/activate"
"""From there on, in one document, programs need no folder."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines_of(path: Path) -> Iterator[str]:
    """What stands in a document's blocks of shell commands, continued lines joined."""
    for block in BLOCK.findall(path.read_text()):
        yield from block.replace("\\\n", " ").splitlines()


def commands_of(path: Path) -> Iterator[list[str]]:
    """Command lines of ours, as their words; a stack that was exported before stands first."""
    stack: list[str] = []
    for line in lines_of(path):
        if line.startswith("export BACKFILL_STACK="):
            stack = ["--stack", shlex.split(line)[1].partition("=")[2]]
        if line.startswith((COMMAND + " ", PROGRAM + " ")):
            yield stack + shlex.split(line, comments=True)[1:]


COMMANDS = [
    pytest.param(words, id=f"{name_of(path)}: {' '.join(words)[:60]}")
    for path in DOCUMENTS
    for words in commands_of(path)
]


def anchors_of(path: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings: small letters, no punctuation, dashes for spaces."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def leads_somewhere(link: str, path: Path) -> bool:
    file, _, anchor = link.partition("#")
    target = path.parent / file if file else path
    return target.exists() and (not anchor or anchor in anchors_of(target))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(path):
    links = [link for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if not leads_somewhere(link, path)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_programs_are_named_where_setup_puts_them(path):
    lines = itertools.takewhile(lambda line: line != ACTIVATED, lines_of(path))
    words = [line.removeprefix("$ ").split(maxsplit=1)[0] for line in lines if line.strip("$ ")]
    assert not {PROGRAM, "python", "python3", "npm", "npx"} & set(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_target_to_be_made_exists(path):
    told = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert told - there == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_output_to_be_read_exists(path):
    told = set(re.findall(r"\$\(output (\w+)\)", path.read_text()))
    assert told - {one.value for one in Output} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_setting_of_a_deployment_exists_and_goes_together(path):
    for line in lines_of(path):
        given = dict(re.findall(r"-c (\w+)=([^\s\"]+)", line.partition("#")[0]))
        assert given.keys() <= DeploySettings.model_fields.keys()
        DeploySettings.from_context({"bucket": "my-imagery"} | given)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_name_that_examples_import_exists(path):
    for block in PYTHON.findall(path.read_text()):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                names = [one.name for one in node.names if not hasattr(module, one.name)]
                assert [name for name in names if importlib.util.find_spec(f"{node.module}.{name}") is None] == []


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
