"""The sweep: what the inventory's keys contradict is visited, and nothing else; how it ends says what helps."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.child import LEFT_IN_A_ROW
from batch_job.backfill.endings import WorkEnd
from batch_job.backfill.listed_keys import CHUNK_ENTRIES, KeyCollector
from batch_job.backfill.orders import PAUSE_KEY, Orders
from batch_job.backfill.shards import SWEEP_DONE, RunFolder, activate
from batch_job.backfill.sweep import Sweep
from batch_job.errors import AccessError, HandedBackError, OutOfBudgetError, UnavailableError
from batch_job.ledger.generations import FORGET_AFTER_MS
from batch_job.metrics import Metrics
from batch_job.tally import Tally
from batch_job.values.image import ImageRef, is_image_key, side_keys
from batch_job.values.inventory import InventoryRow, Manifest, Request, Scope
from batch_job.values.ledger import State
from batch_job.wiring.doors import log_unforgotten, visited
from tests.unit.backfill.inventories import data_file, manifest_of
from tests.unit.ledger.fakes import World

BUCKET = "imagery"
IMAGES = ("a.tif", "a.jpg", "b/a.tif", "c.png")
SIDES = ("a.tfw", "a.tif.ovr", "b/a.tif.aux.xml", "c.wld")
MINUTE_MS = 60_000
contents = st.dictionaries(st.sampled_from(IMAGES + SIDES), st.sampled_from([b"x", b"y"]))


class Night:
    """A bucket whose images are indexed, an inventory of it, and the sweep of its run."""

    def __init__(self, objects: Mapping[str, bytes] = {}) -> None:
        self.world, self.runs = World(), MemoryRunStore()
        self.orders, self.tally, self.visited = Orders(self.runs), Tally(), []
        self.lines: list[str] = []
        self.change(objects)
        self.index()

    def change(self, objects: Mapping[str, bytes]) -> None:
        for key in [listed.key for listed in self.world.store.list(BUCKET, "")]:
            self.world.store.delete(ImageRef(BUCKET, key))
        for key, body in objects.items():
            self.world.store.put(ImageRef(BUCKET, key), body)

    def index(self) -> None:
        for listed in self.world.store.list(BUCKET, ""):
            if is_image_key(listed.key):
                self.world.reconciler().reconcile(ImageRef(BUCKET, listed.key))

    def take_inventory(self, *, files: int = 2, planned: bool = True) -> Manifest:
        """List the bucket as it is, a minute after what happened before."""
        self.world.clock.advance(ms=MINUTE_MS)
        manifest = manifest_of(
            [data_file(f"{number}.csv.gz", b"") for number in range(files)],
            bucket=BUCKET,
            created_ms=self.world.clock.now_ms(),
        )
        self.folder = RunFolder(self.runs, manifest.run_id)
        self.folder.write_manifest(manifest)
        rows = [InventoryRow(key=one.key, etag=one.etag) for one in self.world.store.list(BUCKET, "")]
        for number, file in enumerate(manifest.files):
            collector = KeyCollector()
            list(collector.passing(rows[number::files]))
            if planned:
                self.folder.write_keys(file.id, collector.collected())
        activate(self.runs, manifest.run_id, bucket=BUCKET)
        self.world.clock.advance(ms=MINUTE_MS)
        return manifest

    def sweep(self, reconcile: Callable[[ImageRef], Any] | None = None) -> WorkEnd:
        reconciler = self.world.reconciler()

        def noted(image: ImageRef) -> Any:
            self.visited.append(image.key)
            return (reconcile or reconciler.reconcile)(image)

        return Sweep(
            folder=self.folder,
            reconciler=reconciler,
            visit=partial(visited, noted, tally=self.tally),
            tell=log_unforgotten,
            orders=self.orders,
            tally=self.tally,
            metrics=Metrics(stack="s", write=self.lines.append),
        ).run()


def fails(error: Exception) -> Callable[[ImageRef], Any]:
    def reconcile(_image: ImageRef) -> Any:
        raise error

    return reconcile


@pytest.fixture
def night() -> Night:
    """Three images left the bucket since they were indexed."""
    night = Night(dict.fromkeys(("a.tif", "b/a.tif", "c.png"), b"x"))
    night.change({})
    night.take_inventory()
    return night


@settings(max_examples=200, deadline=None)
@given(before=contents, after=contents, files=st.integers(min_value=0, max_value=3))
def test_after_a_sweep_entries_have_what_the_bucket_has_and_only_those_that_differed_were_visited(
    before: dict[str, bytes], after: dict[str, bytes], files: int
):
    night = Night(before)
    night.change(after)
    night.take_inventory(files=files)
    listed = after if files else {}  # an inventory may miss what the bucket has

    def sides(of: Mapping[str, bytes], key: str) -> dict[str, bytes]:
        return {side: body for side, body in of.items() if side in side_keys(key)}

    due = {key for key in before if key in IMAGES and (key not in listed or sides(listed, key) != sides(before, key))}
    assert night.sweep() is WorkEnd.DONE
    assert sorted(night.visited) == sorted(due)
    for key in set(before) & set(IMAGES):
        entry = night.world.entry(ImageRef(BUCKET, key))
        assert (entry.state is State.REMOVED) == (key not in after)
        if key in after:
            assert {side.key for side in entry.version.side_files} == set(sides(after, key))
    assert night.sweep() is WorkEnd.DONE_BEFORE


def test_what_was_indexed_after_the_scan_began_is_left_alone():
    night = Night()
    night.take_inventory()
    night.change({"a.tif": b"x"})
    night.index()
    night.change({})
    assert night.sweep() is WorkEnd.DONE
    assert night.visited == []


def test_an_image_that_the_inventory_missed_stays():
    night = Night({"a.tif": b"x"})
    night.change({})
    night.take_inventory()
    night.change({"a.tif": b"x"})
    assert night.sweep() is WorkEnd.DONE
    assert night.tally.images == {"skipped_same": 1}
    assert night.world.entry(ImageRef(BUCKET, "a.tif")).state is State.INDEXED


def test_then_labels_that_nobody_writes_any_more_are_forgotten():
    night = Night({"a.tif": b"x"})
    night.change({"a.tif": b"y"})
    night.index()
    night.world.clock.advance(ms=FORGET_AFTER_MS)
    night.take_inventory()
    assert night.sweep() is WorkEnd.DONE
    assert night.visited == []
    assert night.world.entry(ImageRef(BUCKET, "a.tif")).superseded == ()


def test_what_came_of_it_is_a_marker_a_line_and_figures(night: Night):
    with capture_logs() as logs:
        night.sweep()
    marker = night.folder.done(SWEEP_DONE)
    assert marker is not None
    assert marker.images == {"removed": 3}
    [line] = [line for line in logs if line["event"] == "sweep.done"]
    assert (line["outcome"], line["exit_code"], line["images"]["removed"]) == ("done", 0, 3)
    assert '"Images":3' in night.lines[0]


def test_a_sweep_that_is_killed_begins_anew(night: Night):
    class Killed(BaseException):
        pass

    def kill(image: ImageRef) -> Any:
        if len(night.visited) == 2:
            raise Killed
        return night.world.reconciler().reconcile(image)

    with pytest.raises(Killed):
        night.sweep(kill)
    assert night.folder.done(SWEEP_DONE) is None
    assert night.sweep() is WorkEnd.DONE
    assert len(night.visited) == 2 + 2  # what was removed before agrees with the inventory


def test_a_paused_sweep_visits_nothing_and_is_not_done(night: Night):
    night.runs.put(PAUSE_KEY, b"{}")
    assert night.sweep() is WorkEnd.PAUSED
    assert WorkEnd.PAUSED.exit_code == 0
    assert (night.visited, night.folder.done(SWEEP_DONE)) == ([], None)


def test_a_sweep_that_is_told_to_end_says_retry(night: Night):
    def told(image: ImageRef) -> Any:
        night.orders.end()
        raise HandedBackError(image.uri)

    assert night.sweep(told) is WorkEnd.ENDED
    assert WorkEnd.ENDED.exit_code == 75
    assert len(night.visited) == 1
    assert night.tally.images == {}


def test_the_pass_hears_its_orders_too():
    night = Night({"a.tif": b"x"})
    night.take_inventory()
    check, calls = night.orders.check, []

    def end_at_the_third() -> None:
        calls.append(None)
        if len(calls) == 3:  # the beginning, the first entry compared, the first of the pass
            night.orders.end()
        check()

    night.orders.check = end_at_the_third  # type: ignore[method-assign]
    assert night.sweep() is WorkEnd.ENDED
    assert len(calls) == 3


def test_a_newer_inventory_ends_a_sweep_quietly(night: Night):
    activate(night.runs, "2" + night.folder.run_id, bucket=BUCKET)
    assert night.sweep() is WorkEnd.SUPERSEDED
    assert WorkEnd.SUPERSEDED.exit_code == 0
    assert (night.visited, night.folder.done(SWEEP_DONE)) == ([], None)


def test_a_newer_inventory_ends_it_on_its_way_too():
    night = Night({f"{number}.tif": b"x" for number in range(CHUNK_ENTRIES + 1)})
    night.change({})
    night.take_inventory()

    def supersede(_image: ImageRef) -> Any:
        activate(night.runs, "3", bucket=BUCKET)
        return night.world.reconciler().reconcile(_image)

    assert night.sweep(supersede) is WorkEnd.SUPERSEDED
    assert len(night.visited) == CHUNK_ENTRIES


def test_an_image_that_fails_leaves_the_others_alone_and_the_sweep_to_a_retry(night: Night):
    def fail(image: ImageRef) -> Any:
        if image.key == "a.tif":
            raise UnavailableError("away")
        return night.world.reconciler().reconcile(image)

    with capture_logs() as logs:
        assert night.sweep(fail) is WorkEnd.LEFT
    assert WorkEnd.LEFT.exit_code == 75
    assert night.tally.images == {"left": 1, "removed": 2}
    assert night.folder.done(SWEEP_DONE) is None
    assert [line["error"] for line in logs if line["event"] == "image.left"] == ["UnavailableError"]


@pytest.mark.parametrize(
    ("error", "end", "visits"),
    [
        (UnavailableError("away"), WorkEnd.LEFT, 3),
        (OutOfBudgetError("spent"), WorkEnd.LEFT, 1),
        (AccessError("denied"), WorkEnd.REFUSED, 1),
        (ZeroDivisionError("oh"), WorkEnd.DEFECT, 3),
    ],
)
def test_the_end_says_what_helps(night: Night, error: Exception, end: WorkEnd, visits: int):
    with capture_logs() as logs:
        assert night.sweep(fails(error)) is end
    assert len(night.visited) == visits
    assert sum(line["event"] == "image.defect" for line in logs) == (3 if end is WorkEnd.DEFECT else 0)
    assert {WorkEnd.LEFT: 75, WorkEnd.REFUSED: 78, WorkEnd.DEFECT: 70}[end] == end.exit_code


@pytest.mark.parametrize(("works", "visits"), [((), LEFT_IN_A_ROW), (("2.tif", "5.tif"), 8)])
def test_a_service_that_is_down_ends_the_sweep_and_one_that_stumbles_does_not(works: tuple[str, ...], visits: int):
    night = Night({f"{number}.tif": b"x" for number in range(8)})
    night.change({})
    night.take_inventory()

    def mostly_away(image: ImageRef) -> Any:
        if image.key in works:
            return night.world.reconciler().reconcile(image)
        raise UnavailableError("away")

    assert night.sweep(mostly_away) is WorkEnd.LEFT
    assert len(night.visited) == visits


def test_labels_that_cannot_be_forgotten_are_told_and_leave_the_sweep_to_a_retry():
    night = Night({"a.tif": b"x"})
    night.change({"a.tif": b"y"})
    night.index()
    night.world.clock.advance(ms=FORGET_AFTER_MS)
    night.take_inventory()

    def fail(name: str) -> None:
        if name == "delete":
            raise UnavailableError("away")

    night.world.before = fail
    with capture_logs() as logs:
        assert night.sweep() is WorkEnd.LEFT
    assert [line["image"] for line in logs if line["event"] == "labels.not_forgotten"] == ["s3://imagery/a.tif"]


def test_without_the_keys_of_a_csv_nothing_is_swept():
    night = Night({"a.tif": b"x"})
    night.change({})
    night.take_inventory(planned=False)
    assert night.sweep() is WorkEnd.REFUSED
    assert night.visited == []


def test_a_run_of_some_keys_is_not_swept(night: Night):
    part = dataclasses.replace(night.folder.manifest(), request=Request(scope=Scope.PART))
    night.folder.write_manifest(part)
    assert night.sweep() is WorkEnd.REFUSED
    assert night.visited == []


def test_there_is_no_sweep_of_no_run(night: Night):
    night.folder = RunFolder(night.runs, "none")
    assert night.sweep() is WorkEnd.REFUSED
