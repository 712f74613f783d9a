"""Which chips of an image touch an area of interest on the ground."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
import shapely
import shapely.affinity

from batch_job.errors import TooLargeError
from batch_job.imagery.chosen import Chosen
from batch_job.imagery.grid import count_chips, windows
from batch_job.place.arrays import Flags, Floats, Geometries
from batch_job.place.outlines import trace
from batch_job.place.polygons import POLYGON_TYPE, to_polygons
from batch_job.place.project import Ground, find_ground
from batch_job.ports import GroundTransform
from batch_job.settings.area_geojson import AreaFeature
from batch_job.values.image import ImageRef
from batch_job.values.place import Georeferencing
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipGrid, Window

BLOCK = 10_000
"""Chips placed at once, as in ``footprints``."""
MAX_CHIPS = 2_000_000
"""Of an image that is cut in part: half a minute, and 300 MB. With 1024-px chips it would have 10¹² pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class AreaOfInterest:
    """Where chips are cut, by the beginning of an image's key."""

    parts: Mapping[str, Geometries]
    """By prefix, polygons within ±180; shapely remembers what it prepared of each."""

    @classmethod
    def of(cls, features: Iterable[AreaFeature]) -> Self:
        """Put together the features of a file."""
        by_prefix: dict[str, list[shapely.Polygon]] = {}
        for feature in features:
            for polygon in feature.polygons:
                by_prefix.setdefault(feature.prefix, []).extend(within_180(polygon))
        parts = {prefix: np.array(polygons, dtype=object) for prefix, polygons in by_prefix.items()}
        for polygons in parts.values():
            shapely.prepare(polygons)
        return cls(parts)

    def for_key(self, key: str) -> Geometries | None:
        """Give the polygons that hold for a key: those of the longest prefix; None: it is not limited."""
        fitting = [prefix for prefix in self.parts if key.startswith(prefix)]
        return self.parts[max(fitting, key=len)] if fitting else None

    def choose(self, image: ImageRef, grid: ChipGrid, facts: RasterFacts, transform: GroundTransform) -> Chosen:
        """Choose the chips of an image; arguments and errors as those of ``choose``."""
        parts = self.for_key(image.key)
        return Chosen(grid) if parts is None else choose(grid, facts, parts, transform)


def within_180(polygon: shapely.Polygon) -> Iterator[shapely.Polygon]:
    """Cut a polygon at the antimeridian, and turn each piece to where it lies within ±180.

    The ``antimeridian`` package, which cuts footprints, moves the holes of a ring that leaves ±180 another way.
    """
    west, south, east, north = polygon.bounds
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        strip = shapely.box(360 * turn - 180, south - 1, 360 * turn + 180, north + 1)
        pieces = shapely.get_parts(polygon.intersection(strip))
        for piece in pieces[shapely.get_type_id(pieces) == POLYGON_TYPE]:
            yield shapely.affinity.translate(piece, xoff=-360.0 * turn)


def choose(grid: ChipGrid, facts: RasterFacts, parts: Geometries, transform: GroundTransform) -> Chosen:
    """Choose the chips whose footprints touch an area; those that have no place on Earth are cut too.

    Args:
        grid: How the image is cut.
        facts: Of the image as it is seen.
        parts: Polygons within ±180, as ``AreaOfInterest.for_key`` gives them.
        transform: For what no affine transform places.

    Raises:
        TooLargeError: there are too many chips to choose from.
    """
    ground = find_ground(facts, transform)
    if ground is None:
        return Chosen(grid, has_no_place=True)
    if ground.by is Georeferencing.AFFINE:  # others may fold: then a chip may reach beyond the image's outline
        whole = Window(col_off=0, row_off=0, width=grid.image_width, height=grid.image_height)
        [outline] = _footprints([whole], ground)
        if outline is not None and not shapely.intersects(parts, outline).any():
            return Chosen(grid, frozenset())
        if outline is not None and shapely.covers(parts, outline).any():
            return Chosen(grid)
    if count_chips(grid) > MAX_CHIPS:
        raise TooLargeError(f"{count_chips(grid):,} chips are too many to choose from by an area of interest")
    return Chosen(grid, frozenset(_chosen(windows(grid), parts, ground)))


def _chosen(every: Iterator[Window], parts: Geometries, ground: Ground) -> Iterator[Window]:
    while block := list(islice(every, BLOCK)):
        for which in np.flatnonzero(_touch(_footprints(block, ground), parts)).tolist():
            yield block[which]


def _touch(footprints: Geometries, parts: Geometries) -> Flags:
    """Tell which footprints share a point with any part, or are not known."""
    touching: Flags = np.asarray(shapely.is_missing(footprints))
    # a tree of what is many and small: each part is prepared once, and only asked about what is near it
    _, found = shapely.STRtree(footprints).query(parts, predicate="intersects")
    touching[found] = True
    return touching


def _footprints(chips: Sequence[Window], ground: Ground) -> Geometries:
    rings = _corners(np.array([(w.col_off, w.row_off, w.width, w.height) for w in chips], dtype=np.float64))
    middles = rings.mean(axis=1)
    lons, lats = ground.to_lonlat(cols=middles[:, 0], rows=middles[:, 1])
    polygons = np.full(len(chips), None, dtype=object)
    for outlines in trace(rings, ground):
        polygons[outlines.which] = to_polygons(outlines, (lons[outlines.which], lats[outlines.which]))
    return polygons


def _corners(boxes: Floats) -> Floats:
    """Give (n, 4, 2) columns and rows of (n, 4) offsets and sizes, counter-clockwise on a north-up image."""
    left, top, width, height = boxes.T
    right, bottom = left + width, top + height
    return np.stack(
        [np.stack(corner, axis=-1) for corner in ((left, bottom), (right, bottom), (right, top), (left, top))], axis=1
    )
