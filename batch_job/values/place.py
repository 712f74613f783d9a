"""Where things are: positions and footprints in WGS 84, and what an image says about its own place."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Self

from batch_job.errors import GeometryError

Ring = tuple[tuple[float, float], ...]
"""(longitude, latitude) in degrees; the first position again at the end."""


@dataclass(frozen=True, slots=True)
class LonLat:
    """A position in WGS 84, degrees."""

    lon: float
    lat: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lon) and -180 <= self.lon <= 180 and -90 <= self.lat <= 90):
            raise GeometryError(f"not a position on Earth: lon {self.lon}, lat {self.lat}")


@dataclass(frozen=True, slots=True)
class Footprint:
    """One or more polygons in WGS 84: valid, shells counter-clockwise (RFC 7946 §3.1.6), split at the antimeridian."""

    polygons: tuple[tuple[Ring, ...], ...]
    """Of each polygon its shell, then its holes."""

    def to_geojson(self) -> dict[str, Any]:
        """Encode as a GeoJSON Polygon or MultiPolygon."""
        rings = [[[list(position) for position in ring] for ring in polygon] for polygon in self.polygons]
        if len(rings) == 1:
            return {"type": "Polygon", "coordinates": rings[0]}
        return {"type": "MultiPolygon", "coordinates": rings}

    @classmethod
    def from_geojson(cls, geometry: Mapping[str, Any]) -> Self:
        """Decode what ``to_geojson`` wrote."""
        rings = geometry["coordinates"]
        polygons = [rings] if geometry["type"] == "Polygon" else rings
        return cls(tuple(tuple(tuple((float(x), float(y)) for x, y in ring) for ring in p) for p in polygons))


class Georeferencing(StrEnum):
    """What an image's place was computed from."""

    AFFINE = auto()
    GCPS = auto()
    """By a polynomial through ground control points."""
    GCPS_PROJECTIVE = auto()
    """As a plane seen by a camera; through four points, exactly."""
    GCPS_THIN_PLATE = auto()
    """By a thin plate spline, which meets every point."""
    RPCS = auto()
    STAC = auto()
    """An outline only: where the image is, not what in it is where."""
    EXIF = auto()
    """A position only: where the camera was."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class GroundControlPoint:
    """A pixel whose place is known, in the units of the points' CRS."""

    col: float
    row: float
    x: float
    y: float
    z: float = 0.0


@dataclass(frozen=True, slots=True)
class Heights:
    """How well the heights of the ground are known on which rational polynomials place pixels."""

    error_m: float | None = None
    """Of a DEM's heights above the ellipsoid, root mean square; None: one height is taken for all of the ground."""
    note: str | None = None
    """Why a DEM that was given does not count, or not everywhere."""


@dataclass(frozen=True, slots=True)
class Georeference:
    """All that an image says about its place; enough to compute it again without the image."""

    by: Georeferencing = Georeferencing.NONE
    """What is tried first; then the others, in the order of ``place.project.PREFERENCE``."""
    crs: str | None = None
    """Of the transform: ``EPSG:…`` where it has a code, else WKT 2."""
    transform: tuple[float, float, float, float, float, float] | None = None
    """(a, b, c, d, e, f) of ``x = a·col + b·row + c``, ``y = d·col + e·row + f``, as in the affine package."""
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: str | None = None
    """As ``crs``."""
    rpcs: tuple[tuple[str, str], ...] = ()
    """GDAL's RPC metadata, names and texts, sorted."""
    position: LonLat | None = None
    """Where the camera was."""
    outline: Footprint | None = None
    """Of the image, as a STAC item beside it says; neither checked nor cut at the antimeridian."""
    origin: str | None = None
    """Key of the file beside the image that says what ``by`` names; None: the image itself does."""
    note: str | None = None
    """What was wrong with files beside the image."""

    @property
    def places_pixels(self) -> bool:
        """Tell whether it says where each pixel is, not only where the image is."""
        return self.by not in (Georeferencing.NONE, Georeferencing.EXIF, Georeferencing.STAC)

    def to_json(self) -> dict[str, Any]:
        """Encode for ``image.json``."""
        return {
            "by": str(self.by),
            "crs": self.crs,
            "transform": None if self.transform is None else list(self.transform),
            "gcps": [[point.col, point.row, point.x, point.y, point.z] for point in self.gcps],
            "gcps_crs": self.gcps_crs,
            "rpcs": dict(self.rpcs),
            "position": None if self.position is None else [self.position.lon, self.position.lat],
            "outline": None if self.outline is None else self.outline.to_geojson(),
            "origin": self.origin,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Decode what ``to_json`` wrote."""
        position, outline = facts["position"], facts.get("outline")
        return cls(
            by=Georeferencing(facts["by"]),
            crs=facts["crs"],
            transform=None if facts["transform"] is None else tuple(facts["transform"]),
            gcps=tuple(GroundControlPoint(*point) for point in facts["gcps"]),
            gcps_crs=facts["gcps_crs"],
            rpcs=tuple(sorted(facts["rpcs"].items())),
            position=None if position is None else LonLat(lon=position[0], lat=position[1]),
            outline=None if outline is None else Footprint.from_geojson(outline),
            origin=facts.get("origin"),
            note=facts.get("note"),
        )
