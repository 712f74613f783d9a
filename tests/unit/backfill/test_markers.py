import pytest

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.markers import Markers
from batch_job.backfill.pace import EndedShard
from batch_job.backfill.progress import RunWatch
from batch_job.backfill.records import Claim, FilePlan
from batch_job.backfill.shards import RunFolder
from batch_job.values.work import ShardDone
from tests.unit.backfill.inventories import data_file, manifest_of
from tests.unit.backfill.test_progress import COUNTS

SHARDS = 10_000
ENDED = "2026-11-21T18:00:30Z"


class CountingStore(MemoryRunStore):
    """Counts requests that bring a body."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    def get(self, key: str) -> bytes | None:
        self.gets += 1
        return super().get(key)


@pytest.fixture
def folder() -> RunFolder:
    return RunFolder(CountingStore(), "run")


def write(folder: RunFolder, name: str, **other: int) -> None:
    folder.write_done(ShardDone(name=name, images={"indexed": 2, "failed": 1}, **other))


def test_a_marker_tells_what_the_pace_needs(folder: RunFolder):
    write(folder, "s-0", calls=7, duration_ms=1500)
    folder.store.written_at["runs/run/done/s-0.json"] = ENDED
    [marker] = Markers(folder).look().values()
    assert marker.shard == EndedShard(ended_ms=1795284030000, duration_ms=1500, images=3, calls=7)


def test_ten_thousand_markers_are_read_once():
    file = data_file("1.csv.gz", b"1")
    manifest = manifest_of([file], bucket="b")
    folder = RunFolder(CountingStore(), manifest.run_id)
    folder.write_manifest(manifest)
    claim = folder.claim(file.id, owner="me", now_ms=0)
    assert isinstance(claim, Claim)
    folder.complete(claim, FilePlan(name="s", shards=SHARDS, counts=COUNTS, jobs=()))
    for number in range(SHARDS - 1):
        write(folder, f"s-{number:06d}", calls=1)
    watch, store = RunWatch(folder), folder.store

    assert watch.look().calls == SHARDS - 1
    assert store.gets == SHARDS - 1 + 2  # and the manifest, and the plan
    write(folder, f"s-{SHARDS - 1:06d}", calls=1)
    store.gets = 0
    assert watch.look().calls == SHARDS
    assert store.gets == 1
    assert watch.look().shards_done == SHARDS
    assert store.gets == 1
    assert len(watch.ended()) == SHARDS


def test_a_marker_that_goes_while_it_is_read_is_left_out(folder: RunFolder):
    write(folder, "s-0")
    write(folder, "s-1")

    class Vanishing(CountingStore):
        def get(self, key: str) -> bytes | None:
            return None if key.endswith("s-0.json") else super().get(key)

    vanishing = Vanishing()
    vanishing.objects = folder.store.objects
    assert list(Markers(RunFolder(vanishing, "run")).look()) == ["s-1"]
