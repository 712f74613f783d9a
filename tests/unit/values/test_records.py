"""What goes into the archive comes out again."""

from hypothesis import given
from hypothesis import strategies as st

from batch_job.values.answers import ChipBlank, ChipRejected, RawAnswer, answer_from_ndjson
from batch_job.values.place import Footprint, Georeference, Georeferencing, GroundControlPoint, LonLat
from batch_job.values.raster import RasterFacts
from tests.strategies import footprints, frames, names

finite = st.floats(allow_nan=False, allow_infinity=False)
answers = st.one_of(
    st.builds(RawAnswer, frames(), engine=names, body=st.binary(max_size=50), model_version=names),
    st.builds(ChipRejected, frames(), code=names, message=names),
    st.builds(ChipBlank, frames()),
)
georeferences = st.builds(
    Georeference,
    by=st.sampled_from(Georeferencing),
    crs=st.none() | names,
    transform=st.none() | st.tuples(*[finite] * 6),
    gcps=st.lists(st.builds(GroundControlPoint, col=finite, row=finite, x=finite, y=finite, z=finite)).map(tuple),
    gcps_crs=st.none() | names,
    rpcs=st.dictionaries(names, names, max_size=3).map(lambda rpcs: tuple(sorted(rpcs.items()))),
    position=st.none() | st.builds(LonLat, lon=st.floats(-180, 180), lat=st.floats(-90, 90)),
)


@given(answers)
def test_an_answer_is_one_line_that_round_trips(answer):
    line = answer.to_ndjson()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert answer_from_ndjson(line) == answer


@given(georeferences)
def test_a_georeference_round_trips(georeference):
    assert Georeference.from_json(georeference.to_json()) == georeference


@given(georeferences, st.none() | finite | st.just(float("inf")), st.integers(min_value=1, max_value=5))
def test_raster_facts_round_trip(georeference, nodata, bands):
    facts = RasterFacts(
        driver="GTiff",
        width=10,
        height=20,
        dtypes=("uint16",) * bands,
        color_interp=("gray",) * bands,
        nodata=(nodata,) * bands,
        palette=((1, 2, 3, 255), (4, 5, 6, 0)),
        bits=12,
        acquired="2026-01-01T00:00:00Z",
        georeference=georeference,
    )
    assert RasterFacts.from_json(facts.to_json()) == facts


@given(footprints())
def test_a_footprint_round_trips_through_geojson(footprint):
    assert Footprint.from_geojson(footprint.to_geojson()) == footprint
