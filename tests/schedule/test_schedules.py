"""500 seeds: at rest the index says what the bucket says, whatever happened on the way. ``make soak`` runs 50,000."""

from collections import Counter
from functools import cache

import pytest

from tests.schedule.soak import run_chunk

SEEDS = 500
CHUNK = 25

MUST_BE_COVERED = {
    *(f"fault.{name}" for name in ("kill_before", "kill_after", "stall_before", "stall_after", "twice", "late")),
    *("fault.error_before", "fault.error_after", "fault.partly"),
    *(f"action.{name}" for name in ("overwrite", "same_bytes", "delete", "side", "freeze_or_restore")),
    *("action.change_settings", "action.start_night", "action.start_pass", "event.lost", "event.twice"),
    *(f"outcome.skipped.{name}" for name in ("absent", "archived", "busy", "older_settings", "same")),
    *(f"outcome.failed.{name}" for name in ("abandoned", "archived", "bad_geometry", "unreadable")),
    *("outcome.indexed", "outcome.removed", "ledger.taken_over", "ledger.deleted", "ledger.abandoned"),
    *("attempts.reset", "write.recognised", "write.repeated", "labels.late", "late.refused"),
    *("redo.detection.indexed", "redo.detection.failed", "redo.failed.failed"),
    *("readers.unchanged", "frozen.asked_for_pixels"),
    *("paid.twice", "paid.after_loss", "error.LateError", "error.UnavailableError"),
}


@cache
def covered(first: int) -> tuple[Counter[str], dict[int, str]]:
    _, seen, failed = run_chunk(first, CHUNK)
    return seen, failed


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_schedule_ends_with_the_index_as_a_function_of_the_bucket(first: int) -> None:
    _, failed = covered(first)
    assert not failed, f"see `python -m tests.schedule.soak --story SEED`: {failed}"


def test_the_schedules_meet_every_kind_of_trouble() -> None:
    seen: Counter[str] = Counter()
    for first in range(0, SEEDS, CHUNK):
        seen.update(covered(first)[0])
    assert {name for name in MUST_BE_COVERED if not seen[name]} == set()


def test_a_seed_is_played_the_same_way_every_time() -> None:
    assert run_chunk(7, 3) == run_chunk(7, 3)
