"""Holding on to a claim: when the lease is renewed, and what conflicts and lost answers mean."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from batch_job.adapters.memory import ManualClock, MemoryLedger, MemoryObjectStore
from batch_job.errors import ConflictError, LeaseLostError, UnavailableError
from batch_job.ledger import generations
from batch_job.ledger.lease import Hold
from batch_job.ledger.writes import FIRST_WAIT_S, MAX_READING_AGE_MS, MAX_REPEATS, LedgerWriter
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LedgerEntry, Seen, State, StoredEntry
from tests.unit.ledger.entries import IMAGE, VERSION, WORKER
from tests.unit.ledger.fakes import nothing

LEASE_MS = WORKER.lease_s * 1000


class FlakyLedger(MemoryLedger):
    """Calls ``trouble`` at each write: before it is applied when it returns None, else what it returns runs after."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0
        self.trouble: Callable[[int], Exception | None] = nothing
        self.applied_all_the_same = False

    def put(self, entry: LedgerEntry, *, over: Seen | None) -> Seen:
        self.puts += 1
        error = self.trouble(self.puts)
        if error is not None and not self.applied_all_the_same:
            raise error
        seen = super().put(entry, over=over)
        if error is not None:
            raise error
        return seen


class AgingClock(ManualClock):
    """A clock whose reading grows old until the store is asked."""

    age_ms = 0

    def reading_age_ms(self) -> int:
        return self.age_ms


class CountingStore(MemoryObjectStore):
    heads = 0

    def head(self, image: ImageRef):  # type: ignore[no-untyped-def]
        self.heads += 1
        return super().head(image)


@pytest.fixture
def clock() -> AgingClock:
    return AgingClock()


@pytest.fixture
def ledger() -> FlakyLedger:
    return FlakyLedger()


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def writer(clock: AgingClock, ledger: FlakyLedger, store: CountingStore, slept: list[float]) -> LedgerWriter:
    tokens = iter(range(1000))
    return LedgerWriter(
        store=store, ledger=ledger, clock=clock, new_token=lambda: f"t{next(tokens)}", sleep=slept.append
    )


@pytest.fixture
def hold(writer: LedgerWriter, clock: AgingClock, ledger: FlakyLedger) -> Hold:
    claim = generations.claimed(None, IMAGE, VERSION, worker=WORKER, now_ms=clock.now_ms())
    taken = writer.take(writer.signed(claim), over=None)
    assert taken is not None
    ledger.puts = 0
    return Hold(writer, taken, lease_s=WORKER.lease_s)


def stored(ledger: FlakyLedger) -> StoredEntry:
    found = ledger.get(IMAGE)
    assert found is not None
    return found


def overwrite(ledger: FlakyLedger, **changes: object) -> None:
    """Write as another worker, past all trouble."""
    old = stored(ledger)
    written = replace(old.entry, token="another's", **changes)  # type: ignore[arg-type]  # noqa: S106
    MemoryLedger.put(ledger, written, over=old.seen)


def test_a_lease_is_renewed_at_a_third_of_its_length(hold: Hold, clock: AgingClock, ledger: FlakyLedger) -> None:
    clock.advance(ms=LEASE_MS // 3 - 1)
    hold.keep()
    assert ledger.puts == 0
    clock.advance(ms=1)
    hold.keep()
    lease = stored(ledger).entry.lease
    assert lease is not None
    assert lease.until_ms == clock.now_ms() + LEASE_MS
    assert ledger.puts == 1


def test_a_lease_that_ran_out_is_kept_if_nobody_took_it(hold: Hold, clock: AgingClock, ledger: FlakyLedger) -> None:
    clock.advance(ms=10 * LEASE_MS)
    hold.keep()
    assert generations.is_leased(stored(ledger).entry, now_ms=clock.now_ms())


def test_a_lease_that_was_taken_over_is_lost(hold: Hold, clock: AgingClock, ledger: FlakyLedger) -> None:
    overwrite(ledger, epoch=hold.entry.epoch + 1)
    clock.advance(ms=LEASE_MS)
    with pytest.raises(LeaseLostError):
        hold.keep()


def test_a_lease_whose_entry_is_gone_is_lost(hold: Hold, clock: AgingClock, ledger: FlakyLedger) -> None:
    ledger.delete(IMAGE, over=stored(ledger).seen)
    clock.advance(ms=LEASE_MS)
    with pytest.raises(LeaseLostError):
        hold.keep()


def test_progress_clears_the_attempts_at_once_where_there_were_any(
    writer: LedgerWriter, hold: Hold, ledger: FlakyLedger
) -> None:
    overwrite(ledger, attempts=2)
    second = Hold(writer, stored(ledger), lease_s=WORKER.lease_s)
    second.keep()
    assert stored(ledger).entry.attempts == 2
    second.part_archived()
    second.keep()
    assert stored(ledger).entry.attempts == 0


def test_progress_alone_costs_no_write(hold: Hold, ledger: FlakyLedger) -> None:
    hold.part_archived()
    hold.keep()
    assert ledger.puts == 0


def test_an_old_reading_of_the_clock_asks_the_store_first(hold: Hold, clock: AgingClock, store: CountingStore) -> None:
    clock.age_ms = MAX_READING_AGE_MS
    hold.keep()
    assert store.heads == 0
    clock.age_ms = MAX_READING_AGE_MS + 1
    hold.keep()
    assert store.heads == 1


@pytest.mark.parametrize("error", [UnavailableError("no answer"), ConflictError("a retry below had succeeded")])
def test_a_write_that_was_applied_without_an_answer_is_recognised(
    hold: Hold, ledger: FlakyLedger, error: Exception
) -> None:
    ledger.applied_all_the_same = True
    ledger.trouble = lambda _: error
    hold.advance(generations.released)
    assert ledger.puts == 1
    assert stored(ledger).entry.lease is None


def test_a_refused_write_is_repeated_after_longer_and_longer_waits(
    hold: Hold, ledger: FlakyLedger, slept: list[float]
) -> None:
    ledger.trouble = lambda n: UnavailableError("429") if n <= 3 else None
    hold.advance(generations.released)
    assert [FIRST_WAIT_S / 2 <= s / 2**n <= FIRST_WAIT_S for n, s in enumerate(slept)] == [True] * 3


def test_a_conflict_is_looked_at_without_waiting(hold: Hold, ledger: FlakyLedger, slept: list[float]) -> None:
    ledger.trouble = lambda n: overwrite(ledger) if n == 1 else None
    hold.advance(generations.released)
    assert (ledger.puts, slept) == (2, [])


def test_a_write_that_was_not_applied_is_repeated_on_what_was_read(hold: Hold, ledger: FlakyLedger) -> None:
    def pass_writes(n: int) -> None:
        if n == 1:
            overwrite(ledger, superseded=())

    ledger.trouble = pass_writes
    hold.advance(lambda entry: generations.declared(entry, count=1, now_ms=5))
    assert ledger.puts == 2
    assert [labels.count for labels in stored(ledger).entry.superseded] == [1]


def test_an_entry_indexed_under_this_claim_is_never_released(hold: Hold, ledger: FlakyLedger) -> None:
    overwrite(ledger, state=State.INDEXED, lease=None)
    entry = hold.advance(generations.released)
    assert entry.state is State.INDEXED
    assert stored(ledger).entry == entry


def test_somebody_who_always_writes_in_between_ends_it(hold: Hold, ledger: FlakyLedger) -> None:
    ledger.trouble = lambda _: overwrite(ledger)
    with pytest.raises(UnavailableError, match="could not be written"):
        hold.advance(generations.released)
    assert ledger.puts == MAX_REPEATS


def test_a_claim_that_was_not_applied_is_told_from_one_that_was(writer: LedgerWriter, ledger: FlakyLedger) -> None:
    claim = generations.claimed(None, IMAGE, VERSION, worker=WORKER, now_ms=1)
    ledger.trouble = lambda _: UnavailableError("no answer")
    assert writer.take(writer.signed(claim), over=None) is None
    ledger.applied_all_the_same = True
    taken = writer.take(writer.signed(claim), over=None)
    assert taken is not None
    assert taken == stored(ledger)
