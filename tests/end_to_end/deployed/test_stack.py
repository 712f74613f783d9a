"""An ordinary night and an ordinary day over the stack; and what tells of days that were not."""

import pytest

from tests.end_to_end.deployed.stack import Stack


def test_a_night_and_a_day_bring_the_index_in_line_with_the_bucket(stack: Stack):
    with stack.before_it_stood():
        stack.put("ordinary/a.tif", 40)
        stack.put("ordinary/b.tif", 40, 200)
        stack.put("ordinary/gone.tif", 100)
    status = stack.night_passed()
    assert status["run"]["images"] | {"failed": 0, "left": 0} == status["run"]["images"]
    assert status["run"]["images"]["done"] == 3
    stack.assert_in_line()
    stack.put("ordinary/a.tif", 240)
    stack.delete("ordinary/gone.tif")
    status = stack.settled()
    stack.assert_in_line()
    assert status["concerns"] == []


def test_of_images_with_an_area_of_interest_only_what_touches_it_is_cut_at_night_and_by_day(stack: Stack):
    with stack.before_it_stood():
        stack.put("limited/night.tif", 20, 300)
    stack.night_passed()
    stack.put("limited/day.tif", 20, 300)
    stack.put("unlimited.tif", 20, 300)
    stack.settled()
    assert stack.lefts("limited/night.tif") == stack.lefts("limited/day.tif") == (20,)
    assert stack.lefts("unlimited.tif") == (20, 300)
    for key in ("limited/night.tif", "limited/day.tif"):
        stack.cars[key] = (20,)
    stack.assert_in_line()


def test_a_label_that_is_twice_in_the_index_is_noticed_and_one_that_is_missing(stack: Stack):
    stack.put("noticed/a.tif", 40, 300)
    stack.settled()
    stack.assert_in_line()
    index, labels = stack.site.index, stack.names.labels
    [again, *_] = (label for label in stack.labels() if label["key"] == "noticed/a.tif")
    index.index(index=labels, id="again", body=again)
    with pytest.raises(AssertionError):
        stack.assert_in_line()
    index.delete(index=labels, id="again")
    stack.assert_in_line()
    stack.cars["noticed/a.tif"] = (40,)
    with pytest.raises(AssertionError):
        stack.assert_in_line()
    stack.cars["noticed/a.tif"] = (40, 300)
