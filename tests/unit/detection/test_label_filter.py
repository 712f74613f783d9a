"""Which labels are kept: the golden pairs say it, and a rule written a second time agrees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.detection.label_filter import LabelFilter
from batch_job.detection.merge import merge
from batch_job.values.spaces import ImageDetection, Kind, Label, PixelBox, Window
from tests.golden_files import cases, check, load

WINDOW = Window(col_off=0, row_off=0, width=100, height=100)
NAMES = ("Car", "CAR", "Boat", "Vehicle", "vehicle", "Straße", "STRASSE", "ﬁn", "FIN")

names = st.sampled_from(NAMES)
several = st.lists(names, max_size=3).map(tuple)
labels = st.builds(Label, name=names, parents=several, aliases=several, categories=several)


def found(label: Label, kind: Kind = Kind.OBJECT) -> ImageDetection:
    return ImageDetection(label, 90.0, kind, PixelBox(0, 0, 10, 10), (WINDOW,))


@pytest.mark.parametrize("case", cases("labels"), ids=lambda case: case.name)
def test_the_choice_of_labels(case):
    facts = load(case)
    detections = [
        found(Label(one["name"], tuple(one["parents"]), tuple(one.get("aliases", ()))), Kind(one["kind"]))
        for one in facts["seen"]
    ]
    choice = LabelFilter(include=tuple(facts["include"]), exclude=tuple(facts["exclude"]))
    check(case, [f"{one.label.name} ({one.kind})" for one in choice.kept(detections)])


@given(labels, several, several)
def test_the_rule_is_the_words_one_by_one(label: Label, include: tuple[str, ...], exclude: tuple[str, ...]):
    def same(one: str, other: str) -> bool:
        return one.casefold() == other.casefold()

    excluded = any(same(label.name, one) for one in exclude)
    included = any(same(word, one) for one in include for word in (label.name, *label.parents))
    expected = not excluded and (included or include == ())
    assert LabelFilter(include=include, exclude=exclude).wants(label) is expected


@given(st.lists(labels), several, several)
def test_what_is_kept_keeps_its_order_and_twice_is_as_once(seen, include, exclude):
    choice = LabelFilter(include=include, exclude=exclude)
    detections = [found(label) for label in seen]
    kept = list(choice.kept(detections))
    assert kept == [one for one in detections if choice.wants(one.label)]
    assert list(choice.kept(kept)) == kept


@given(st.lists(st.sampled_from([Label("Car", ("Vehicle",)), Label("Boat"), Label("Tree")])), several)
def test_choosing_after_merging_is_choosing_before(seen, include):
    choice = LabelFilter(include=include, exclude=("Tree",))
    detections = [found(label, kind) for label in seen for kind in Kind]
    assert list(choice.kept(merge(detections))) == merge(choice.kept(detections))
