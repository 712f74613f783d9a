"""What a GeoJSON file says of an area of interest (RFC 7946), checked; everything wrong with it is said with its cure.

Longitudes may leave ±180 (to ±360), and an edge longer than half a turn is taken the short way round: so areas across
the antimeridian are understood as most programs write them. An edge from -180 to 180 is the whole turn where that makes
sense, as in a map of the world.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from batch_job.errors import SettingsError

MAX_LON_DEG = 360.0
WHOLE_DEG, NONE_DEG = 360.0, 0.0
MIN_POSITIONS = 4
GEOMETRIES = ("Polygon", "MultiPolygon", "GeometryCollection")
WGS84_NAMES = ("CRS84", "EPSG::4326", "EPSG:4326", "4326")
"""Ends of what the ``crs`` member of older GeoJSON may say."""
CONVERT = "write it in longitude and latitude (WGS 84): ogr2ogr -t_srs EPSG:4326 -f GeoJSON new.geojson old"


@dataclass(frozen=True, slots=True, eq=False)
class AreaFeature:
    """Some polygons, and the keys that they hold for."""

    prefix: str
    """Of those keys; empty: of all for which there is no longer prefix."""
    polygons: tuple[shapely.Polygon, ...]
    """Valid, in degrees; without jumps, so that longitudes leave ±180 where one crosses the antimeridian."""


class _WrongError(Exception):
    """Where in the file, what is wrong, and what helps."""


def parse_area(body: bytes, *, name: str) -> tuple[AreaFeature, ...]:
    """Read a Feature, a FeatureCollection, a Polygon, a MultiPolygon or a GeometryCollection of these.

    Args:
        body: The file.
        name: Its path or URI, for messages.

    Raises:
        SettingsError: names the file, the feature, and what to do.
    """
    try:
        features = tuple(
            AreaFeature(prefix, _all_polygons(geometry, where))
            for where, geometry, prefix in _features(orjson.loads(body))
        )
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"area_of_interest {name}: is not JSON: {error}") from error
    except _WrongError as error:
        raise SettingsError(f"area_of_interest {name}: {error}") from error
    if not features:
        raise SettingsError(f"area_of_interest {name}: holds no polygon; an area takes one at least")
    return features


def _features(said: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield where each feature stands, its geometry and its prefix."""
    kind = said.get("type") if isinstance(said, dict) else None
    if kind is not None:
        _check_crs(said.get("crs"))
    if kind == "FeatureCollection":
        for number, feature in enumerate(_listed(said.get("features"), "`features`"), start=1):
            yield _feature(feature, where=f"feature {number}")
    elif kind == "Feature":
        yield _feature(said, where="the feature")
    elif kind in GEOMETRIES:
        yield f"the {kind}", said, ""
    else:
        raise _WrongError(
            f"is no area: its type is {kind!r}, not FeatureCollection, Feature, {', '.join(GEOMETRIES[:2])} or "
            f"{GEOMETRIES[2]}"
        )


def _feature(feature: Any, *, where: str) -> tuple[str, Any, str]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise _WrongError(f"{where} is no Feature")
    properties = feature.get("properties") or {}
    title = feature.get("id", properties.get("name") if isinstance(properties, dict) else None)
    where = where if title is None else f"{where} ({title})"
    prefix = properties.get("prefix") if isinstance(properties, dict) else None
    if not isinstance(prefix, str | None):
        raise _WrongError(f"{where}: its property prefix is {prefix!r}, where keys begin with text")
    return where, feature.get("geometry"), prefix or ""


def _check_crs(crs: Any) -> None:
    """Refuse another CRS where an older file names one; whether a file without a name is right, its numbers tell."""
    if crs is not None and not json.dumps(crs).rstrip('"}] ').endswith(WGS84_NAMES):
        raise _WrongError(f"its crs is {json.dumps(crs)}; {CONVERT}")


def _listed(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongError(f"{where} is no list")
    return value


def _all_polygons(geometry: Any, where: str) -> tuple[shapely.Polygon, ...]:
    """Read the polygons of a feature; without one, nobody knows whether its keys are looked at nowhere or all over."""
    polygons = tuple(_polygons(geometry, where))
    if not polygons:
        raise _WrongError(f"{where} holds no polygon: draw one, or take it out")
    return polygons


def _polygons(geometry: Any, where: str) -> Iterator[shapely.Polygon]:
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind is None:
        raise _WrongError(f"{where} has no geometry: draw its polygon, or take it out")
    if kind not in GEOMETRIES:
        raise _WrongError(f"{where} is a {kind}, which has no area: draw it as a Polygon, or take it out")
    if kind == "Polygon":
        yield _polygon(geometry.get("coordinates"), where)
    for number, rings in enumerate(_members(geometry, where, of="MultiPolygon", member="coordinates"), start=1):
        yield _polygon(rings, f"{where}, polygon {number}")
    for number, one in enumerate(_members(geometry, where, of="GeometryCollection", member="geometries"), start=1):
        yield from _polygons(one, f"{where}, geometry {number}")


def _members(geometry: Mapping[str, Any], where: str, *, of: str, member: str) -> list[Any]:
    return _listed(geometry.get(member), where) if geometry["type"] == of else []


def _polygon(rings: Any, where: str) -> shapely.Polygon:
    """Make a valid polygon; edges from -180 to 180 are the whole turn if that makes one, else no way at all."""
    positions = [_ring(ring, f"{where}, ring {n}") for n, ring in enumerate(_listed(rings, where), start=1)]
    if not positions:
        raise _WrongError(f"{where} has no ring")
    readings = [_built([_without_jumps(ring, kept_deg=kept) for ring in positions]) for kept in (WHOLE_DEG, NONE_DEG)]
    for polygon in readings:
        if polygon is not None and polygon.is_valid and polygon.area:
            return _within_two_turns(polygon, where)
    if readings[-1] is None:
        raise _WrongError(f"{where} goes round a pole: draw it as a box, from -180 to 180 and up to latitude 90 or -90")
    reason = shapely.is_valid_reason(readings[-1])
    raise _WrongError(
        f"{where} is no polygon in order: {'it has no area' if reason == 'Valid Geometry' else reason} "
        "(longitude, latitude); mend it: ogr2ogr -makevalid new.geojson old.geojson"
    )


def _within_two_turns(polygon: shapely.Polygon, where: str) -> shapely.Polygon:
    """Refuse a spiral, which would be cut into as many pieces as it has turns."""
    west, _, east, _ = polygon.bounds
    if east - west > 2 * WHOLE_DEG:
        raise _WrongError(f"{where} goes round the Earth more than twice: draw it as a box, from -180 to 180")
    return polygon


def _ring(positions: Any, where: str) -> NDArray[np.float64]:
    """Read a ring, (n, 2) longitudes and latitudes, the first again at the end."""
    listed = _listed(positions, where)
    if not all(isinstance(one, list) and len(one) > 1 and set(map(type, one)) <= {int, float} for one in listed):
        raise _WrongError(f"{where} is no list of positions [longitude, latitude]")
    ring = np.array([one[:2] for one in listed], dtype=np.float64).reshape(-1, 2)
    beyond = (np.abs(ring) > (MAX_LON_DEG, 90)).any(axis=1)
    if beyond.any():
        lon, lat = ring[beyond][0].tolist()
        raise _WrongError(f"{where}: ({lon}, {lat}) is no longitude and latitude in degrees; {CONVERT}")
    if len(ring) < MIN_POSITIONS:
        raise _WrongError(f"{where} has {len(ring)} positions: a ring has {MIN_POSITIONS} at least")
    if (ring[0] != ring[-1]).any():
        raise _WrongError(f"{where} is not closed: its last position must be its first again")
    return ring


def _without_jumps(ring: NDArray[np.float64], *, kept_deg: float) -> NDArray[np.float64] | None:
    """Take edges longer than half a turn, but not ``kept_deg``, the short way; None where that leads round a pole."""
    steps = np.diff(ring[:, 0])
    jumps = -np.sign(steps) * ((np.abs(steps) > 180) & (np.abs(steps) != kept_deg))
    turns = np.concatenate([[0], np.cumsum(jumps)])
    return None if turns[-1] else ring + 360 * turns[:, None] * (1, 0)


def _built(rings: list[NDArray[np.float64] | None]) -> shapely.Polygon | None:
    shell, *holes = rings
    if shell is None:
        return None
    middle = float(shell[:, 0].mean())
    near = [_turned(hole, towards=middle) for hole in holes if hole is not None]
    return shapely.Polygon(shell, near) if len(near) == len(holes) else None


def _turned(ring: NDArray[np.float64], *, towards: float) -> NDArray[np.float64]:
    moved = ring.copy()
    moved[:, 0] += 360 * np.round((towards - ring[:, 0].mean()) / 360)
    return moved
