"""Whatever happens to answers on their way, a boot clock that counts rightly keeps our time right."""

from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.store_time import DATE_RESOLUTION_MS, DatedAnswer, StoreTime

waits = st.integers(min_value=0, max_value=10**7)
BORN_MS = 1_767_225_600_000


@given(st.lists(st.tuples(waits, waits, waits), min_size=1, max_size=20), st.integers(min_value=0, max_value=999))
def test_our_time_is_the_stores_within_a_second_after_one_prompt_answer(
    answers: list[tuple[int, int, int]], part: int
) -> None:
    """Each answer: how long before it is asked for, until it is dated, and until it is read."""
    boot_ms, ours = 0, StoreTime.first(DatedAnswer(date_ms=BORN_MS - BORN_MS % 1000, sent_ms=0, read_ms=0))
    true_at_0 = ours.noted_ms + part
    for before_ms, until_dated_ms, until_read_ms in answers:
        sent_ms = boot_ms + before_ms
        dated_ms = true_at_0 + sent_ms + until_dated_ms
        boot_ms = sent_ms + until_dated_ms + until_read_ms
        ours = ours.after(DatedAnswer(date_ms=dated_ms - dated_ms % 1000, sent_ms=sent_ms, read_ms=boot_ms))
        assert 0 <= true_at_0 + boot_ms - ours.at(boot_ms) <= DATE_RESOLUTION_MS
