"""Regions on the ground: the union of the chips that carry a label, which may have several parts, and holes."""

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry import LinearRing, Point, Polygon
from shapely.geometry.base import BaseGeometry

from batch_job.place.outlines import trace
from batch_job.place.polygons import clean, to_polygons
from batch_job.place.project import Ground
from batch_job.place.sizes import areas_m2
from batch_job.values.spaces import Window


@dataclass(frozen=True, slots=True)
class _Face:
    """What a ring encloses on the ground."""

    polygon: BaseGeometry
    area_m2: float


@dataclass(frozen=True, slots=True)
class Region:
    """A union of windows: in pixels, and on the ground where all of it has a place there."""

    pixels: BaseGeometry
    polygon: BaseGeometry | None
    area_m2: float | None

    def inside_near(self, *, col: float, row: float) -> tuple[float, float]:
        """Give the column and row of that point if it is inside, else of some point inside."""
        near = Point(col, row)
        found = near if self.pixels.contains(near) else self.pixels.point_on_surface()
        return found.x, found.y


def place_region(windows: Sequence[Window], ground: Ground) -> Region:
    """Unite windows and place the union; holes are cut out on the ground."""
    squares = [
        shapely.box(each.col_off, each.row_off, each.col_off + each.width, each.row_off + each.height)
        for each in windows
    ]
    # the union keeps points in straight edges, where a third chip ended
    pixels = shapely.simplify(shapely.union_all(squares), 0)
    parts: list[Polygon] = list(shapely.get_parts(pixels))
    shells = [_face(part.exterior, ground) for part in parts]
    holes = [_face(hole, ground) for part in parts for hole in part.interiors]
    placed = [face for face in (*shells, *holes) if face is not None]
    if len(placed) < len(shells) + len(holes):
        return Region(pixels, polygon=None, area_m2=None)
    above, below = placed[: len(shells)], placed[len(shells) :]
    united = shapely.union_all([face.polygon for face in above])
    left = shapely.difference(united, shapely.union_all([face.polygon for face in below]))
    area_m2 = sum(face.area_m2 for face in above) - sum(face.area_m2 for face in below)
    return Region(pixels, clean(left), area_m2)


def _face(ring: LinearRing, ground: Ground) -> _Face | None:
    corners = shapely.get_coordinates(ring)[None, :-1]
    inside = shapely.get_coordinates(Polygon(ring).point_on_surface())
    lons, lats = ground.to_lonlat(cols=inside[:, 0], rows=inside[:, 1])
    for outlines in trace(corners, ground):
        for polygon, area_m2 in zip(to_polygons(outlines, (lons, lats)), areas_m2(outlines, (lons, lats)), strict=True):
            return None if polygon is None else _Face(polygon, float(area_m2))
    return None
