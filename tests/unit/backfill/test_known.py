import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.backfill.known import Known, Standing
from batch_job.errors import ErrorCode
from batch_job.values.inventory import InventoryRow
from batch_job.values.ledger import LabelSet, LedgerEntry, State
from tests.unit.backfill.entries import FINGERPRINT, entry

LIVE = LabelSet(1, 1)
few = st.sampled_from("abcd")
failures = st.sampled_from([ErrorCode.ARCHIVED, ErrorCode.UNREADABLE])
put_off = st.sampled_from([None, ErrorCode.ARCHIVED])


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerEntry]:
    found = []
    for key in draw(st.sets(few)):
        state = draw(st.sampled_from(State))
        codes = {State.FAILED: failures, State.PROCESSING: put_off}.get(state, st.none())
        found.append(
            entry(
                key,
                draw(few),
                state,
                error_code=draw(codes),
                live=draw(st.sampled_from([None, LIVE])),
                fingerprint=draw(st.sampled_from([FINGERPRINT, "old"])),
            )
        )
    return found


rows = st.builds(
    InventoryRow, key=few, etag=st.one_of(st.none(), few), readable=st.sampled_from([None, True, False]), size=st.none()
)


def by_the_rule(ledger: list[LedgerEntry], row: InventoryRow) -> Standing:
    """DESIGN 4.2 and its docstrings, entry by entry."""
    for known in ledger:
        if known.image.key != row.key:
            continue
        finished = known.state in (State.INDEXED, State.FAILED)
        same = (known.version.etag, known.version.index_fingerprint) == (row.etag, FINGERPRINT)
        frozen = known.error_code is ErrorCode.ARCHIVED
        if same and (row.readable is False if frozen else finished):
            return Standing.DONE
        return Standing.CHANGED if finished or known.live else Standing.NEW
    return Standing.NEW


@given(ledger=ledgers(), found=st.lists(rows, max_size=10))
def test_hashes_say_of_every_row_what_the_entries_say(ledger: list[LedgerEntry], found: list[InventoryRow]):
    known = Known.from_bytes(Known.of(ledger).to_bytes())
    assert known.standings(found, index_fingerprint=FINGERPRINT) == [by_the_rule(ledger, row) for row in found]


@pytest.mark.parametrize(
    ("known", "row", "standing"),
    [
        (entry("k"), InventoryRow(key="k", etag="e"), Standing.DONE),
        (entry("k"), InventoryRow(key="l", etag="e"), Standing.NEW),
        (entry("k"), InventoryRow(key="k", etag="f"), Standing.CHANGED),
        (entry("k", fingerprint="old"), InventoryRow(key="k", etag="e"), Standing.CHANGED),
        (entry("k"), InventoryRow(key="k"), Standing.CHANGED),
        (entry("k", state=State.FAILED), InventoryRow(key="k", etag="e"), Standing.DONE),
        (entry("k", state=State.REMOVED), InventoryRow(key="k", etag="e"), Standing.NEW),
        (entry("k", state=State.PROCESSING), InventoryRow(key="k", etag="e"), Standing.NEW),
        (entry("k", state=State.PROCESSING, live=LIVE), InventoryRow(key="k", etag="e"), Standing.CHANGED),
    ],
)
def test_a_row_is_done_if_a_worker_finished_with_that_version(
    known: LedgerEntry, row: InventoryRow, standing: Standing
):
    assert Known.of([known]).standings([row], index_fingerprint=FINGERPRINT) == [standing]


@pytest.mark.parametrize(
    ("readable", "standing"), [(False, Standing.DONE), (True, Standing.CHANGED), (None, Standing.CHANGED)]
)
def test_an_archived_object_is_work_once_it_may_be_readable(readable, standing: Standing):
    known = Known.of([entry("k", state=State.FAILED, error_code=ErrorCode.ARCHIVED)])
    row = InventoryRow(key="k", etag="e", readable=readable)
    assert known.standings([row], index_fingerprint=FINGERPRINT) == [standing]


def test_a_hash_file_has_16_bytes_an_image():
    body = Known.of(entry(f"{number}.tif") for number in range(1000)).to_bytes()
    assert 16_000 <= len(body) < 16_100


def test_sets_are_sorted():
    known = Known.of(entry(f"{number}.tif") for number in range(100))
    assert np.all(np.diff(known.done.astype(object)) > 0)


@pytest.mark.parametrize("cut", [1, 8, 16, 24, 50])
def test_half_a_hash_file_is_refused(cut: int):
    body = Known.of([entry("k"), entry("l")]).to_bytes()
    with pytest.raises(ValueError, match="hash file"):
        Known.from_bytes(body[:-cut])
