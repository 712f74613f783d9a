import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.memory_runs import MemoryRunStore
from batch_job.backfill.known import Known
from batch_job.backfill.listed_keys import KeyCollector
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.records import CLAIM_MS, Claim, FilePlan, FileRecord
from batch_job.backfill.shards import RunFolder, activate, active_run
from batch_job.errors import ConflictError, InputError, SetUpError, UnavailableError
from batch_job.values.image import ImageRef
from batch_job.values.inventory import InventoryRow, Manifest
from batch_job.values.work import Shard, ShardDone, WorkItem
from tests.unit.backfill.entries import entry
from tests.unit.backfill.inventories import data_file, manifest_of

PLAN = FilePlan(name="f-r", shards=2, counts=PlanCounts(new=3, items=3), jobs=("job-0",))
texts = st.text(max_size=8)
numbers = st.integers(min_value=0, max_value=2**53)
counts = st.builds(PlanCounts, new=numbers, done=numbers, items=numbers)
plans = st.builds(FilePlan, name=texts, shards=numbers, counts=counts, jobs=st.lists(texts).map(tuple))
records = st.builds(FileRecord, owner=texts, until_ms=numbers, plan=st.one_of(st.none(), plans))


@pytest.fixture
def folder() -> RunFolder:
    return RunFolder(MemoryRunStore(), "run")


def claimed(folder: RunFolder, *, owner: str = "me", now_ms: int = 0) -> Claim:
    claim = folder.claim("f", owner=owner, now_ms=now_ms)
    assert isinstance(claim, Claim)
    return claim


@given(record=records)
def test_a_file_record_comes_back_from_its_text(record: FileRecord):
    assert FileRecord.from_json(record.to_json()) == record


@given(names=st.lists(texts.filter(bool), unique=True, max_size=4))
def test_a_manifest_comes_back_from_the_folder(names: list[str]):
    folder = RunFolder(MemoryRunStore(), "run")
    manifest = manifest_of([data_file(name, name.encode()) for name in names], bucket="b")
    folder.write_manifest(manifest)
    assert folder.manifest() == manifest


def test_a_claim_is_one_planners(folder: RunFolder):
    claimed(folder)
    with pytest.raises(ConflictError, match="me plans f of run"):
        folder.claim("f", owner="you", now_ms=CLAIM_MS - 1)


def test_a_planner_claims_its_own_claim_again(folder: RunFolder):
    claimed(folder)
    assert claimed(folder, now_ms=1)


def test_a_stale_claim_is_taken_over_and_its_first_owner_completes_nothing(folder: RunFolder):
    mine = claimed(folder)
    yours = claimed(folder, owner="you", now_ms=CLAIM_MS)
    with pytest.raises(ConflictError):
        folder.complete(mine, PLAN)
    with pytest.raises(ConflictError):
        folder.release(mine)
    folder.complete(yours, PLAN)
    assert folder.claim("f", owner="me", now_ms=CLAIM_MS) == PLAN


def test_a_released_claim_is_free(folder: RunFolder):
    folder.release(claimed(folder))
    assert claimed(folder, owner="you", now_ms=1)


def test_of_two_that_claim_at_once_one_has_it(folder: RunFolder):
    class Late(MemoryRunStore):
        """Somebody claims between the reading and the writing."""

        def read(self, key: str):
            found = super().read(key)
            RunFolder(folder.store, "run").claim("f", owner="you", now_ms=0)
            return found

    late = Late()
    late.objects = folder.store.objects
    with pytest.raises(ConflictError):
        RunFolder(late, "run").claim("f", owner="me", now_ms=0)


def test_a_claim_whose_answer_was_lost_is_still_mine():
    class Lossy(MemoryRunStore):
        """The first try arrives, the second is told that somebody wrote."""

        def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
            super().put_over(key, body, over=over)
            raise ConflictError(key)

    folder = RunFolder(Lossy(), "run")
    folder.complete(claimed(folder), PLAN)
    assert folder.record("f") == FileRecord(owner="me", until_ms=0, plan=PLAN)


def test_a_shard_comes_back_from_the_folder_and_is_written_the_same(folder: RunFolder):
    shard = Shard("run", "f-r-000000", (WorkItem(ImageRef("b", "é.tif"), 5),))
    folder.write_shard(shard)
    before = dict(folder.store.objects)
    folder.write_shard(shard)
    assert folder.store.objects == before
    assert list(before) == ["runs/run/shards/f-r-000000.ndjson.gz"]
    assert folder.shard("f-r-000000") == shard


def test_a_shard_that_is_not_there_stops(folder: RunFolder):
    with pytest.raises(SetUpError, match="run run has no shard s"):
        folder.shard("s")


@pytest.mark.parametrize("cut", [1, 9, 20, 40])
def test_a_damaged_shard_stops(folder: RunFolder, cut: int):
    folder.write_shard(Shard("run", "s", (WorkItem(ImageRef("b", "k"), 5),)))
    ((key, body),) = folder.store.objects.items()
    for damaged in (body[:-cut], body[:12] + bytes(255 - byte for byte in body[12:-cut])):
        folder.store.put(key, damaged)
        with pytest.raises(SetUpError, match="shard s of run run is damaged"):
            folder.shard("s")


def test_done_markers_are_found_by_name_and_in_the_folder(folder: RunFolder):
    assert folder.done("s-000001") is None
    markers = [ShardDone(name=f"s-{number:06d}", images={"indexed": number}) for number in (1, 0)]
    for marker in markers:
        folder.write_done(marker)
    assert folder.done("s-000001") == markers[0]
    assert list(folder.done_names()) == ["s-000000", "s-000001"]


def test_the_first_hash_file_stays(folder: RunFolder):
    assert folder.known() is None
    folder.write_known(Known.of([entry("k")]))
    folder.write_known(Known.of([]))
    known = folder.known()
    assert known is not None
    assert len(known.keys) == 1


def test_a_damaged_hash_file_stops(folder: RunFolder):
    folder.store.put("runs/run/known", b"something else")
    with pytest.raises(SetUpError, match="not a hash file"):
        folder.known()


def test_a_run_that_is_not_there_is_refused(folder: RunFolder):
    with pytest.raises(InputError, match="there is no run run"):
        folder.manifest()


def test_the_newest_run_is_active():
    store = MemoryRunStore()
    assert active_run(store, bucket="b") is None
    assert activate(store, "2", bucket="b")
    assert activate(store, "2", bucket="b")
    assert not activate(store, "1", bucket="b")
    assert active_run(store, bucket="b") == "2"
    assert activate(store, "3", bucket="b")
    assert activate(store, "1", bucket="another")
    assert active_run(store, bucket="b") == "3"


def test_two_runs_that_are_activated_at_once_do_not_overwrite_each_other():
    class Late(MemoryRunStore):
        def read(self, key: str):
            found = super().read(key)
            self.objects[key] = b"9"
            return found

    store = Late()
    with pytest.raises(ConflictError):
        activate(store, "2", bucket="b")
    assert active_run(store, bucket="b") == "9"


def test_a_write_of_unknown_fate_passes_on():
    class Away(MemoryRunStore):
        def put_over(self, key: str, body: bytes, *, over: str | None) -> str:
            raise UnavailableError(key)

    with pytest.raises(UnavailableError):
        RunFolder(Away(), "run").claim("f", owner="me", now_ms=0)


def test_a_manifest_of_no_time_is_refused():
    with pytest.raises(ValueError, match="not a time"):
        Manifest(source_bucket="b", destination_bucket="r", created_ms=-1, columns=(), files=(), md5="")


def test_a_claim_is_renewed_when_a_third_of_it_has_passed_and_not_before(folder: RunFolder):
    claim = claimed(folder, now_ms=9)
    assert not claim.is_old(now_ms=9 + CLAIM_MS // 3)
    assert claim.is_old(now_ms=10 + CLAIM_MS // 3)
    assert folder.renew(claim, now_ms=50).until_ms == 50 + CLAIM_MS
    with pytest.raises(ConflictError):
        folder.renew(claim, now_ms=60)  # the record is no longer the one that was claimed


def test_keys_of_a_file_come_back_and_damaged_ones_stop(folder: RunFolder):
    collector = KeyCollector()
    list(collector.passing([InventoryRow(key="a.tif", etag="e")]))
    folder.write_keys("f", collector.collected())
    assert folder.keys("f").to_bytes() == collector.collected().to_bytes()
    assert list(folder.listed_files()) == ["f"]
    folder.store.put("runs/run/keys/f", b"something else")
    with pytest.raises(SetUpError, match="keys of f: not a hash file"):
        folder.keys("f")
    with pytest.raises(SetUpError, match="no keys of g"):
        folder.keys("g")
