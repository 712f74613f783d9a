"""Rasters and detections made for this room's tests, and what every footprint must be."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from hypothesis import assume
from hypothesis import strategies as st
from pyproj import Transformer

from batch_job.values.place import Footprint, Georeference, Georeferencing, GroundControlPoint
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ImageDetection, Kind, Label, PixelBox, Window

IMAGERY = Path(__file__).parents[3].parent / "shared" / "imagery"
"""Real images beside the checkout; tests that need one skip when it is absent."""

BOAT = Label("Boat")


class NoGround:
    """A ground transform for images that need none."""

    def to_lonlat(self, georeference: Georeference, *, cols: Any, rows: Any) -> Any:
        raise AssertionError(f"asked to place {georeference}")


def raster(georeference: Georeference, *, width: int = 1000, height: int = 800) -> RasterFacts:
    return RasterFacts(
        driver="GTiff",
        width=width,
        height=height,
        dtypes=("uint8",),
        color_interp=("gray",),
        nodata=(None,),
        georeference=georeference,
    )


def affine(crs: str | None, transform: Affine, **size: int) -> RasterFacts:
    return raster(Georeference(by=Georeferencing.AFFINE, crs=crs, transform=tuple(transform)[:6]), **size)


def from_file(path: Path) -> RasterFacts:
    """As the raster adapter reads it, of what this room looks at."""
    with rasterio.open(path) as source:
        points, points_crs = source.gcps
        if source.crs:
            said = Georeference(
                by=Georeferencing.AFFINE, crs=source.crs.to_string(), transform=tuple(source.transform)[:6]
            )
        else:
            said = Georeference(
                by=Georeferencing.GCPS,
                gcps_crs=points_crs.to_string(),
                gcps=tuple(GroundControlPoint(col=p.col, row=p.row, x=p.x, y=p.y, z=p.z or 0) for p in points),
            )
        return raster(said, width=source.width, height=source.height)


def boat(min_col: float, min_row: float, max_col: float, max_row: float) -> ImageDetection:
    box = PixelBox(min_col=min_col, min_row=min_row, max_col=max_col, max_row=max_row)
    return ImageDetection(BOAT, 90.0, Kind.OBJECT, box, (Window(col_off=0, row_off=0, width=1024, height=1024),))


def harbour(*windows: Window) -> ImageDetection:
    """A region."""
    around = PixelBox(
        min_col=min(w.col_off for w in windows),
        min_row=min(w.row_off for w in windows),
        max_col=max(w.col_off + w.width for w in windows),
        max_row=max(w.row_off + w.height for w in windows),
    )
    return ImageDetection(Label("Harbour"), 80.0, Kind.REGION, around, tuple(sorted(windows)))


def shape(footprint: Footprint | None) -> shapely.geometry.base.BaseGeometry:
    assert footprint is not None
    return shapely.geometry.shape(footprint.to_geojson())


def assert_sound(footprint: Footprint | None) -> None:
    """What OpenSearch and RFC 7946 ask of a polygon."""
    geometry = shape(footprint)
    assert geometry.is_valid, shapely.is_valid_reason(geometry)
    for polygon in shapely.get_parts(geometry):
        assert polygon.area > 0
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)
        west, south, east, north = polygon.bounds
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
        for ring in (polygon.exterior, *polygon.interiors):
            points = list(ring.coords)
            assert points[0] == points[-1]
            assert len(set(points)) == len(points) - 1 >= 3
            assert all(value == round(value, 9) for point in points for value in point)


CRSS = (
    "EPSG:32618",
    "EPSG:32760",
    "EPSG:3857",
    "EPSG:4326",
    "EPSG:3413",
    "EPSG:3031",
    "EPSG:26913",
    "EPSG:2056",
    "EPSG:2048",
    "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=40 +lon_0=15 +ellps=GRS80 +units=us-ft",
)
"""Among them a zone at the antimeridian, both poles, both axis orders, axes that point south, and feet."""

POLES = {"EPSG:3413": 90.0, "EPSG:3031": -90.0}


@st.composite
def placed_rasters(draw: st.DrawFn) -> RasterFacts:
    """Images anywhere in the reach of a CRS, turned, sheared and mirrored, of 0.3 m to 1 km a pixel.

    A third of those in polar CRSs have the pole itself in, or exactly on, a corner or an edge.
    """
    crs = draw(st.sampled_from(CRSS))
    width, height = draw(st.integers(20, 4000)), draw(st.integers(20, 4000))
    size = 10 ** draw(st.floats(-0.5, 3)) / (111_320 if crs == "EPSG:4326" else 1)
    linear = Affine.rotation(draw(st.floats(-180, 180))) @ Affine.shear(draw(st.floats(-30, 30)), 0)
    linear @= Affine.scale(size, draw(st.sampled_from((-1, 1))) * size * draw(st.floats(0.5, 2)))
    anchor_col, anchor_row = draw(st.sampled_from((0.0, 0.5, 0.3, 1.0))), draw(st.sampled_from((0.0, 0.5, 1.0)))
    x, y = _anchor(draw, crs)
    off_x, off_y = linear @ (anchor_col * width, anchor_row * height)
    transform = Affine.translation(x - off_x, y - off_y) @ linear
    assume(transform != Affine.identity())  # which means that there is none
    return affine(crs, transform, width=width, height=height)


def _anchor(draw: st.DrawFn, crs: str) -> tuple[float, float]:
    if crs in POLES and draw(st.integers(0, 2)) == 0:
        return 0.0, 0.0
    to_crs = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    lon, lat = draw(_centres(crs))
    x, y = to_crs.transform(lon, lat)
    return float(x), float(y)


def _centres(crs: str) -> st.SearchStrategy[tuple[float, float]]:
    around = {
        "EPSG:32618": (-75, 30),
        "EPSG:32760": (179, -30),
        "EPSG:26913": (-105, 40),
        "EPSG:2056": (8, 47),
        "EPSG:2048": (19, -30),
    }
    if crs in around:
        lon, lat = around[crs]
        return st.tuples(st.floats(lon - 2, lon + 2).map(_in_range), st.floats(lat - 5, lat + 5))
    if crs in POLES:
        return st.tuples(st.floats(-180, 180), st.floats(60, 90).map(lambda lat: np.sign(POLES[crs]) * lat))
    if crs.startswith("+proj=lcc"):
        return st.tuples(st.floats(0, 30), st.floats(30, 60))
    return st.tuples(st.one_of(st.floats(-180, 180), st.floats(179.9, 180)), st.floats(-75, 75))


def _in_range(lon: float) -> float:
    return (lon + 180) % 360 - 180
