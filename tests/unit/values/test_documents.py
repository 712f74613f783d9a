"""Documents survive the way to the index and back."""

from hypothesis import given
from hypothesis import strategies as st

from batch_job.errors import ErrorCode
from batch_job.values.documents import ChipCounts, ImageDocument, LabelDocument, TimeSource, label_id
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.ledger import LabelSet, Lease, LedgerEntry, State, SupersededSet
from tests.strategies import footprints, images, names, positions

counts = st.integers(min_value=0, max_value=10**6)
maybe = st.none() | names
numbers = st.floats(min_value=0, max_value=1e9)
label_sets = st.builds(LabelSet, epoch=counts, count=counts)

descriptions = st.builds(
    ImageDocument,
    image=images,
    etag=names,
    size=counts,
    last_modified=names,
    time=names,
    time_source=st.sampled_from(TimeSource),
    format=maybe,
    width=st.none() | counts,
    footprint=st.none() | footprints(),
    center=st.none() | positions,
    labels=st.tuples() | st.tuples(names),
    chips=st.builds(ChipCounts, total=counts, sent=counts, blank=counts, rejected=counts),
    gsd_m=st.none() | numbers,
    cost_usd=st.none() | numbers,
    indexed_at=maybe,
)


@st.composite
def entries(draw: st.DrawFn) -> LedgerEntry:
    described = draw(st.none() | descriptions)
    sides = st.builds(SideFile, key=names, etag=names)
    failed = draw(st.booleans())
    return LedgerEntry(
        image=described.image if described else draw(images),
        state=draw(st.sampled_from(State)),
        version=ImageVersion(draw(names), draw(st.tuples() | st.tuples(sides)), draw(names), draw(names)),
        epoch=draw(counts),
        lease=draw(st.none() | st.builds(Lease, owner=names, until_ms=counts)),
        attempts=draw(st.integers(min_value=0, max_value=3)),
        token=draw(names),
        live=draw(st.none() | label_sets),
        superseded=draw(
            st.tuples() | st.tuples(st.builds(SupersededSet, epoch=counts, count=counts, declared_ms=counts))
        ),
        settings_revision=draw(counts),
        error_code=draw(st.sampled_from(ErrorCode)) if failed else None,
        error=draw(names) if failed else None,
        described=described,
    )


@given(entries())
def test_a_ledger_entry_round_trips(entry):
    assert LedgerEntry.from_source(entry.to_source()) == entry


@given(descriptions)
def test_a_description_round_trips(described):
    assert ImageDocument.from_source(described.to_source()) == described


@given(
    st.builds(
        LabelDocument,
        image=images,
        epoch=counts,
        ordinal=counts,
        label=names,
        pixel_ring=st.none() | st.lists(st.tuples(numbers, numbers), min_size=3).map(tuple),
        terms=st.tuples(names),
        categories=st.tuples(names),
        kind=st.sampled_from(["object", "region"]),
        confidence=st.floats(min_value=0, max_value=100),
        pixel_box=st.tuples(numbers, numbers, numbers, numbers),
        geometry=st.none() | footprints(),
        center=st.none() | positions,
        area_m2=st.none() | numbers,
        length_m=st.none() | numbers,
        width_m=st.none() | numbers,
        chips=counts,
        touches_edge=st.booleans(),
        etag=names,
        time=names,
        time_source=st.sampled_from(TimeSource),
        model_version=maybe,
    )
)
def test_a_label_round_trips(label):
    assert LabelDocument.from_source(label.to_source()) == label


@given(images, counts, counts, images, counts, counts)
def test_label_ids_are_equal_exactly_when_the_facts_are(image, epoch, ordinal, image_2, epoch_2, ordinal_2):
    same_id = label_id(image, epoch=epoch, ordinal=ordinal) == label_id(image_2, epoch=epoch_2, ordinal=ordinal_2)
    assert same_id == ((image, epoch, ordinal) == (image_2, epoch_2, ordinal_2))


def test_two_claims_never_write_the_same_label():
    image = ImageRef("b", "k")
    assert label_id(image, epoch=1, ordinal=10) != label_id(image, epoch=11, ordinal=0)
