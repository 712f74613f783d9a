"""STAC items: the projection extension's transform and CRS, and the outline that every item has."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from batch_job.values.place import Footprint, Georeference
from batch_job.values.raster import RasterFacts

AREAS = ("Polygon", "MultiPolygon")


def parse_stac_item(body: bytes, *, name: str, facts: RasterFacts) -> Georeference:
    """Read what an item says of one image.

    The asset that is the image counts before the item's own properties. A transform of another size of picture
    (``proj:shape``) is not this image's.

    Args:
        body: JSON.
        name: The image's file name, by which its asset is known.
        facts: Its size.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is no item.
    """
    item = json.loads(body)
    if item["type"] != "Feature":
        raise ValueError("is no STAC item")
    said = list(_said_of(item, name))
    return Georeference(
        crs=next((crs for fields in said if (crs := _crs(fields))), None),
        transform=next((found for fields in said if (found := _transform(fields, facts))), None),
        outline=_outline(item.get("geometry")),
    )


def _said_of(item: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for asset in item.get("assets", {}).values():
        if asset["href"].partition("?")[0].rpartition("/")[2] == name:
            yield asset
    yield item.get("properties") or {}


def _crs(fields: Mapping[str, Any]) -> str | None:
    """Find the CRS by whichever version of the extension."""
    if code := fields.get("proj:code"):
        return str(code)
    if code := fields.get("proj:epsg"):
        return f"EPSG:{int(code)}"
    if wkt := fields.get("proj:wkt2"):
        return str(wkt)
    return json.dumps(projjson) if (projjson := fields.get("proj:projjson")) else None


def _transform(fields: Mapping[str, Any], facts: RasterFacts) -> tuple[float, float, float, float, float, float] | None:
    numbers = fields.get("proj:transform")
    if not numbers or list(fields.get("proj:shape") or (facts.height, facts.width)) != [facts.height, facts.width]:
        return None
    # six, or the whole matrix with 0, 0, 1
    a, b, c, d, e, f = map(float, numbers[:6])
    return a, b, c, d, e, f


def _outline(geometry: Mapping[str, Any] | None) -> Footprint | None:
    if not geometry or geometry["type"] not in AREAS:
        return None
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    # heights, where there are any, are left out
    return Footprint(tuple(tuple(tuple((float(p[0]), float(p[1])) for p in ring) for ring in one) for one in polygons))
