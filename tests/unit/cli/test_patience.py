"""How the command line treats images that fail."""

import io
from collections import Counter

import pytest
from rich.console import Console

from batch_job.cli.patience import LEFT_IN_A_ROW, TRIES, Patience
from batch_job.errors import (
    AccessError,
    DetectorDownError,
    DiskFullError,
    ErrorCode,
    OutOfBudgetError,
    UnavailableError,
)
from batch_job.ports import Count
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.work import Failed, Indexed, Removed, Skipped, SkipReason

IMAGE = ImageRef("b", "k.tif")


class Door:
    """Patience with what it says and how long it waits."""

    def __init__(self):
        self.tally, self.said, self.waits = Tally(), io.StringIO(), []
        self.patience = Patience(self.tally, Console(file=self.said, width=200), sleep=self.waits.append)

    def visit(self, *results):
        """Visit an image that ends as each result in turn."""
        ends = iter(results)

        def reconcile(image):
            end = next(ends)
            if isinstance(end, Exception):
                raise end
            return end

        self.patience.visit(IMAGE, reconcile)


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_transient_error_is_tried_again_with_growing_waits(door):
    door.visit(UnavailableError("x"), UnavailableError("x"), Indexed(IMAGE, 3))
    assert door.tally.images == {"indexed": 1}
    assert len(door.waits) == 2
    assert door.waits[0] < door.waits[1]
    assert door.patience.exit_code == 0


def test_after_the_last_try_it_is_left_and_named(door):
    door.visit(*[UnavailableError("the index is away")] * TRIES)
    assert door.tally.images == {"left": 1}
    assert "left for a later run: s3://b/k.tif: the index is away" in door.said.getvalue()
    assert door.patience.exit_code == 75


def test_several_left_in_a_row_stop_the_run(door):
    for _ in range(LEFT_IN_A_ROW - 1):
        door.visit(*[UnavailableError("x")] * TRIES)
    with pytest.raises(UnavailableError):
        door.visit(*[UnavailableError("x")] * TRIES)


def test_one_that_works_starts_the_row_again(door):
    for _ in range(3 * LEFT_IN_A_ROW):
        door.visit(*[UnavailableError("x")] * TRIES)
        door.visit(Indexed(IMAGE, 0))


@pytest.mark.parametrize(
    "error", [AccessError("no"), OutOfBudgetError("spent"), DiskFullError("full"), DetectorDownError("no")]
)
def test_what_would_meet_every_image_stops_at_once(door, error):
    with pytest.raises(type(error)):
        door.visit(error)
    assert not door.waits
    assert door.tally.images == {"left": 1}


def test_a_failed_image_is_named_and_gives_its_own_exit_code(door):
    door.visit(Failed(IMAGE, ErrorCode.UNREADABLE, "truncated"))
    assert "failed: s3://b/k.tif: unreadable: truncated" in door.said.getvalue()
    assert door.patience.exit_code == 65
    assert door.tally.errors == {"unreadable": 1}


def test_a_busy_image_is_left_for_later(door):
    door.visit(Skipped(IMAGE, SkipReason.BUSY))
    assert door.tally.images == {"left": 1}


def test_what_is_skipped_for_good_is_done(door):
    door.visit(Skipped(IMAGE, SkipReason.SAME))
    door.visit(Removed(IMAGE))
    assert door.tally.images == {"skipped_same": 1, "removed": 1}
    assert door.patience.exit_code == 0


def test_what_failed_before_and_is_not_tried_again_still_counts_as_failed(door):
    door.visit(Skipped(IMAGE, SkipReason.SAME, ErrorCode.UNREADABLE))
    door.visit(Skipped(IMAGE, SkipReason.ARCHIVED, ErrorCode.ARCHIVED))
    assert door.tally.images == {"failed_before": 2}
    assert door.tally.errors == {"unreadable": 1, "archived": 1}
    assert door.patience.exit_code == 65


def test_why_an_image_was_left_is_remembered(door):
    door.visit(Skipped(IMAGE, SkipReason.BUSY))
    assert door.patience.left == {IMAGE: "another worker has it (busy)"}
    with pytest.raises(OutOfBudgetError):
        door.visit(OutOfBudgetError("spent"))
    assert door.patience.left == {IMAGE: "spent"}


def test_a_defect_of_ours_does_not_take_the_neighbours_along(door, capsys):
    door.visit(ZeroDivisionError("oops"))
    door.visit(Indexed(IMAGE, 1))
    assert door.tally.images == {"left": 1, "indexed": 1}
    assert door.patience.exit_code == 70
    assert "a defect of ours" in door.said.getvalue()


def test_a_visit_that_is_repeated_counts_its_chips_once_and_its_calls_as_often_as_they_were_made(door):
    def visit(image):
        door.tally.add(Count.CHIPS, 5)
        door.tally.add(Count.BLANK, 2)
        door.tally.add(Count.ANSWERS, 3)
        door.tally.add(Count.LABELS, 7)
        if door.tally.counts[Count.ANSWERS] < 6:
            raise UnavailableError("the index is away")
        return Indexed(image, 7)

    door.patience.visit(IMAGE, visit)
    assert door.tally.counts == Counter({Count.CHIPS: 5, Count.BLANK: 2, Count.ANSWERS: 6, Count.LABELS: 7})
