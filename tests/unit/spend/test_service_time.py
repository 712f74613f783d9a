import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.spend.service_time import AGREE_US, NARROW_US, SECOND_US, Reading, ServiceTime

BEGAN_US = 1_800_000_000 * SECOND_US

waits_us = st.integers(min_value=0, max_value=100 * SECOND_US)
ways_us = st.integers(min_value=0, max_value=2 * SECOND_US)
drifts = st.floats(min_value=-600e-6, max_value=600e-6)


class Machine:
    """A boot clock that drifts, beside a service that tells whole seconds."""

    def __init__(self, *, began_us: int, drift: float, skew_us: int = 0) -> None:
        self.true_us, self._began_us, self._drift, self._skew_us = began_us, began_us, drift, skew_us

    def boot_us(self) -> int:
        return 5_000_000 + int((self.true_us - self._began_us) * (1 + self._drift))

    def ask(self, *, there_us: int, back_us: int) -> Reading:
        sent_us = self.boot_us()
        self.true_us += there_us
        date_s = (self.true_us + self._skew_us) // SECOND_US
        self.true_us += back_us
        return Reading(date_s=date_s, sent_us=sent_us, read_us=self.boot_us())


@given(
    st.integers(min_value=BEGAN_US, max_value=BEGAN_US + SECOND_US),
    drifts,
    st.integers(min_value=-AGREE_US, max_value=AGREE_US),
    st.lists(st.tuples(waits_us, ways_us, ways_us), min_size=1, max_size=30),
)
def test_the_services_time_is_always_within_the_bounds(began_us, drift, skew_us, questions):
    machine, known = Machine(began_us=began_us, drift=drift, skew_us=skew_us), None
    for wait_us, there_us, back_us in questions:
        machine.true_us += wait_us
        reading = machine.ask(there_us=there_us, back_us=back_us)
        known = ServiceTime.of(reading) if known is None else known.narrowed(reading)
        assert known.low_us <= machine.true_us <= known.high_us
    machine.true_us += 10**9
    known = known.at(machine.boot_us())
    assert known.low_us <= machine.true_us <= known.high_us


@given(st.integers(min_value=0, max_value=SECOND_US - 1), drifts, st.integers(min_value=0, max_value=15_000))
def test_five_questions_at_the_right_moments_tell_the_time_well_enough_to_draw(fraction_us, drift, way_us):
    machine = Machine(began_us=BEGAN_US + fraction_us, drift=drift)
    known = ServiceTime.of(machine.ask(there_us=way_us, back_us=way_us))
    for _ in range(4):
        assert 0 <= known.tells_most_in_us() < SECOND_US
        machine.true_us += known.tells_most_in_us()
        known = known.narrowed(machine.ask(there_us=way_us, back_us=way_us))
    assert known.is_narrow
    assert known.high_us - known.low_us <= NARROW_US


def test_what_is_known_blurs_with_time():
    known = ServiceTime(at_us=0, low_us=BEGAN_US, high_us=BEGAN_US + 1000)
    assert known.is_sharp
    assert known.at(30 * SECOND_US).is_sharp
    assert not known.at(60 * SECOND_US).is_sharp
    assert known.at(60 * SECOND_US).is_narrow
    assert not known.at(80 * SECOND_US).is_narrow


@pytest.mark.parametrize("date_s", [10, 1_799_999_998, 1_800_000_001, 10_000_000_000])
def test_an_answer_that_contradicts_all_before_it_begins_anew(date_s):
    known = ServiceTime(at_us=0, low_us=BEGAN_US, high_us=BEGAN_US + 1000)
    reading = Reading(date_s=date_s, sent_us=5, read_us=6)
    assert known.narrowed(reading) == ServiceTime.of(reading)
