"""The order in which an image's statements about its place are tried, each after the other failed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

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
