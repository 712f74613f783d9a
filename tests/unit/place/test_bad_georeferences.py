"""Georeferences that lead nowhere: an image has no place, or a sound one, and says why; nothing raises."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.place.footprints import place_features, place_image
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint
from tests.unit.adapters.test_gdal_transform import RPCS, rpcs
from tests.unit.place.rasters import assert_sound, boat, raster

NOWHERE = "leads to no place on Earth"
ABSURD = st.sampled_from(("nan", "inf", "-inf", "0", "1e300", "-1e300", "1e-300", "", "words", "1 2 3", "-1"))
NUMBERS = st.sampled_from((0.0, 1.0, -1.0, 1e-300, 1e12, -1e12, 1e300, float("nan"), float("inf"), 500_000.0, 45.0))
FOUND = [boat(10, 10, 60, 30), boat(0, 0, 1000, 800)]


def checked(said: Georeference) -> None:
    """Place an image and what is in it: soundly, or not at all and with a reason."""
    facts = raster(said)
    place = place_image(facts, GdalGroundTransform())
    features = place_features(FOUND, facts, GdalGroundTransform())
    for footprint in (place.footprint, *(feature.footprint for feature in features)):
        if footprint is not None:
            assert_sound(footprint)
    assert place.footprint is not None or place.note is not None
    for figure in (place.gsd_m, place.error_m, *(feature.area_m2 for feature in features)):
        assert figure is None or (np.isfinite(figure) and figure >= 0)
    assert len(features) == len(FOUND)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(RPCS)), ABSURD, min_size=1, max_size=4), st.sampled_from(["0", "nan", "x"])
)
def test_absurd_coefficients_place_soundly_or_not_at_all(changed: dict[str, str], bias: str) -> None:
    checked(rpcs(**changed, ERR_BIAS=bias))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(name for name in RPCS if name.endswith("COEFF"))), st.integers(0, 19), NUMBERS)
def test_one_absurd_term_places_soundly_or_not_at_all(name: str, at: int, value: float) -> None:
    terms = RPCS[name].split()
    terms[at] = repr(value)
    checked(rpcs(**{name: " ".join(terms)}))


@settings(max_examples=150, deadline=None)
@given(st.tuples(*[NUMBERS] * 6), st.sampled_from(["EPSG:4326", "EPSG:32633", "EPSG:3413", "EPSG:3857"]))
def test_absurd_transforms_place_soundly_or_not_at_all(transform: tuple[float, ...], crs: str) -> None:
    checked(Georeference(by=Georeferencing.AFFINE, crs=crs, transform=transform))


points = st.builds(
    GroundControlPoint,
    col=st.sampled_from((0.0, 400.0, 1000.0, float("nan"), 1e300)),
    row=st.sampled_from((0.0, 400.0, 800.0, float("inf"), -1e12)),
    x=st.sampled_from((10.0, 10.1, 10.2, 190.0, 1e300, float("nan"))),
    y=st.sampled_from((45.0, 45.1, 44.9, 95.0, float("inf"))),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(points, min_size=1, max_size=14))
def test_absurd_points_place_soundly_or_not_at_all(gcps: list[GroundControlPoint]) -> None:
    checked(Georeference(by=Georeferencing.GCPS, gcps_crs="EPSG:4326", gcps=tuple(gcps)))


LINE = tuple(GroundControlPoint(c, 2 * c, 10 + c / 1e4, 45 - c / 1e4) for c in range(0, 400, 40))


@pytest.mark.parametrize(
    "said",
    [
        Georeference(by=Georeferencing.AFFINE, crs="EPSG:32633", transform=tuple(Affine(1, 1, 5e5, 1, 1, 5e6))[:6]),
        Georeference(by=Georeferencing.AFFINE, crs="EPSG:32633", transform=(float("inf"), 0, 0, 0, 1, 0)),
        Georeference(by=Georeferencing.AFFINE, crs="EPSG:32633", transform=(1, 0, float("nan"), 0, -1, 0)),
        Georeference(by=Georeferencing.AFFINE, crs="EPSG:4326", transform=(30, 0, 5e5, 0, -30, 4e6)),
        *(Georeference(by=Georeferencing.GCPS, gcps_crs="EPSG:4326", gcps=LINE[:n]) for n in (1, 2, 3, 4, 6, 10)),
        Georeference(by=Georeferencing.GCPS, gcps_crs="EPSG:4326", gcps=LINE[:1] * 12),
        rpcs(LINE_DEN_COEFF=" ".join(["0"] * 20)),
        rpcs(LAT_OFF="nan"),
        rpcs(LONG_SCALE="1e300"),
        rpcs(HEIGHT_OFF="inf"),
    ],
    ids=[
        *("singular", "infinite", "nan", "metres-for-degrees", "one-point", "two-points", "three-on-a-line"),
        *("four-on-a-line", "six-on-a-line", "ten-on-a-line", "one-place", "rpcs-over-0", "rpcs-nan", "rpcs-huge"),
        "rpcs-infinite",
    ],
)
def test_what_leads_nowhere_says_so(said: Georeference) -> None:
    place = place_image(raster(said), GdalGroundTransform())
    assert (place.georeferencing, place.footprint, place.center) == (Georeferencing.NONE, None, None)
    assert place.note == NOWHERE
    assert [feature.footprint for feature in place_features(FOUND, raster(said), GdalGroundTransform())] == [None, None]


def test_what_leads_nowhere_does_not_hide_what_is_good_beside_it() -> None:
    both = replace(rpcs(), by=Georeferencing.AFFINE, crs="EPSG:32633", transform=(1.0, 1.0, 0.0, 1.0, 1.0, 0.0))
    assert place_image(raster(both), GdalGroundTransform()).georeferencing is Georeferencing.RPCS
