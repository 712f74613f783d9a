"""What a child makes of its shard: the exit code, the done marker, the summary line."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import structlog

from batch_job import logs
from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.child import LEFT_IN_A_ROW, Child
from batch_job.backfill.endings import WorkEnd
from batch_job.backfill.orders import PAUSE_KEY, ObedientStages, Orders
from batch_job.backfill.shards import RunFolder
from batch_job.errors import (
    AccessError,
    ChangedError,
    DetectorDownError,
    DiskFullError,
    ErrorCode,
    OutOfBudgetError,
    UnavailableError,
)
from batch_job.metrics import Metrics
from batch_job.ports import Count
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.ledger import State
from batch_job.values.work import Failed, Indexed, Outcome, Removed, Shard, ShardDone, Skipped, SkipReason, WorkItem
from tests import golden_files
from tests.unit.ledger.fakes import World

NAME = "f-r-000000"
LEASE_S = 10.0
End = Outcome | BaseException | str
"""What a visit comes to; ``end`` and ``pause`` happen first, and it goes on to be handed back."""


def image(key: str) -> ImageRef:
    return ImageRef("b", key)


@dataclass
class Day:
    """A shard in a folder, a child, and what its visits are to come to."""

    ends: dict[str, list[End]] = field(default_factory=dict)
    """By key, in turn; once they are used up the image is indexed."""
    runs: MemoryRunStore = field(default_factory=MemoryRunStore)
    visited: list[str] = field(default_factory=list)
    passed_s: float = 0.0

    def __post_init__(self) -> None:
        self.folder = RunFolder(self.runs, "run")
        self.orders = Orders(self.runs, now=lambda: self.passed_s)
        self.tally = Tally()
        self.child = Child(
            folder=self.folder,
            visit=self.visit,
            orders=self.orders,
            tally=self.tally,
            lease_s=LEASE_S,
            now=lambda: self.passed_s,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds

    def visit(self, one: ImageRef) -> Outcome:
        self.visited.append(one.key)
        self.passed_s += 1
        self.tally.add(Count.ANSWERS, 4)
        self.tally.add(Count.LABELS, 2)
        ends = self.ends.get(one.key, [])
        end = ends.pop(0) if ends else Indexed(one, 2)
        if isinstance(end, str):
            self.told(end)
            self.orders.check()
            pytest.fail("it went on")
        if isinstance(end, BaseException):
            raise end
        return end

    def told(self, what: str) -> None:
        if what == "end":
            self.orders.end()
        elif what == "end at once":
            self.orders.end_at_once()
        else:
            self.runs.put(PAUSE_KEY, b"{}")
            self.passed_s += 60

    def run(self, *keys: str) -> WorkEnd:
        self.folder.write_shard(Shard("run", NAME, tuple(WorkItem(image(key), 1) for key in keys)))
        return self.child.run(NAME)

    @property
    def done(self) -> ShardDone | None:
        return self.folder.done(NAME)


@pytest.fixture(autouse=True)
def log_file() -> Iterator[io.StringIO]:
    file = io.StringIO()
    logs.configure("info", file=file)
    yield file
    structlog.reset_defaults()


def lines(file: io.StringIO, event: str) -> list[dict]:
    return [line for line in map(json.loads, file.getvalue().splitlines()) if line["event"] == event]


def test_a_shard_whose_images_all_come_to_an_end_is_marked_done_with_its_counts():
    failed, gone = Failed(image("b"), ErrorCode.UNREADABLE, "empty"), Removed(image("c"))
    day = Day({"b": [failed], "c": [gone]})
    day.tally.add(Count.BLANK, 7)
    assert day.run("a", "b", "c") is WorkEnd.DONE
    assert WorkEnd.DONE.exit_code == 0
    assert day.done == ShardDone(
        name=NAME,
        images={"indexed": 1, "failed": 1, "removed": 1},
        errors={"unreadable": 1},
        calls=12,
        labels=6,
        blank_chips=7,
        duration_ms=3000,
    )


def test_a_shard_that_is_marked_done_is_not_worked_again():
    day = Day()
    day.run("a")
    assert day.child.run(NAME) is WorkEnd.DONE_BEFORE
    assert WorkEnd.DONE_BEFORE.exit_code == 0
    assert day.visited == ["a"]


def test_a_transient_failure_is_tried_again_once_after_all_others():
    day = Day({"a": [ChangedError("x")]})
    assert day.run("a", "b", "c") is WorkEnd.DONE
    assert day.visited == ["a", "b", "c", "a"]
    assert day.done is not None
    assert day.done.images == {"indexed": 3}
    assert (day.done.calls, day.done.labels) == (16, 6)  # what was paid counts, labels of a visit that failed do not


def test_what_stays_left_is_batchs_to_retry():
    day = Day({"a": [ChangedError("x"), ChangedError("y")]})
    assert day.run("a", "b") is WorkEnd.LEFT
    assert WorkEnd.LEFT.exit_code == 75
    assert day.done is None
    assert day.tally.images == {"indexed": 1, "left": 1}


def test_an_image_of_a_worker_that_died_is_waited_for_as_long_as_its_lease():
    day = Day({"a": [Skipped(image("a"), SkipReason.BUSY)]})
    assert day.run("a", "b") is WorkEnd.DONE
    assert day.visited == ["a", "b", "a"]
    assert day.passed_s == 1 + LEASE_S + 1


def test_an_image_that_stays_another_workers_is_left():
    day = Day({"a": [Skipped(image("a"), SkipReason.BUSY)] * 2})
    assert day.run("a") is WorkEnd.LEFT


def test_work_of_newer_settings_is_done_as_every_attempt_would_leave_it_to_them():
    day = Day({"a": [Skipped(image("a"), SkipReason.OLDER_SETTINGS)] * 2})
    assert day.run("a", "b") is WorkEnd.DONE
    assert day.visited == ["a", "b"]
    assert day.tally.images == {"skipped_older_settings": 1, "indexed": 1}


def test_a_service_that_is_down_ends_the_attempt_early():
    keys = [f"{number}" for number in range(LEFT_IN_A_ROW + 2)]
    day = Day({key: [UnavailableError("the index is away")] for key in keys})
    assert day.run(*keys) is WorkEnd.LEFT
    assert day.visited == keys[:LEFT_IN_A_ROW]
    assert day.tally.images == {"left": len(keys)}


def test_one_that_works_starts_the_row_again():
    keys = [f"{number}" for number in range(LEFT_IN_A_ROW * 3)]
    day = Day({key: [UnavailableError("now and then")] for key in keys[1::2]})
    assert day.run(*keys) is WorkEnd.DONE


@pytest.mark.parametrize("error", [OutOfBudgetError("spent"), DiskFullError("full"), DetectorDownError("no")])
def test_what_every_image_would_meet_ends_the_attempt_at_once(error):
    day = Day({"b": [error]})
    assert day.run("a", "b", "c") is WorkEnd.LEFT
    assert day.visited == ["a", "b"]
    assert day.tally.images == {"indexed": 1, "left": 2}


def test_a_deployment_error_stops_at_once_and_is_not_retried():
    day = Day({"a": [AccessError("not you")]})
    assert day.run("a", "b") is WorkEnd.REFUSED
    assert WorkEnd.REFUSED.exit_code == 78
    assert day.visited == ["a"]
    assert day.done is None


def test_a_defect_of_ours_is_logged_and_neighbours_go_on(log_file):
    day = Day({"a": [ZeroDivisionError("oh")]})
    assert day.run("a", "b") is WorkEnd.DEFECT
    assert WorkEnd.DEFECT.exit_code == 70
    assert day.visited == ["a", "b"]
    assert day.done is None
    [line] = lines(log_file, "image.defect")
    assert (line["image"], line["level"]) == ("s3://b/a", "error")
    assert "ZeroDivisionError: oh" in line["exception"]


def test_with_a_defect_and_images_left_a_retry_still_helps():
    day = Day({"a": [ZeroDivisionError("oh")], "b": [ChangedError("x"), ChangedError("y")]})
    assert day.run("a", "b") is WorkEnd.LEFT


@pytest.mark.parametrize("how", ["end", "end at once"])
def test_a_child_that_is_told_to_end_hands_its_image_back_and_is_retried(how):
    day = Day({"b": [how]})
    assert day.run("a", "b", "c") is WorkEnd.ENDED
    assert WorkEnd.ENDED.exit_code == 75
    assert day.visited == ["a", "b"]
    assert day.done is None


def test_a_child_told_to_end_between_two_images_does_not_begin_another():
    day = Day()
    day.orders.end()
    assert day.run("a") is WorkEnd.ENDED
    assert day.visited == []


def test_told_to_end_whatever_else_fails_means_retry():
    day = Day({"a": [UnavailableError("x")]})

    def ends(one: ImageRef) -> Outcome:
        day.orders.end()
        return day.visit(one)

    child = Child(folder=day.folder, visit=ends, orders=day.orders, tally=day.tally, lease_s=1)
    day.folder.write_shard(Shard("run", NAME, (WorkItem(image("a"), 1),)))
    assert child.run(NAME) is WorkEnd.ENDED


def test_a_paused_child_hands_its_image_back_and_succeeds_without_a_marker():
    day = Day({"b": ["pause"]})
    assert day.run("a", "b", "c") is WorkEnd.PAUSED
    assert WorkEnd.PAUSED.exit_code == 0
    assert day.visited == ["a", "b"]
    assert day.done is None
    assert day.tally.images == {"indexed": 1, "left": 2}


def test_a_child_that_waits_for_a_lease_still_hears_the_pause():
    day = Day({"a": [Skipped(image("a"), SkipReason.BUSY)]})
    day.child.orders.check()  # looked just now
    day.runs.put(PAUSE_KEY, b"{}")
    assert day.run("a") is WorkEnd.PAUSED
    assert day.visited == ["a"]
    assert day.passed_s < LEASE_S


def test_parts_of_images_are_refused_before_anything_is_visited():
    day = Day()
    items = (WorkItem(image("a"), 1), WorkItem(image("large"), 9, part=2, parts=3))
    day.folder.write_shard(Shard("run", NAME, items))
    assert day.child.run(NAME) is WorkEnd.REFUSED
    assert day.visited == []


def test_a_shard_that_is_not_there_needs_a_person(log_file):
    day = Day()
    assert day.child.run(NAME) is WorkEnd.REFUSED
    assert lines(log_file, "shard.done")[0]["error"] == f"SetUpError: run run has no shard {NAME}"


def test_an_image_that_stands_in_the_shard_twice_is_visited_once():
    day = Day()
    assert day.run("a", "a") is WorkEnd.DONE
    assert day.visited == ["a"]


def test_a_marker_that_cannot_be_written_leaves_the_shard_to_the_next_attempt(monkeypatch):
    day = Day()

    def refuse(*_: object) -> None:
        raise UnavailableError("S3 is away")

    monkeypatch.setattr(RunFolder, "write_done", refuse)
    assert day.run("a") is WorkEnd.LEFT


def test_an_image_that_is_handed_back_is_nobodys_and_the_next_worker_has_it_at_once():
    world, runs = World(), MemoryRunStore()
    world.store.put(image("a"), b"pixels")
    orders = Orders(runs, now=lambda: 0.0)

    def meanwhile(_work, keeper):
        orders.end()
        keeper.keep()
        raise AssertionError("something would have been paid")

    world.stages.meanwhile = meanwhile
    obedient = replace(world.reconciler(), processing=ObedientStages(world.stages, orders))
    day = Day(runs=runs)
    day.folder.write_shard(Shard("run", NAME, (WorkItem(image("a"), 6),)))
    child = Child(folder=day.folder, visit=obedient.reconcile, orders=orders, tally=Tally(), lease_s=1)
    assert child.run(NAME) is WorkEnd.ENDED
    entry = world.entry(image("a"))
    assert entry.state is State.PROCESSING
    assert entry.lease is None or entry.lease.until_ms <= world.clock.now_ms()
    world.stages.meanwhile = lambda *_: None
    assert world.reconciler(owner="next").reconcile(image("a")) == Indexed(image("a"), 2)


def days() -> dict[str, Day]:
    return {
        "done": Day({"b": [Failed(image("b"), ErrorCode.UNREADABLE, "empty")]}),
        "left": Day({"a": [ChangedError("x"), ChangedError("s3://b/a: changed")]}),
        "paused": Day({"b": ["pause"]}),
        "ended": Day({"b": ["end"]}),
        "ended at once": Day({"b": ["end at once"]}),
        "defect": Day({"a": [ZeroDivisionError("oh")]}),
        "refused": Day({"a": [AccessError("not you")]}),
    }


@pytest.mark.parametrize("case", golden_files.cases("shard_line"), ids=lambda case: case.name)
def test_the_line_of_a_shard_has_fixed_keys(case, log_file):
    for name in golden_files.load(case)["ends"]:
        days()[name].run("a", "b")
    produced = lines(log_file, "shard.done")
    for line in produced:
        assert line.pop("timestamp").endswith("Z")
    assert len({frozenset(line) for line in produced}) == 1
    golden_files.check(case, produced)


def test_a_shard_is_one_line_of_figures(log_file):
    day, written = Day({"b": [Failed(image("b"), ErrorCode.UNREADABLE, "empty")]}), []
    day.child = replace(day.child, metrics=Metrics(stack="Survey", write=written.append))
    day.run("a", "b")
    [line] = map(json.loads, written)
    assert line.pop("_aws")
    assert line == {
        "stack": "Survey",
        "lane": "backfill",
        "run_id": "run",
        "shard": NAME,
        "outcome": "done",
        "Images": 2,
        "Chips": 0,
        "Calls": 8,
        "Throttles": 0,
        "Failures": 1,
        "Seconds": 2,
    }


@pytest.mark.parametrize("end", [AccessError("no role"), UnavailableError("gone"), "end", ValueError("a defect")])
def test_a_shard_that_ends_badly_has_figures_too(end):
    day, written = Day({"a": [end] * 9}), []
    day.child = replace(day.child, metrics=Metrics(stack="Survey", write=written.append))
    day.run("a")
    [line] = map(json.loads, written)
    assert (line["Images"], line["Calls"] > 0) == (0, True)
