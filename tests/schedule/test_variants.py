"""Each rule is needed: without it a stored schedule fails, which passes with it."""

import json

import pytest

from tests.schedule.oracle import Violation
from tests.schedule.run import run
from tests.schedule.soak import FAILING_SEEDS
from tests.schedule.variants import VARIANTS

STORED: dict[str, int] = json.loads(FAILING_SEEDS.read_text())


def test_every_variant_has_a_stored_schedule() -> None:
    assert STORED.keys() == VARIANTS.keys(), "find them anew: python -m tests.schedule.soak --variants"


@pytest.mark.parametrize("name", STORED)
def test_a_schedule_fails_when_the_rule_is_taken_out(name: str) -> None:
    with pytest.raises(Violation):  # and nothing else: a variant that no longer fits the code proves nothing
        VARIANTS[name].run(STORED[name])


@pytest.mark.parametrize("seed", sorted(set(STORED.values())))
def test_the_same_schedule_passes_with_all_rules(seed: int) -> None:
    run(seed)
