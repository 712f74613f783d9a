from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.imagery.names import BESIDE_PX, INSIDE_HEIGHTS, Name, Rectangle, place_names

WIDTH, HEIGHT = 400, 300
edges = st.integers(-20, 390)


@st.composite
def names(draw: st.DrawFn) -> Name:
    left, top = draw(edges), draw(st.integers(-20, 290))
    box = Rectangle(left, top, left + draw(st.integers(1, 200)), top + draw(st.integers(1, 200)))
    return Name(box, width=draw(st.floats(5, 120)), height=17)


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def contains(outer: Rectangle, inner: Rectangle) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and outer.right >= inner.right
        and outer.bottom >= inner.bottom
    )


def placed(*named: Name) -> list[Rectangle | None]:
    return place_names(named, width=WIDTH, height=HEIGHT)


@settings(max_examples=300)
@given(st.lists(names(), max_size=12))
def test_no_name_is_cut_off_or_hides_a_name_or_another_box(named: list[Name]):
    places = placed(*named)
    assert len(places) == len(named)
    written = [place for place in places if place is not None]
    assert all(contains(Rectangle(0, 0, WIDTH, HEIGHT), place) for place in written)
    assert not any(overlap(one, other) for one, other in combinations(written, 2))
    for name, place in zip(named, places, strict=True):
        for other in named:
            if place is not None and not contains(other.box, name.box):
                assert not overlap(place, other.box)


@settings(max_examples=200)
@given(names())
def test_a_name_hides_what_it_names_only_where_that_is_much_larger(name: Name):
    (place,) = placed(name)
    if place is not None and overlap(place, name.box):
        assert name.box.bottom - name.box.top >= INSIDE_HEIGHTS * name.height
        assert contains(name.box, place)


def at(left: float, top: float, right: float, bottom: float, *, width: float = 60) -> Name:
    return Name(Rectangle(left, top, right, bottom), width=width, height=17)


def test_a_name_stands_above_its_box():
    assert placed(at(100, 100, 150, 140)) == [Rectangle(96, 79, 156, 96)]


def test_a_name_stands_below_where_there_is_no_room_above():
    assert placed(at(100, 5, 150, 40)) == [Rectangle(96, 44, 156, 61)]


def test_a_name_is_moved_in_from_the_right():
    assert placed(at(380, 100, 399, 140)) == [Rectangle(WIDTH - 60, 79, WIDTH, 96)]


def test_a_name_stands_beside_a_box_as_high_as_the_picture():
    assert placed(at(100, 0, 150, HEIGHT)) == [Rectangle(154, 0, 214, 17)]


def test_a_name_stands_in_a_box_as_large_as_the_picture():
    assert placed(at(0, 0, WIDTH, HEIGHT)) == [Rectangle(BESIDE_PX, BESIDE_PX, 60 + BESIDE_PX, 17 + BESIDE_PX)]


def test_earlier_names_go_first_and_one_without_room_is_left_out():
    first, second = at(0, 0, 200, 50, width=190), at(0, 72, 200, HEIGHT, width=390)
    assert placed(first, second)[1] is None
    assert placed(first, second)[0] == Rectangle(0, 54, 190, 71)
    assert placed(second, first) == [Rectangle(0, 51, 390, 68), Rectangle(204, 0, 394, 17)]


def test_a_box_within_another_is_named_within_that():
    around, within = at(20, 20, 380, 280), at(200, 150, 210, 160)
    places = placed(around, within)
    assert places[1] == Rectangle(196, 129, 256, 146)


def test_a_name_wider_than_the_picture_is_left_out():
    assert placed(at(100, 100, 150, 140, width=WIDTH + 1)) == [None]


def test_without_boxes_there_are_no_names():
    assert placed() == []
