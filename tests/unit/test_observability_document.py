"""docs/observability.md is complete: every event that the code logs, every metric, and queries over nothing else."""

import ast
import json
import re
from pathlib import Path

import pytest

from batch_job.metrics import Metric
from tests.golden_files import GOLDEN

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| `")]
QUERIES = re.findall(r"^```\n(filter .*?)^```", TEXT, re.DOTALL | re.MULTILINE)
FUNCTIONS = {
    *("filter", "fields", "sort", "limit", "stats", "by", "as", "in", "not", "and", "desc", "asc"),
    *("count", "sum", "latest", "bin", "ispresent"),
}
NOT_OURS = {"exc_info", "event", "level", "timestamp"}


def names(cell: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", cell))


EVENTS = {event: names(row[2]) for row in ROWS if len(row) == 3 for event in names(row[0])}
METRICS = {name for row in ROWS if len(row) == 2 for name in names(row[0])}
INTERFACE = EVENTS["image.done"] | EVENTS["shard.done"]


def logged():
    """Each call that logs: (where, its events, the keys that it names)."""
    for path in sorted(path for room in ("batch_job", "lambdas") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            by_log = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "log"
            if not by_log and ast.unparse(node.func).rpartition(".")[2] != "tell":
                continue
            texts = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]
            events = {text for text in texts if re.fullmatch(r"[a-z_]+\.[a-z_]+", str(text))}
            if events:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", events, {one.arg for one in node.keywords} - {None}


LOGGED = list(logged())


def test_every_event_is_told_and_every_told_event_is_logged():
    assert len(LOGGED) > 30
    assert set().union(*(events for _, events, _ in LOGGED)) == EVENTS.keys()


@pytest.mark.parametrize(("where", "events", "keys"), LOGGED, ids=lambda given: given if isinstance(given, str) else "")
def test_every_key_is_told(where, events, keys):
    for event in events:
        told = INTERFACE if event == "sweep.done" else EVENTS[event]
        assert keys - NOT_OURS <= told, where


@pytest.mark.parametrize(("stage", "event"), [("log", "image.done"), ("shard_line", "shard.done")])
def test_the_interface_has_the_keys_of_the_golden_lines(stage, event):
    [golden] = (GOLDEN / stage).glob("*/out.json")
    for line in json.loads(golden.read_text(encoding="utf-8")):
        assert line.keys() - NOT_OURS == {key for key in EVENTS[event] if key in line}
        assert line.keys() - NOT_OURS <= EVENTS[event]


def test_every_metric_is_told():
    assert set(Metric) == METRICS


def test_there_are_queries():
    assert len(QUERIES) >= 6


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0][:40])
def test_queries_ask_for_what_there_is(query):
    plain = re.sub(r'"[^"]*"', "", query)
    made = set(re.findall(r"\bas (\w+)", plain))
    asked = set(re.findall(r"(?<![\w@.\d])([A-Za-z_][\w.]*)", plain)) - FUNCTIONS - made
    known = set().union(*EVENTS.values()) | METRICS | {"event", "lane", "stack"}
    assert {name.partition(".")[0] for name in asked} <= known
    for listed in re.findall(r'event (?:=|in) \[?((?:"[\w.]+"(?:, )?)+)', query):
        assert set(re.findall(r'"([\w.]+)"', listed)) <= EVENTS.keys()
