"""The order in which an image's statements about its place are tried, each after the other failed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from batch_job.place.control_points import suits_points
from batch_job.place.footprints import place_image
from batch_job.place.project import find_ground
from batch_job.values.place import Footprint, Georeference, Georeferencing, GroundControlPoint, LonLat
from tests.unit.place.rasters import raster

CORNERS = tuple(
    GroundControlPoint(col=col, row=row, x=12 + col / 1e4, y=50 - row / 1e4, z=0)
    for col, row in ((0, 0), (1000, 0), (1000, 800), (0, 800))
)
EVERYTHING = Georeference(
    by=Georeferencing.AFFINE,
    crs="EPSG:32633",
    transform=(0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0),
    gcps=CORNERS,
    gcps_crs="EPSG:4326",
    rpcs=(("LAT_OFF", "50"),),
    outline=Footprint(((((10.0, 50.0), (11.0, 50.0), (11.0, 51.0), (10.0, 51.0), (10.0, 50.0)),),)),
    position=LonLat(lon=9.0, lat=48.0),
)
NO_AFFINE = replace(EVERYTHING, transform=None)
BY_PORT = (Georeferencing.GCPS_PROJECTIVE, Georeferencing.GCPS, Georeferencing.RPCS)


class Working:
    """A ground transform by which some ways work, and others lead nowhere."""

    def __init__(self, *ways: Georeferencing) -> None:
        self.ways = ways
        self.asked: list[Georeferencing] = []

    def to_lonlat(self, georeference: Georeference, *, cols: Any, rows: Any) -> Any:
        self.asked.append(georeference.by)
        if georeference.by in self.ways:
            return 12 + cols / 1e4, 50 - rows / 1e4
        return np.full(cols.shape, np.nan), np.full(cols.shape, np.nan)


@pytest.mark.parametrize("by", [Georeferencing.GCPS, Georeferencing.RPCS])
def test_an_affine_transform_is_the_first_to_be_tried_when_what_was_named_fails(by):
    transform = Working()
    ground = find_ground(raster(replace(EVERYTHING, by=by)), transform)
    assert ground.by is Georeferencing.AFFINE
    # nothing but what was named had been asked
    assert set(transform.asked) <= ({Georeferencing.RPCS} if by is Georeferencing.RPCS else set(BY_PORT[:2]))


@pytest.mark.parametrize("first", range(len(BY_PORT)))
def test_without_an_affine_transform_four_corners_come_before_a_polynomial_and_that_before_rpcs(first):
    transform = Working(*BY_PORT[first:])
    assert find_ground(raster(NO_AFFINE), transform).by is BY_PORT[first]
    assert tuple(dict.fromkeys(transform.asked)) == BY_PORT[: first + 1]


def test_an_outline_is_taken_when_nothing_places_pixels_and_a_cameras_position_last():
    facts = raster(NO_AFFINE)
    assert place_image(facts, Working()).georeferencing is Georeferencing.STAC
    assert place_image(facts, Working()).footprint is not None
    alone = place_image(raster(replace(NO_AFFINE, outline=None)), Working())
    assert (alone.georeferencing, alone.footprint, alone.center) == (Georeferencing.EXIF, None, LonLat(lon=9, lat=48))
    nowhere = place_image(raster(replace(NO_AFFINE, outline=None, position=None)), Working())
    assert (nowhere.georeferencing, nowhere.center) == (Georeferencing.NONE, None)


class Shifted:
    """Fits that place every pixel as many columns beside its point; a spline none."""

    def __init__(self, *, polynomial_px: float) -> None:
        self.polynomial_px = polynomial_px

    def to_lonlat(self, georeference: Georeference, *, cols: Any, rows: Any) -> Any:
        off_px = 0.0 if georeference.by is Georeferencing.GCPS_THIN_PLATE else self.polynomial_px
        return 12 + (cols + off_px) / 1e4, 50 - rows / 1e4


def by_points(by: Georeferencing, *, count: int) -> Georeference:
    points = tuple(
        GroundControlPoint(col=10 * at, row=at**2 % 97, x=12 + 10 * at / 1e4, y=50 - at**2 % 97 / 1e4, z=0)
        for at in range(count)
    )
    return Georeference(by=by, gcps=points, gcps_crs="EPSG:4326")


@pytest.mark.parametrize(("count", "suits"), [(3, False), (4, True), (5, False)])
def test_four_points_and_no_others_are_a_plane_seen_by_a_camera(count, suits):
    said = by_points(Georeferencing.GCPS_PROJECTIVE, count=count)
    assert suits_points(said, Shifted(polynomial_px=0)) is suits


@pytest.mark.parametrize(("count", "suits"), [(9, False), (10, True), (500, True), (501, False)])
def test_a_spline_takes_neither_few_points_nor_very_many(count, suits):
    said = by_points(Georeferencing.GCPS_THIN_PLATE, count=count)
    assert suits_points(said, Shifted(polynomial_px=5)) is suits


@pytest.mark.parametrize(("off_px", "suits"), [(0.9, False), (1.2, True)])
def test_a_polynomial_that_meets_its_points_within_a_pixel_is_taken_as_it_is(off_px, suits):
    said = by_points(Georeferencing.GCPS_THIN_PLATE, count=20)
    # a column is 0.64 of a row here, so that a pixel is 1.3 columns large
    assert suits_points(said, Shifted(polynomial_px=1.3 * off_px)) is suits
