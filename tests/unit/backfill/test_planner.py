import dataclasses
import gzip
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill import planner as planner_module
from batch_job.backfill.claimed import ROWS_PER_LOOK
from batch_job.backfill.hashes import has, hash_of
from batch_job.backfill.jobs import TASK, WHAT, JobTask
from batch_job.backfill.messages import Delivered, PlanFile
from batch_job.backfill.orders import PAUSE_KEY
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.planner import Begun, HandedOver, Superseded
from batch_job.backfill.progress import missing_ranges, sweep_is_missing
from batch_job.backfill.records import CLAIM_MS, FilePlan
from batch_job.backfill.shards import RunFolder, active_run
from batch_job.errors import (
    BackfillError,
    ChangedError,
    ConflictError,
    InputError,
    InventoryError,
    ThrottledError,
    UnavailableError,
)
from batch_job.metrics import Metrics
from batch_job.values.image import ImageRef
from batch_job.values.work import ShardDone
from tests.unit.backfill.entries import entry
from tests.unit.backfill.inventories import CREATED_MS, data_file, manifest_json, md5
from tests.unit.backfill.planning import REPORTS, RULES, World, keys, triples

DAY_MS = 24 * 60 * 60 * 1000


class Killed(BaseException):
    """The process is gone: nothing that it would have tidied up is."""


class Faulty:
    """Passes calls on to a service, until the nth raises: before it is done, or when it is."""

    def __init__(self, service: Any, strike: Callable[[], Callable[[], None]]) -> None:
        self._service, self._strike = service, strike

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._service, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            after = self._strike()
            answer = method(*args, **kwargs)
            after()
            return answer

        return call


def strikes(nth: int, error: BaseException, *, after: bool) -> Callable[[], Callable[[], None]]:
    made = 0

    def strike() -> Callable[[], None]:
        nonlocal made
        made += 1
        if made != nth:
            return lambda: None
        if not after:
            raise error

        def late() -> None:
            raise error

        return late

    return strike


def work_off(world: World, delivered: Delivered) -> None:
    """What the queue does: every message until it succeeds."""
    world.planner("another").begin(delivered)
    for message in world.sent():
        world.planner("another").plan_file(message)


def test_an_inventory_becomes_jobs():
    world = World()
    delivered = world.deliver(triples("1.tif", "2.tif", "3.tif", "4.tif", "a.txt"), triples("5.tif"), [])
    begun = world.planner().begin(delivered)
    assert begun == Begun("20261120T010000Z-" + begun.run_id[-8:], files=3)
    plans = [world.planner().plan_file(message) for message in world.sent()]
    assert [(plan.shards, plan.counts) for plan in plans if isinstance(plan, FilePlan)] == [
        (2, PlanCounts(new=4, filtered=1, items=4, chips=4)),
        (1, PlanCounts(new=1, items=1, chips=1)),
        (0, PlanCounts()),
    ]
    assert [job.size for job in world.asked(JobTask.SHARDS)] == [2, None]
    assert keys(world.submitted()) == ["1.tif", "2.tif", "3.tif", "4.tif", "5.tif"]


def test_an_inventory_without_files_is_a_run_without_work():
    world = World()
    assert world.planner().begin(world.deliver()) == Begun(active_run(world.runs, bucket="b") or "", files=0)
    assert world.sent() == []


def test_what_the_ledger_knows_is_not_planned():
    world = World()
    for known in (entry("done.tif"), entry("changed.tif", "old")):
        world.ledger.put(known, over=None)
    work_off(world, world.deliver(triples("done.tif", "changed.tif", "new.tif")))
    assert keys(world.submitted()) == ["changed.tif", "new.tif"]


def test_all_files_of_a_run_compare_with_the_ledger_of_its_beginning():
    world = World()
    delivered = world.deliver(triples("1.tif"), triples("2.tif"))
    world.planner().begin(delivered)
    world.ledger.put(entry("2.tif"), over=None)
    work_off(world, delivered)
    assert keys(world.submitted()) == ["1.tif", "2.tif"]


def test_a_lost_hash_file_is_made_again():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif", "2.tif")))
    world.ledger.put(entry("2.tif"), over=None)
    (known,) = [key for key in world.runs.objects if key.endswith("/known")]
    del world.runs.objects[known]
    world.planner().take(world.sent()[0])
    assert keys(world.submitted()) == ["1.tif"]
    assert known in world.runs.objects


def test_the_same_message_again_submits_nothing():
    world = World()
    delivered = world.deliver(triples("1.tif"))
    for _ in range(3):
        work_off(world, delivered)
    assert len(world.asked(JobTask.SHARDS)) == 1
    assert len(world.asked(JobTask.SWEEP)) == 1
    assert world.jobs.cancelled == {}
    assert len(world.sent()) == 3


def test_of_three_at_once_one_plans():
    world = World()
    world.planner().begin(world.deliver(triples(*(f"{number}.tif" for number in range(50)))))
    (message,) = world.sent()
    ended: list[object] = []
    barrier = threading.Barrier(3)

    def plan(owner: str) -> None:
        barrier.wait()
        try:
            ended.append(world.planner(owner).plan_file(message))
        except ConflictError as error:
            ended.append(error)

    threads = [threading.Thread(target=plan, args=(f"owner-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 3
    assert len(world.asked(JobTask.SHARDS)) == 1
    assert len(world.asked(JobTask.SWEEP)) == 1
    assert any(isinstance(one, FilePlan) for one in ended)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_planner_that_dies_or_fails_anywhere_loses_nothing(data: st.DataObject):
    world = World()
    rows = triples(*(f"{number}.tif" for number in range(data.draw(st.integers(min_value=0, max_value=12)))))
    delivered = world.deliver(rows, triples("z.tif"))
    error = data.draw(st.sampled_from([Killed(), UnavailableError("away"), ThrottledError("slow down")]))
    strike = strikes(data.draw(st.integers(min_value=1, max_value=30)), error, after=data.draw(st.booleans()))
    planner = world.planner(
        runs=Faulty(world.runs, strike), jobs=Faulty(world.jobs, strike), messages=Faulty(world.messages, strike)
    )
    try:
        planner.begin(delivered)
        for message in world.sent():
            planner.plan_file(message)
    except (Killed, BackfillError):
        world.clock.advance(ms=CLAIM_MS)  # a claim whose answer was lost is not released either
        work_off(world, delivered)
    assert set(keys(world.submitted())) == {key for key, _, _ in rows} | {"z.tif"}
    assert world.asked(JobTask.SWEEP)
    (message, *_) = world.sent()
    folder = RunFolder(world.runs, message.run_id)
    assert all((record := folder.record(sent.file_id)) and record.plan for sent in world.sent())


def test_a_failed_planner_leaves_its_claim_to_the_next_at_once():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    (message,) = world.sent()
    slow = strikes(1, ThrottledError("slow down"), after=False)
    with pytest.raises(ThrottledError):
        world.planner(jobs=Faulty(world.jobs, slow)).plan_file(message)
    assert isinstance(world.planner("another").plan_file(message), FilePlan)


def test_a_silent_planner_keeps_its_claim_until_it_runs_out():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    (message,) = world.sent()
    killed = strikes(1, Killed(), after=True)
    with pytest.raises(Killed):
        world.planner(jobs=Faulty(world.jobs, killed)).plan_file(message)
    with pytest.raises(ConflictError):
        world.planner("another").plan_file(message)
    world.clock.advance(ms=CLAIM_MS)
    assert isinstance(world.planner("another").plan_file(message), FilePlan)
    # the job was submitted twice, over the same shard: whoever comes second finds its done marker
    assert keys(world.submitted()) == ["1.tif", "1.tif"]
    assert len([key for key in world.runs.objects if "/shards/" in key]) == 1


def test_plans_under_other_rules_do_not_write_each_others_shards():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif", "2.tif", "3.tif", "4.tif")))
    (message,) = world.sent()
    killed = strikes(1, Killed(), after=True)
    with pytest.raises(Killed):
        world.planner(jobs=Faulty(world.jobs, killed)).plan_file(message)
    world.clock.advance(ms=CLAIM_MS)
    one_each = dataclasses.replace(RULES, sizing=dataclasses.replace(RULES.sizing, max_items=1))
    world.planner("another", rules=one_each).plan_file(message)
    assert keys(world.submitted()) == sorted(2 * ["1.tif", "2.tif", "3.tif", "4.tif"])


def test_a_newer_inventory_calls_off_the_jobs_of_the_older_run():
    world = World()
    work_off(world, world.deliver(triples("1.tif"), triples("2.tif")))
    assert world.jobs.cancelled == {}
    newer = world.planner().begin(world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    assert isinstance(newer, Begun)
    assert world.jobs.cancelled == dict.fromkeys(["job-0", "job-1", "job-2"], "a newer inventory is planned")


def test_an_older_inventory_that_arrives_late_is_left_alone():
    world = World()
    older = world.deliver(triples("1.tif"))
    work_off(world, world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    ended = world.planner().begin(older)
    assert isinstance(ended, Superseded)
    assert world.jobs.cancelled == {}
    assert len(world.sent()) == 1


def test_files_of_a_superseded_run_are_not_planned():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    (old,) = world.sent()
    world.planner().begin(world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    assert world.planner().plan_file(old) == Superseded(old.run_id)
    assert world.jobs.jobs == {}
    assert RunFolder(world.runs, old.run_id).record(old.file_id) is None


def test_a_run_superseded_while_a_file_is_planned_submits_nothing():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    (old,) = world.sent()
    newer = world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS)

    class Meanwhile:
        """The newer inventory arrives when the ledger's hashes are read."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.runs, name)

        def put(self, key: str, body: bytes) -> None:
            world.runs.put(key, body)
            world.planner().begin(newer)

    assert world.planner(runs=Meanwhile()).plan_file(old) == Superseded(old.run_id)
    assert world.jobs.jobs == {}


def test_an_older_run_whose_folder_is_gone_is_no_hindrance():
    world = World()
    work_off(world, world.deliver(triples("1.tif")))
    for key in [key for key in world.runs.objects if key.startswith("runs/")]:
        del world.runs.objects[key]
    work = world.planner().begin(world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    assert isinstance(work, Begun)


def test_an_inventory_of_another_bucket_is_refused():
    world = World()
    with pytest.raises(InventoryError, match="an inventory of c; b is planned here"):
        world.planner().begin(world.deliver(triples("1.tif"), bucket="c"))
    assert world.runs.objects == {}


def test_a_manifest_that_was_written_over_is_refused():
    world = World()
    delivered = world.deliver(triples("1.tif"))
    world.objects.put(ImageRef(REPORTS, delivered.key), b"0" * 32)
    with pytest.raises(InventoryError, match="MD5"):
        world.planner().begin(delivered)


def test_a_manifest_at_the_top_of_its_bucket_is_found():
    world = World()
    delivered = world.deliver(triples("1.tif"))
    folder = delivered.key.removesuffix("manifest.checksum")
    for name in ("manifest.json", "manifest.checksum"):
        world.objects.put(ImageRef(REPORTS, name), world.objects.read(ImageRef(REPORTS, folder + name)) or b"")
    assert isinstance(world.planner().begin(Delivered(REPORTS, "manifest.checksum")), Begun)


def test_a_file_that_is_not_the_listed_one_submits_nothing_and_is_free_again():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif"), triples("2.tif")))
    first, second = world.sent()
    manifest = RunFolder(world.runs, first.run_id).manifest()
    one, two = (ImageRef(REPORTS, file.key) for file in manifest.files)
    world.objects.put(one, world.objects.read(two) or b"")
    with pytest.raises(InventoryError, match="has the MD5"):
        world.planner().plan_file(first)
    assert world.jobs.jobs == {}
    assert isinstance(world.planner("another").plan_file(second), FilePlan)
    record = RunFolder(world.runs, first.run_id).record(first.file_id)
    assert record is not None
    assert (record.plan, record.until_ms) == (None, 0)


def test_a_file_that_is_gone_may_come_back():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    (message,) = world.sent()
    (file,) = RunFolder(world.runs, message.run_id).manifest().files
    world.objects.delete(ImageRef(REPORTS, file.key))
    with pytest.raises(ChangedError):
        world.planner().plan_file(message)


@pytest.mark.parametrize("wrong", [PlanFile("none", "none"), Delivered(REPORTS, "manifest.json")])
def test_what_nobody_asked_for_is_refused(wrong: PlanFile | Delivered):
    with pytest.raises(InputError):
        World().planner().take(wrong)


def test_a_file_that_its_run_does_not_have_is_refused():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    with pytest.raises(InventoryError, match="has no file none"):
        world.planner().plan_file(dataclasses.replace(world.sent()[0], file_id="none"))


def test_what_came_of_a_message_is_one_line():
    world = World()
    older = world.deliver(triples("1.tif"))
    with capture_logs() as logs:
        begun = world.planner().take(world.deliver(triples("1.tif", "2.txt"), created_ms=CREATED_MS + DAY_MS))
        world.planner().take(world.sent()[0])
        old = world.planner().take(older)
    assert isinstance(begun, Begun)
    assert isinstance(old, Superseded)
    level = {"log_level": "info"}
    (message,) = world.sent()
    counts = PlanCounts(new=1, filtered=1, items=1, chips=1).to_json()
    planned = {"plan": f"{message.file_id}-{RULES.id}", "shards": 1, "jobs": 1}
    assert logs == [
        {"event": "plan.begun", "run_id": begun.run_id, "files": 1, **level},
        {"event": "plan.done", "run_id": begun.run_id, **planned, **counts, **level},
        {"event": "sweep.submitted", "run_id": begun.run_id, **level},
        {"event": "plan.superseded", "run_id": old.run_id, **level},
    ]


def test_unreadable_rows_are_told_a_few_times_and_counted_always():
    world = World()
    body = gzip.compress(b'"b"\n' * 20)
    file = data_file("data.csv.gz", body)
    world.objects.put(ImageRef(REPORTS, file.key), body)
    text = manifest_json([file], bucket="b")
    world.objects.put(ImageRef(REPORTS, "manifest.json"), text)
    world.objects.put(ImageRef(REPORTS, "manifest.checksum"), md5(text).encode())
    world.planner().begin(Delivered(REPORTS, "manifest.checksum"))
    with capture_logs() as logs:
        plan = world.planner().plan_file(world.sent()[0])
    assert isinstance(plan, FilePlan)
    assert plan.counts == PlanCounts(unreadable=20)
    assert [line["line"] for line in logs if line["event"] == "inventory.unreadable_row"] == [1, 2, 3, 4, 5]


def test_an_index_that_is_away_keeps_an_inventory_from_starting():
    class Away:
        def entries(self, **_: str):
            raise UnavailableError("the index is away")

    world = World()
    delivered = world.deliver(triples("1.tif"))
    with pytest.raises(UnavailableError):
        world.planner(ledger=Away()).begin(delivered)
    assert world.sent() == []
    work_off(world, delivered)
    assert keys(world.submitted()) == ["1.tif"]


def finish(world: World, owner: str = "another") -> None:
    """Plan every CSV that the planner's messages name."""
    for message in world.sent():
        world.planner(owner).plan_file(message)


def test_the_sweep_is_submitted_when_the_last_file_is_planned():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif"), triples("2.tif")))
    first, second = world.sent()
    world.planner().plan_file(first)
    assert world.asked(JobTask.SWEEP) == []
    world.planner().plan_file(second)
    assert [job.parameters[WHAT] for job in world.asked(JobTask.SWEEP)] == [first.run_id]


def test_an_inventory_without_files_is_swept_at_once():
    world = World()
    for _ in range(2):
        world.planner().begin(world.deliver())
    assert len(world.asked(JobTask.SWEEP)) == 1


def test_a_file_that_cannot_be_planned_holds_the_sweep_back():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif"), triples("2.tif")))
    first, second = world.sent()
    file = RunFolder(world.runs, first.run_id).manifest().file(first.file_id)
    assert file is not None
    body = world.objects.read(ImageRef(REPORTS, file.key))
    world.objects.put(ImageRef(REPORTS, file.key), b"broken")
    world.planner().plan_file(second)
    with pytest.raises(InventoryError):
        world.planner().plan_file(first)
    assert world.asked(JobTask.SWEEP) == []
    world.objects.put(ImageRef(REPORTS, file.key), body or b"")
    world.planner().plan_file(first)
    assert len(world.asked(JobTask.SWEEP)) == 1


def test_two_planners_of_the_last_two_files_submit_one_sweep():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif"), triples("2.tif")))
    both = threading.Barrier(2)

    class Together(MemoryRunStore):
        """Both planners look whether all is planned when both have written their plans."""

        def keys(self, prefix: str) -> Iterator[str]:
            both.wait()
            return super().keys(prefix)

    runs = Together()
    runs.objects, conflicts = world.runs.objects, []

    def plan(message: PlanFile, owner: str) -> None:
        try:
            world.planner(owner, runs=runs).plan_file(message)
        except ConflictError as error:
            conflicts.append(error)

    threads = [
        threading.Thread(target=plan, args=(message, f"owner-{number}")) for number, message in enumerate(world.sent())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.asked(JobTask.SWEEP)) == 1
    assert len(world.asked(JobTask.SHARDS)) == 2


@pytest.mark.parametrize("after", [False, True])
def test_a_planner_killed_over_the_sweep_leaves_it_to_the_next(after):
    world = World()
    world.planner().begin(world.deliver([]))  # no shards: the sweep is the first job
    killed = strikes(1, Killed(), after=after)
    with pytest.raises(Killed):
        world.planner(jobs=Faulty(world.jobs, killed)).plan_file(world.sent()[0])
    with pytest.raises(ConflictError):
        finish(world)
    world.clock.advance(ms=CLAIM_MS)
    finish(world)
    finish(world)
    assert len(world.asked(JobTask.SWEEP)) == 1 + after  # nobody can know that the first one was submitted


def test_a_sweep_that_could_not_be_submitted_is_submitted_by_the_next_at_once():
    world = World()
    world.planner().begin(world.deliver([]))
    slow = strikes(1, ThrottledError("slow down"), after=False)
    with pytest.raises(ThrottledError):
        world.planner(jobs=Faulty(world.jobs, slow)).plan_file(world.sent()[0])
    finish(world)
    assert len(world.asked(JobTask.SWEEP)) == 1


def test_the_keys_of_a_file_are_all_its_current_ones():
    world = World()
    world.planner().begin(world.deliver([("1.tif", 1, "e"), ("1.tfw", 1, "f"), ("notes.txt", 1, "g")]))
    finish(world)
    listed = RunFolder(world.runs, world.sent()[0].run_id).keys(world.sent()[0].file_id)
    assert has(listed.keys, [hash_of(key) for key in ("1.tif", "1.tfw", "notes.txt", "2.tif")]).tolist() == [
        True,
        True,
        True,
        False,
    ]
    assert has(listed.versions, [hash_of("1.tfw", "f"), hash_of("1.tfw", "e")]).tolist() == [True, False]


def test_while_the_lane_is_paused_everything_is_planned_and_nothing_submitted():
    world = World()
    world.runs.put(PAUSE_KEY, b"{}")
    world.planner().begin(world.deliver(triples("1.tif")))
    (message,) = world.sent()
    plan = world.planner().plan_file(message)
    assert isinstance(plan, FilePlan)
    assert (plan.shards, plan.jobs, world.jobs.jobs) == (1, (), {})
    folder = RunFolder(world.runs, message.run_id)
    assert [shards.count for shards in missing_ranges(folder)] == [1]
    assert sweep_is_missing(folder)


def test_a_pause_that_ends_while_a_file_is_planned_holds_nothing_back():
    world = World()
    world.runs.put(PAUSE_KEY, b"{}")
    world.planner().begin(world.deliver(triples("1.tif")))

    class Resumed(MemoryRunStore):
        """Somebody resumes right after the planner looked; that one does not see the plan, as it is not written."""

        def get(self, key: str) -> bytes | None:
            return super().get(key) if key != PAUSE_KEY else self.objects.pop(key, None)

    runs = Resumed()
    runs.objects = world.runs.objects
    world.planner(runs=runs).plan_file(world.sent()[0])
    assert keys(world.submitted()) == ["1.tif"]
    assert len(world.asked(JobTask.SWEEP)) == 1
    folder = RunFolder(world.runs, world.sent()[0].run_id)
    assert len(list(folder.noted_jobs())) == 1


def test_what_a_pause_held_back_is_submitted_by_the_same_message_again():
    world = World()
    world.runs.put(PAUSE_KEY, b"{}")
    world.planner().begin(world.deliver(triples("1.tif", "2.tif", "3.tif", "4.tif")))
    finish(world)
    del world.runs.objects[PAUSE_KEY]
    folder = RunFolder(world.runs, world.sent()[0].run_id)
    (whole,) = missing_ranges(folder)
    folder.write_done(ShardDone(name=whole.name(0)))
    finish(world)
    assert keys(world.submitted()) == ["4.tif"]


def test_a_newer_inventory_calls_off_noted_jobs_and_the_sweep():
    world = World()
    work_off(world, world.deliver(triples("1.tif")))
    RunFolder(world.runs, world.sent()[0].run_id).note_job("later")
    world.planner().begin(world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    assert set(world.jobs.cancelled) == {"job-0", "job-1", "later"}
    assert world.jobs.jobs["job-1"] == world.asked(JobTask.SWEEP)[0]


def test_a_superseded_run_is_not_swept():
    world = World()
    world.planner().begin(world.deliver([]))
    newer = world.deliver([], created_ms=CREATED_MS + DAY_MS)

    class Meanwhile:
        """The newer inventory arrives when the plan is written."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.runs, name)

        def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
            if b'"until_ms":0' in body:
                world.planner().begin(newer)
            return world.runs.put_over(key, body, over=over)

    world.planner(runs=Meanwhile()).plan_file(world.sent()[0])
    assert world.asked(JobTask.SWEEP) == []


def test_a_run_of_some_keys_stands_beside_the_active_one():
    world = World()
    work_off(world, world.deliver(triples("1.tif"), triples("2.tif")))
    active, jobs = active_run(world.runs, bucket="b"), len(world.jobs.jobs)
    part = {"scope": "part", "redo": "nothing"}
    world.planner().begin(world.deliver(triples("3.tif"), created_ms=CREATED_MS + DAY_MS, request=part))
    message = world.sent()[-1]
    assert active_run(world.runs, bucket="b") == active
    assert world.jobs.cancelled == {}
    work_off(world, world.deliver(triples("4.tif"), created_ms=CREATED_MS + 2 * DAY_MS))
    assert isinstance(world.planner().plan_file(message), FilePlan)
    assert keys(world.submitted()) == ["1.tif", "2.tif", "3.tif", "4.tif"]
    assert len(world.asked(JobTask.SWEEP)) == 2
    assert len(world.jobs.jobs) == jobs + 3
    assert message.run_id not in {job.parameters[WHAT] for job in world.asked(JobTask.SWEEP)}


def test_an_old_run_of_some_keys_is_planned_beside_a_newer_active_one():
    world = World()
    work_off(world, world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    begun = world.planner().begin(world.deliver(triples("3.tif"), request={"scope": "part", "redo": "nothing"}))
    assert isinstance(begun, Begun)
    finish(world)
    assert keys(world.submitted()) == ["1.tif", "3.tif"]


@pytest.mark.parametrize("redo", ["detection", "failed"])
def test_what_is_to_be_done_again_is_compared_with_nothing(redo: str):
    class Unasked:
        def entries(self, **_: str):
            pytest.fail("the ledger was asked")

    world = World()
    world.ledger.put(entry("done.tif"), over=None)
    delivered = world.deliver(triples("done.tif"), request={"scope": "bucket", "redo": redo})
    world.planner(ledger=Unasked()).begin(delivered)
    world.planner(ledger=Unasked()).plan_file(world.sent()[0])
    assert keys(world.submitted()) == ["done.tif"]


def test_what_is_to_be_done_again_is_not_called_off_by_a_newer_inventory_that_would_not_do_it():
    world = World()
    world.planner().begin(
        world.deliver(triples("1.tif"), triples("2.tif"), request={"scope": "bucket", "redo": "detection"})
    )
    first, second = world.sent()
    world.planner().plan_file(first)
    world.planner().begin(world.deliver(triples("1.tif"), created_ms=CREATED_MS + DAY_MS))
    assert world.jobs.cancelled == {}
    assert isinstance(world.planner().plan_file(second), FilePlan)
    assert keys(world.submitted()) == ["1.tif", "2.tif"]
    assert world.asked(JobTask.SWEEP) == []  # the newer run's does all that this one's would


def test_a_very_large_file_is_a_jobs_from_the_beginning(monkeypatch: pytest.MonkeyPatch):
    world = World()
    large, small = triples(*(f"{number}.tif" for number in range(200))), triples("x.tif")
    delivered = world.deliver(large, small)
    monkeypatch.setattr(planner_module, "LARGE_BYTES", 300)
    world.planner().begin(delivered)
    (message,) = world.sent()
    (job,) = world.asked(JobTask.PLAN)
    assert PlanFile.from_text(job.parameters[WHAT]).run_id == message.run_id
    assert PlanFile.from_text(job.parameters[WHAT]) != message
    world.planner().plan_file(PlanFile.from_text(job.parameters[WHAT]))
    world.planner().plan_file(message)
    assert len(world.submitted()) == 201


def test_a_planner_whose_time_is_up_leaves_its_file_to_a_job():
    world = World()
    world.planner().begin(world.deliver(triples(*(f"{number}.tif" for number in range(3 * ROWS_PER_LOOK)))))
    (message,) = world.sent()
    looks: list[int] = []

    def is_ending() -> bool:
        looks.append(len(looks))
        return len(looks) > 2

    assert world.planner(is_ending=is_ending).take(message) == HandedOver(message.run_id, message.file_id)
    (job,) = world.jobs.jobs.values()
    assert (job.parameters[TASK], job.parameters[WHAT]) == (JobTask.PLAN, message.to_text())
    assert isinstance(world.planner("the job").plan_file(message), FilePlan)


def test_a_claim_is_renewed_while_a_long_file_is_planned():
    world = World()
    world.planner().begin(world.deliver(triples(*(f"{number}.tif" for number in range(5 * ROWS_PER_LOOK)))))
    (message,) = world.sent()
    refused = []

    def is_ending() -> bool:
        """Time passes with each look; another planner tries in between."""
        world.clock.advance(ms=CLAIM_MS // 2)
        with pytest.raises(ConflictError):
            world.planner("another").plan_file(message)
        refused.append(None)
        return False

    assert isinstance(world.planner(is_ending=is_ending).plan_file(message), FilePlan)
    assert len(refused) > 4
    assert len(world.asked(JobTask.SHARDS)) == 1


def test_a_planner_that_lost_its_claim_writes_no_plan():
    world = World()
    world.planner().begin(world.deliver(triples(*(f"{number}.tif" for number in range(2 * ROWS_PER_LOOK)))))
    (message,) = world.sent()

    def stall() -> bool:
        if not world.jobs.jobs:
            world.clock.advance(ms=CLAIM_MS)
            world.planner("another").plan_file(message)
        return False

    with pytest.raises(ConflictError):
        world.planner(is_ending=stall).plan_file(message)
    assert len(world.asked(JobTask.SHARDS)) == 1
    record = RunFolder(world.runs, message.run_id).record(message.file_id)
    assert record is not None
    assert record.plan is not None
    assert record.owner == "another"


def test_a_listing_of_ours_is_no_delivery_that_an_alarm_would_miss():
    world, lines = World(), []
    delivered = world.deliver(triples("1.tif"), prefix="listings/")
    assert isinstance(world.planner(metrics=Metrics(stack="s", write=lines.append)).begin(delivered), Begun)
    assert lines == []


def test_figures_tell_of_s3s_inventories_and_of_files_planned():
    world, lines = World(), []
    metrics = Metrics(stack="s", write=lines.append)
    delivered = world.deliver(triples("1.tif"))
    world.planner(metrics=metrics).begin(delivered)
    for _ in range(2):
        world.planner(metrics=metrics).plan_file(world.sent()[0])
    assert ['"Inventories":1' in line for line in lines] == [True, False]
    assert ['"FilesPlanned":1' in line for line in lines] == [False, True]
