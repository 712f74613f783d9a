"""What ``status --json`` says: keys that programs rely on, written in ``docs/operations.md``."""

import dataclasses
from pathlib import Path

import pytest

from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.status import Status
from batch_job.cli.status import to_json
from tests.golden_files import GOLDEN, check
from tests.unit.backfill.statuses import STATUSES, run

OUT = GOLDEN / "status"
DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_a_status_is_encoded_as_recorded(name: str):
    check(OUT / name, to_json(STATUSES[name]))


def test_nothing_else_is_recorded():
    assert {path.name for path in OUT.iterdir()} == set(STATUSES)


def keys_of(found: object, above: str = "") -> set[str]:
    if isinstance(found, list):
        return {key for one in found for key in keys_of(one, above)}
    if not isinstance(found, dict):
        return {above}
    return {key for name, one in found.items() for key in keys_of(one, f"{above}.{name}".lstrip("."))}


def test_every_key_is_documented():
    told = DOCUMENT.read_text()
    words = {part for one in STATUSES.values() for key in keys_of(to_json(one)) for part in key.split(".")}
    by_name = {"indexed", "skipped_same", "removed"}  # of outcomes and error codes, which have their own documents
    by_name |= {key for one in STATUSES.values() for key in (*one.failures, *one.unknown)}
    by_name |= {part for one in STATUSES.values() for key in one.unknown for part in key.split(".")}
    assert {word for word in words - by_name if f"`{word}`" not in told and f'"{word}"' not in told} == set()


def test_done_failed_and_left_add_up_to_what_was_planned():
    one = run()
    assert one.done + one.failed + one.progress.left == one.progress.counts.items
    assert one.found == one.progress.counts.new + one.progress.counts.changed + one.progress.counts.done


def test_time_left_is_what_is_left_at_the_pace_of_late():
    assert run().seconds_left == pytest.approx(3823 / (4000 / 1500))


@pytest.mark.parametrize(
    "other",
    [
        {"pace": None},
        {"paused": True},
        {"pace": dataclasses.replace(run().pace, images=0)},
        {"images": {"indexed": 10_045}},
        {"counts": PlanCounts()},
    ],
    ids=lambda other: next(iter(other)),
)
def test_time_left_is_not_guessed(other: dict):
    assert run(**other).seconds_left is None


def test_an_empty_status_is_encoded():
    assert to_json(Status(stack="Mine", at_ms=0))["run"] is None
