"""What somebody asks the labels index."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batch_job.errors import GeometryError, InputError
from batch_job.values.place import LonLat

FARTHEST_M = 20_037_509.0
"""Half the equator: no two places are farther apart."""


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")
"""What both Python and OpenSearch take for ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LonLatBox:
    """A box in WGS 84, degrees; with ``west`` over ``east`` it crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        LonLat(lon=self.west, lat=self.south)
        LonLat(lon=self.east, lat=self.north)
        if not self.south < self.north or self.west == self.east or (self.west, self.east) == (180, -180):
            raise GeometryError(f"a box without an inside (west, south, east, north are due): {self}")

    def parts(self) -> tuple["LonLatBox", ...]:
        """Give the same place in boxes that do not cross the antimeridian."""
        if self.west < self.east:
            return (self,)
        halves = []
        if self.west < 180:
            halves.append(LonLatBox(west=self.west, south=self.south, east=180.0, north=self.north))
        if self.east > -180:
            halves.append(LonLatBox(west=-180.0, south=self.south, east=self.east, north=self.north))
        return tuple(halves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """What is no farther from a position than ``radius_m``."""

    position: LonLat
    radius_m: float

    def __post_init__(self) -> None:
        if not 0 < self.radius_m <= FARTHEST_M or math.isnan(self.radius_m):
            raise GeometryError(f"not a distance on Earth: {self.radius_m} m")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQuery:
    """Conditions on labels; all that are given must hold."""

    label: str | None = None
    """A label, one of its parents or aliases, whole, in any case."""
    text: str | None = None
    """Words of labels, parents, aliases and categories, or a piece of the image's key, in any case."""
    min_confidence: float | None = None
    within: LonLatBox | None = None
    """Labels that touch the box; those without a geometry by their center, here and with ``area``."""
    near: Near | None = None
    """Labels whose center is near."""
    area: Mapping[str, Any] | None = None
    """A GeoJSON Polygon or MultiPolygon in WGS 84 that labels touch."""
    min_length_m: float | None = None
    image: str | None = None
    """An image's uri (``s3://…``), or its key in any bucket."""
    since: str | None = None
    """A day or a moment in ISO 8601, UTC unless it says otherwise; of the image's time, itself included."""
    until: str | None = None
    """The same, but not itself."""
    limit: int | None = None
    """At most so many; None: all."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, not {self.limit}")
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and not _is_moment(moment):
                raise InputError(f"{name} must be like 2026-05-31 or 2026-05-31T09:30:00Z, not {moment!r}")
        if self.area is not None and self.area.get("type") not in ("Polygon", "MultiPolygon"):
            raise GeometryError(f"an area must be a Polygon or a MultiPolygon, not {self.area.get('type')}")


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _MOMENT.fullmatch(text) is not None
