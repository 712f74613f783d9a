"""``--stack NAME``: who takes it, what it finds, what wins over it."""

from typing import Any

import pytest

from batch_job.cli import search, show, stack
from batch_job.errors import SetUpError
from batch_job.wiring.endpoints import Endpoints
from batch_job.wiring.memory_operator import memory_deployment
from batch_job.wiring.operator import Found
from tests.end_to_end.user import imagery_backfill

DEPLOYED = memory_deployment()


class Asked:
    """Remembers which stack was looked for, and where a search went."""

    def __init__(self) -> None:
        self.stacks: list[tuple[str, str | None]] = []
        self.endpoints: list[Endpoints] = []

    def find(self, name: str, *, region: str | None) -> Found:
        self.stacks.append((name, region))
        if name != "Mine":
            raise SetUpError(f"there is no stack {name}")
        return Found(DEPLOYED, "the role's session")

    def open(self, endpoints: Endpoints) -> "Asked":
        self.endpoints.append(endpoints)
        return self

    def search(self, _query: Any) -> list[Any]:
        return []

    def images(self, _bucket: str, _key: str) -> Any:
        return iter(())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(stack, "find_stack", made.find)
    monkeypatch.setattr(search, "open_search", made.open)
    monkeypatch.setattr(show, "open_search", made.open)
    return made


def endpoints(**other: Any) -> Endpoints:
    return Endpoints(**{
        "index_url": DEPLOYED.index_url,
        "index_prefix": DEPLOYED.index_prefix,
        "archive_uri": DEPLOYED.archive_uri,
        "region": DEPLOYED.region,
        "session": "the role's session",
        **other,
    })  # fmt: skip


def test_a_search_finds_the_index_and_the_role_by_the_stack(asked: Asked):
    assert imagery_backfill("--stack", "Mine", "search", "Car").exit_code == 0
    assert asked.stacks == [("Mine", "us-east-1")]
    assert asked.endpoints == [endpoints()]


def test_a_session_may_name_the_stack_once_and_for_all(asked: Asked):
    assert imagery_backfill("search", "Car", env={"BACKFILL_STACK": "Mine"}).exit_code == 0
    assert asked.endpoints == [endpoints()]


def test_what_is_typed_wins_over_the_stack_and_the_stack_over_the_environment(asked: Asked):
    env = {"BACKFILL_INDEX_URL": "http://127.0.0.1:8", "BACKFILL_INDEX_PREFIX": "other"}
    imagery_backfill("--stack", "Mine", "search", "Car", env=env)
    imagery_backfill("--stack", "Mine", "search", "Car", "--index", "http://127.0.0.1:9", env=env)
    assert asked.endpoints == [endpoints(), endpoints(index_url="http://127.0.0.1:9")]


def test_show_takes_it_too(asked: Asked, tmp_path: Any):
    done = imagery_backfill("--stack", "Mine", "show", "s3://imagery/a.tif", "--out", tmp_path / "a.png")
    assert "the index does not know it" in done.stderr
    assert asked.endpoints == [endpoints()]


def test_a_drawing_from_files_asks_no_stack(asked: Asked, tmp_path: Any):
    for name in ("a.tif", "a.geojson"):
        (tmp_path / name).write_text("{}")
    arguments = (tmp_path / "a.tif", "--from", tmp_path / "a.geojson", "--out", tmp_path / "a.png")
    imagery_backfill("show", *arguments, env={"BACKFILL_STACK": "Mine"})
    assert asked.stacks == []


def test_a_stack_that_is_not_there_ends_with_the_code_of_a_person_must_act(asked: Asked):
    done = imagery_backfill("--stack", "Other", "search", "Car")
    assert (done.exit_code, done.stderr) == (78, "error: there is no stack Other\n")


def test_local_and_a_stack_that_is_typed_exclude_each_other(asked: Asked):
    done = imagery_backfill("--stack", "Mine", "search", "Car", "--local")
    assert done.exit_code == 2
    assert "--local and --stack exclude each other" in done.stderr


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_commands_that_need_no_stack_refuse_one_that_is_typed(command: str):
    done = imagery_backfill("--stack", "Mine", command, "x")
    assert done.exit_code == 2
    assert f"{command} works without a stack" in done.stderr


def test_commands_that_need_no_stack_do_not_mind_the_sessions():
    done = imagery_backfill("run", "nowhere.tif", env={"BACKFILL_STACK": "Mine"})
    assert "works without a stack" not in done.stderr
