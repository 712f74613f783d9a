"""What a pause left is submitted once, whatever waits or runs already."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.batch_unended import MemoryUnendedJobs
from batch_job.adapters.queue_doors import MemoryDoor
from batch_job.backfill.jobs import TASK, WHAT, JobTask, job_parameters
from batch_job.backfill.listing import write_checksum
from batch_job.backfill.pausing import Paused, end_pause, pause
from batch_job.backfill.resuming import HANDED_BACK_S, ResumedRun, Resumer, open_door, unfinished_runs, without
from batch_job.backfill.shards import RunFolder
from batch_job.errors import ConflictError
from batch_job.values.image import ImageRef
from batch_job.values.inventory import Request, Scope
from batch_job.values.queues import UnendedJob
from batch_job.values.work import Redo, ShardDone, ShardRange
from tests.unit.backfill.inventories import CREATED_MS, manifest_json
from tests.unit.backfill.planning import REPORTS, World

ROWS = [(f"{i}.tif", 1, "e") for i in range(10)]  # three a shard: four shards


class Queue(MemoryUnendedJobs):
    """What was submitted, as whoever lists the queue sees it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def unended(self):
        yield from self.given
        for job_id, job in self.world.jobs.jobs.items():
            every = frozenset(range(job.size or 1))
            yield UnendedJob(id=job_id, parameters=job.parameters, waiting=every, working=frozenset())


@pytest.fixture
def world() -> World:
    return World()


def resumer(world: World, queue: MemoryUnendedJobs | None = None, slept: list[float] | None = None) -> Resumer:
    return Resumer(
        runs=world.runs,
        jobs=world.jobs,
        queue=queue or MemoryUnendedJobs(),
        bucket="b",
        sleep=(slept if slept is not None else []).append,
    )


def planned(world: World, *, request: Request | None = None, created_ms: int = CREATED_MS) -> RunFolder:
    """Begin and plan a run, paused."""
    delivered = world.deliver(ROWS, created_ms=created_ms)
    if request is not None:
        key = delivered.key.removesuffix("checksum") + "json"
        old = world.objects.read(ImageRef(REPORTS, key))
        assert old is not None
        body = manifest_json([], bucket="b", creationTimestamp=str(created_ms))
        body = old.replace(
            b'"version"',
            b'"request": {"scope": "%b", "redo": "%b"}, "version"' % (request.scope.encode(), request.redo.encode()),
        )
        world.objects.put(ImageRef(REPORTS, key), body)
        world.objects.put(ImageRef(REPORTS, delivered.key), write_checksum(body))
    begun = world.planner().begin(delivered)
    for message in world.sent():
        world.planner().take(message)
    world.messages.bodies.clear()
    return RunFolder(world.runs, begun.run_id)


def shards(world: World) -> list[str]:
    return [job.parameters[WHAT] for job in world.asked(JobTask.SHARDS)]


def test_what_was_planned_during_a_pause_is_submitted_by_its_end(world: World) -> None:
    pause(world.runs, Paused.BACKFILL)
    folder = planned(world)
    assert shards(world) == []
    end_pause(world.runs)
    [run] = resumer(world).resume()
    assert run == ResumedRun(run_id=folder.run_id, shards=4, busy=0, sweep=True)
    [text] = shards(world)
    assert ShardRange.from_text(text).count == 4
    assert len(world.asked(JobTask.SWEEP)) == 1


def test_resuming_twice_submits_once(world: World) -> None:
    folder = planned(world)
    before = len(world.jobs.jobs)
    for _ in range(2):
        [run] = resumer(world, Queue(world)).resume()
        assert run == ResumedRun(run_id=folder.run_id, shards=0, busy=4, sweep=False)
    assert len(world.jobs.jobs) == before


def test_children_that_ended_without_a_marker_are_submitted_again(world: World) -> None:
    folder = planned(world)
    [text] = shards(world)
    whole = ShardRange.from_text(text)
    folder.write_done(ShardDone(name=whole.name(0)))
    queue = MemoryUnendedJobs(
        [
            UnendedJob(
                id="j",
                parameters=job_parameters(JobTask.SHARDS, text),
                waiting=frozenset({2}),
                working=frozenset(),
            )
        ]
    )
    [run] = resumer(world, queue).resume()
    assert (run.shards, run.busy) == (2, 1)
    assert [ShardRange.from_text(one) for one in shards(world)[1:]] == [
        replace(whole, first=1, count=1),
        replace(whole, first=3, count=1),
    ]
    assert len(list(folder.noted_jobs())) >= 2


def test_a_worker_that_saw_the_pause_is_waited_for(world: World) -> None:
    planned(world)
    [text] = shards(world)
    parameters = job_parameters(JobTask.SHARDS, text)
    running = UnendedJob(id="j", parameters=parameters, waiting=frozenset(), working=frozenset({0, 1, 2, 3}))
    queue, slept = MemoryUnendedJobs([running]), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        queue.given[:] = [replace(running, working=frozenset())]

    [run] = replace(resumer(world, queue), sleep=sleep).resume()
    assert (run.shards, run.busy) == (4, 0)
    assert len(slept) == 1


def test_a_worker_that_goes_on_is_waited_for_no_longer_than_it_takes_to_hear_of_a_pause(world: World) -> None:
    planned(world)
    [text] = shards(world)
    parameters = job_parameters(JobTask.SHARDS, text)
    job = UnendedJob(id="j", parameters=parameters, waiting=frozenset(), working=frozenset({0, 1, 2, 3}))
    slept: list[float] = []
    [run] = resumer(world, MemoryUnendedJobs([job]), slept).resume()
    assert (run.shards, run.busy) == (0, 4)
    assert sum(slept) == HANDED_BACK_S


def test_a_run_of_some_keys_is_resumed_beside_the_active_one(world: World) -> None:
    old = planned(world, created_ms=CREATED_MS - 10**8)
    part = planned(world, request=Request(scope=Scope.PART, redo=Redo.NOTHING), created_ms=CREATED_MS - 10**7)
    again = planned(world, request=Request(scope=Scope.BUCKET, redo=Redo.DETECTION), created_ms=CREATED_MS - 10**6)
    new = planned(world)
    assert list(unfinished_runs(world.runs, bucket="b")) == [part.run_id, again.run_id, new.run_id]
    assert old.run_id not in {run.run_id for run in resumer(world).resume()}


def test_what_is_finished_is_left(world: World) -> None:
    part = planned(world, request=Request(scope=Scope.PART, redo=Redo.NOTHING))
    [text] = shards(world)
    whole = ShardRange.from_text(text)
    for index in range(whole.count):
        part.write_done(ShardDone(name=whole.name(index)))
    assert list(resumer(world).resume()) == []


def test_without_any_run_nothing_is_resumed(world: World) -> None:
    assert list(resumer(world).resume()) == []


numbers = st.integers(0, 30)


@given(first=numbers, count=st.integers(1, 30), busy=st.frozensets(st.integers(0, 60)))
def test_what_is_busy_is_taken_out_and_nothing_else(first: int, count: int, busy: frozenset[int]) -> None:
    whole = ShardRange("r", "p", first=first, count=count)
    left = list(without([whole], {("r", "p"): busy, ("other", "p"): frozenset(range(60))}))
    named = [one.name(index) for one in left for index in range(one.count)]
    assert named == [whole.name(i) for i in range(count) if first + i not in busy]
    assert all(one.first + one.count < two.first for one, two in itertools.pairwise(left))


class StiffDoor(MemoryDoor):
    def __init__(self, refusals: int) -> None:
        super().__init__(is_open=False)
        self.refusals = refusals

    def open(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ConflictError("it changes")
        super().open()


def test_a_door_is_opened_once_it_lets_itself_be_opened() -> None:
    slept: list[float] = []
    door = StiffDoor(2)
    assert open_door(door, sleep=slept.append)
    assert door.is_open
    assert len(slept) == 2
    assert not open_door(door)


def test_a_door_that_never_opens_is_told() -> None:
    with pytest.raises(ConflictError):
        open_door(StiffDoor(100), sleep=lambda _s: None)


def test_a_job_of_another_task_takes_no_shard(world: World) -> None:
    planned(world)
    queue = MemoryUnendedJobs(
        [UnendedJob(id="j", parameters={TASK: "plan", WHAT: "r/f"}, waiting=frozenset({0}), working=frozenset())]
    )
    [run] = resumer(world, queue).resume()
    assert run.shards == 4
