"""Chips that touch an area of interest: the same as worked out in the image's own pixels."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.errors import TooLargeError
from batch_job.imagery.grid import count, windows
from batch_job.place.areas import AreaOfInterest, choose, within_180
from batch_job.settings.area_geojson import parse_area
from batch_job.values.image import ImageRef
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint, LonLat
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipGrid
from tests.unit.place.rasters import NoGround, affine, raster

IMAGE = ImageRef("imagery", "harbour/2026/a.tif")
CENTRES = {"EPSG:32633": (15, 52), "EPSG:32760": (179.95, -18), "EPSG:3857": (-70, 40), "EPSG:4326": (10, 30)}
SLACK_PX = 0.5
"""Chips that the area's border meets nearer than this may be either: outlines keep a tenth of a pixel."""


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def area_of(said: Any) -> AreaOfInterest:
    return AreaOfInterest.of(parse_area(json.dumps(said).encode(), name="area.geojson"))


def chosen_of(said: Any, facts: RasterFacts, grid: ChipGrid, key: str = IMAGE.key):
    return area_of(said).choose(ImageRef("imagery", key), grid, facts, GdalGroundTransform())


def grid_of(facts: RasterFacts, *, chip_px: int = 100, overlap_px: int = 0, overview_px: int = 0) -> ChipGrid:
    return ChipGrid(facts.width, facts.height, chip_px, overlap_px, overview_px)


@st.composite
def images(draw: st.DrawFn) -> RasterFacts:
    """Turned, sheared and mirrored, of 0.3 to 30 m a pixel, some across 180°."""
    crs = draw(st.sampled_from(sorted(CENTRES)))
    size = 10 ** draw(st.floats(-0.5, 1.5)) / (111_320 if crs == "EPSG:4326" else 1)
    linear = Affine.rotation(draw(st.floats(-180, 180))) @ Affine.shear(draw(st.floats(-30, 30)), 0)
    linear @= Affine.scale(size, draw(st.sampled_from((-1, 1))) * size)
    lon, lat = CENTRES[crs]
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    width, height = draw(st.integers(50, 2500)), draw(st.integers(50, 2500))
    off_x, off_y = linear @ (width / 2, height / 2)
    return affine(crs, Affine.translation(x - off_x, y - off_y) @ linear, width=width, height=height)


@st.composite
def stars(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Corners of a polygon around a place near the image, in shares of its sides."""
    col, row = draw(st.floats(-0.3, 1.3)), draw(st.floats(-0.3, 1.3))
    radii = draw(st.lists(st.floats(0.02, 0.6), min_size=3, max_size=9))
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    return [(col + r * np.cos(a), row + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]


def to_ground(facts: RasterFacts, corners: list[tuple[float, float]]) -> np.ndarray:
    """Longitudes and latitudes, (n, 2), without a jump."""
    pixels = np.array(corners) * (facts.width, facts.height)
    x, y = Affine(*facts.georeference.transform) @ (pixels[:, 0], pixels[:, 1])
    lons, lats = Transformer.from_crs(facts.georeference.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.column_stack([lons + 360 * np.round((lons[0] - lons) / 360), lats])


def to_pixels(facts: RasterFacts, ring: np.ndarray) -> shapely.Polygon:
    """The area as the image has it, its straight edges on the ground bent."""
    ends = np.roll(ring, -1, axis=0)
    along = np.linspace(0, 1, 200, endpoint=False)[:, None, None]
    dense = (ring + (ends - ring) * along).transpose(1, 0, 2).reshape(-1, 2)
    x, y = Transformer.from_crs("EPSG:4326", facts.georeference.crs, always_xy=True).transform(*dense.T)
    if facts.georeference.crs == "EPSG:4326":
        x = dense[:, 0]
    cols, rows = ~Affine(*facts.georeference.transform) @ (x, y)
    return shapely.Polygon(np.column_stack([cols, rows]))


@settings(deadline=None)
@given(facts=images(), star=stars(), chip_px=st.integers(80, 600), overlap=st.floats(0, 0.6))
def test_the_chips_that_are_cut_are_those_that_touch_the_area_in_the_images_own_pixels(facts, star, chip_px, overlap):
    ring = to_ground(facts, star)
    there = to_pixels(facts, ring)
    assume(there.is_valid and shapely.Polygon(ring).is_valid)
    grid = grid_of(facts, chip_px=chip_px, overlap_px=int(overlap * chip_px))
    said = {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]}
    chosen = chosen_of(said, facts, grid)
    surely, perhaps = there.buffer(-SLACK_PX), there.buffer(SLACK_PX)
    for window in windows(grid):
        land = shapely.box(
            window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height
        )
        if surely.intersects(land):
            assert window in chosen
        elif not perhaps.intersects(land):
            assert window not in chosen
    assert chosen.count == sum(window in chosen for window in windows(grid))
    assert chosen.count + chosen.skipped == count(grid)


def fiji() -> RasterFacts:
    """1,000 x 1,000 px of 20 m across 180°, from 179.9 to 180.1 about."""
    return affine("EPSG:32760", Affine(20, 0, 807_000, 0, -20, 8_009_000), width=1000, height=1000)


@pytest.mark.parametrize(
    "said",
    [
        box(179.95, -18.5, -179.95, -17.5),
        box(179.95, -18.5, 180.05, -17.5),
        box(-180.05, -18.5, -179.95, -17.5),
        {
            "type": "MultiPolygon",
            "coordinates": [
                box(179.95, -18.5, 180, -17.5)["coordinates"],
                box(-180, -18.5, -179.95, -17.5)["coordinates"],
            ],
        },
    ],
)
def test_an_area_across_the_antimeridian_is_the_same_however_it_is_written(said):
    facts = fiji()
    grid = grid_of(facts)
    chosen = chosen_of(said, facts, grid)
    corners = Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform([179.95, 180.05], [-18, -18])[0]
    first, last = ((np.array(corners) - 807_000) / 20 / 100).astype(int)
    assert {window.col_off // 100 for window in chosen.chips} == set(range(first, last + 1))
    assert 0 < chosen.count < count(grid)


def test_an_area_of_the_whole_world_limits_nothing_and_one_elsewhere_leaves_nothing():
    facts = fiji()
    grid = grid_of(facts, overview_px=100)
    whole = chosen_of(box(-180, -90, 180, 90), facts, grid)
    assert (whole.count, whole.skipped) == (101, 0)
    nothing = chosen_of(box(9, 53, 10, 54), facts, grid)
    assert (nothing.count, nothing.skipped, list(nothing.asked())) == (0, 101, [])


def test_a_hole_is_no_area():
    facts = affine("EPSG:32633", Affine(1, 0, 500_000, 0, -1, 5_800_000), width=1000, height=1000)
    said = box(14, 51, 16, 53)
    said["coordinates"].append(box(14.5, 52, 15.5, 52.9)["coordinates"][0])
    assert chosen_of(said, facts, grid_of(facts)).count == 0


@pytest.mark.parametrize(
    ("key", "where"),
    [("x.tif", "rest"), ("a/x.tif", "a"), ("a/b/x.tif", "ab"), ("a/bb.tif", "a"), ("A/x.tif", "rest")],
)
def test_the_longest_prefix_of_a_key_decides(key, where):
    boxes = {"a/": box(0, 0, 1, 1), "a/b/": box(2, 2, 3, 3), "": box(4, 4, 5, 5)}
    names = {"a": "a/", "ab": "a/b/", "rest": ""}
    features = [
        {"type": "Feature", "properties": {"prefix": prefix}, "geometry": geometry}
        for prefix, geometry in boxes.items()
    ]
    area = area_of({"type": "FeatureCollection", "features": features})
    [part] = area.for_key(key)
    assert part.equals(shapely.geometry.shape(boxes[names[where]]))


def test_keys_for_which_no_feature_holds_are_not_limited():
    said = {"type": "Feature", "properties": {"prefix": "a/"}, "geometry": box(0, 0, 1, 1)}
    facts = fiji()
    grid = grid_of(facts)
    assert chosen_of(said, facts, grid, "b/x.tif").skipped == 0
    assert chosen_of(said, facts, grid, "a/x.tif").count == 0


@pytest.mark.parametrize(
    "said",
    [
        Georeference(),
        Georeference(by=Georeferencing.EXIF, position=LonLat(9.5, 53.5)),
        Georeference(by=Georeferencing.AFFINE, crs=None, transform=(1, 0, 0, 0, -1, 0)),
    ],
)
def test_an_image_without_a_place_is_cut_whole_and_that_is_told(said):
    facts = raster(said)
    chosen = choose(grid_of(facts), facts, area_of(box(9, 53, 10, 54)).for_key("k"), NoGround())
    assert (chosen.skipped, chosen.has_no_place) == (0, True)


def test_images_placed_by_control_points_are_limited_too():
    corners = [(0, 0, 9.0, 54.0), (1000, 0, 10.0, 54.0), (1000, 800, 10.0, 53.0), (0, 800, 9.0, 53.0)]
    points = tuple(GroundControlPoint(col=col, row=row, x=lon, y=lat) for col, row, lon, lat in corners)
    facts = raster(Georeference(by=Georeferencing.GCPS, gcps=points, gcps_crs="EPSG:4326"))
    chosen = chosen_of(box(9.001, 53.99, 9.099, 54), facts, grid_of(facts))
    assert {(window.col_off, window.row_off) for window in chosen.chips} == {(0, 0)}


def test_a_chip_that_lies_beyond_the_outline_of_a_folded_image_is_found_too():
    def point(col: int, row: int) -> GroundControlPoint:
        u, v = col / 500 - 1, row / 400 - 1
        return GroundControlPoint(col=col, row=row, x=10 + 0.1 * (u**2 + v**2) + 0.02 * v, y=53 + 0.1 * u)

    points = tuple(point(col, row) for col in range(0, 1001, 250) for row in range(0, 801, 200))
    facts = raster(Georeference(by=Georeferencing.GCPS, gcps=points, gcps_crs="EPSG:4326"))
    chosen = chosen_of(box(9.99, 52.995, 10.0005, 53.005), facts, grid_of(facts))
    assert {(window.col_off, window.row_off) for window in chosen.chips} == set(product((400, 500), (300, 400)))


def test_a_header_of_a_million_million_pixels_is_refused_and_one_outside_is_not_cut_at_all():
    facts = affine("EPSG:32633", Affine(1e-4, 0, 500_000, 0, -1e-4, 5_800_000), width=10**7, height=10**7)
    with pytest.raises(TooLargeError, match="chips are too many to choose from"):
        chosen_of(box(14.99, 52.34, 15.001, 52.3446), facts, grid_of(facts))
    assert chosen_of(box(1, 1, 2, 2), facts, grid_of(facts)).count == 0
    assert chosen_of(box(14, 51, 16, 53), facts, grid_of(facts)).skipped == 0


@given(west=st.floats(-360, 300), width=st.floats(0.01, 360))
def test_pieces_within_180_make_up_the_whole(west, width):
    polygon = shapely.box(west, -10, min(west + width, 360), 10)
    pieces = list(within_180(polygon))
    assert sum(piece.area for piece in pieces) == pytest.approx(polygon.area)
    assert all(piece.bounds[0] >= -180 and piece.bounds[2] <= 180 + 1e-9 for piece in pieces)


def test_a_chip_without_a_place_on_earth_is_cut_beside_those_that_touch_the_area():
    facts = affine("EPSG:4326", Affine(0.1, 0, 0, 0, -0.1, 100), width=400, height=400)
    chosen = chosen_of(box(1, 61, 2, 62), facts, grid_of(facts))
    rows = {(window.col_off, window.row_off) for window in chosen.chips}
    assert rows == {(0, 300), *((col, 0) for col in range(0, 400, 100))}
