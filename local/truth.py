"""What lies in a scene, as GeoJSON, and how what was found compares with it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import antimeridian
import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from shapely.geometry.polygon import orient

from batch_job.values.spaces import Kind, PixelBox, corners
from local.rekognition.labels import PALETTE_HUES

MIN_IOU = 0.5
"""COCO's and Pascal VOC's usual bar for "the same object"."""

Numbers = Any
"""One float, or an array of them."""
Camera = Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]
"""Columns and rows to longitudes and latitudes."""
Center = tuple[float, float]
"""Longitude and latitude."""


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """An object, planted or found."""

    label: str
    box: PixelBox
    center: Center | None = field(default=None, compare=False)
    """Of a found object, where the index says that it is."""


@dataclass(frozen=True, slots=True)
class TrueObject:
    """A planted object."""

    label: str
    box: PixelBox
    """Exactly around its pixels."""
    outline: tuple[tuple[float, float], ...]
    """(column, row), the first again at the end."""


@dataclass(frozen=True, slots=True)
class Match:
    """A planted object and what was found of it."""

    truth: LabelledBox
    found: LabelledBox
    iou: float
    """Intersection over union of the boxes, 0–1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each planted object is matched or missed, each found one matched or extra."""

    matched: tuple[Match, ...]
    missed: tuple[LabelledBox, ...]
    extra: tuple[LabelledBox, ...]


def compare(found: Iterable[LabelledBox], truth: Iterable[LabelledBox], *, min_iou: float = MIN_IOU) -> Comparison:
    """Match one to one within each label, the best pairs first.

    Args:
        found: Boxes in image space. Two of one object: one is matched, the other is extra.
        truth: The same of what was planted.
        min_iou: Pairs below are no pairs; over 0.
    """
    found_of, truth_of = _by_label(found), _by_label(truth)
    matched: list[Match] = []
    missed: list[LabelledBox] = []
    extra: list[LabelledBox] = []
    for label in sorted(found_of.keys() | truth_of.keys()):
        here, there = found_of[label], truth_of[label]
        pairs = _best_pairs(here, there, min_iou=min_iou)
        matched += [Match(truth=there[j], found=here[i], iou=iou) for i, j, iou in pairs]
        used_here, used_there = {i for i, _, _ in pairs}, {j for _, j, _ in pairs}
        missed += [one for j, one in enumerate(there) if j not in used_there]
        extra += [one for i, one in enumerate(here) if i not in used_here]
    return Comparison(tuple(matched), tuple(missed), tuple(extra))


def read_boxes(path: Path) -> tuple[LabelledBox, ...]:
    """Read the palette's boxed objects from a truth, or from what ``imagery-backfill run --to FILE.geojson`` wrote.

    Regions, images and labels without a hue are passed over.
    """
    return boxes_of(orjson.loads(path.read_bytes()))


def boxes_of(collection: Mapping[str, Any]) -> tuple[LabelledBox, ...]:
    """Do as ``read_boxes`` with a FeatureCollection already read."""
    of_features = (feature["properties"] for feature in collection["features"])
    return tuple(
        LabelledBox(properties["label"], PixelBox(*properties["pixel_box"]), _center(properties.get("center")))
        for properties in of_features
        if properties.get("kind") == Kind.OBJECT and properties["label"] in PALETTE_HUES
    )


def _center(position: Mapping[str, float] | None) -> Center | None:
    return None if position is None else (position["lon"], position["lat"])


def to_geojson(objects: Sequence[TrueObject], camera: Camera | None) -> dict[str, Any]:
    """Describe objects as a FeatureCollection: ``geometry`` is the upright box on the ground, null without a camera."""
    geometries = _on_the_ground(objects, camera) if camera else [None] * len(objects)
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": geometry,
                "properties": {
                    "kind": Kind.OBJECT,
                    "label": one.label,
                    "pixel_box": [one.box.min_col, one.box.min_row, one.box.max_col, one.box.max_row],
                    "pixel_polygon": [list(corner) for corner in one.outline],
                },
            }
            for one, geometry in zip(objects, geometries, strict=True)
        ],
    }


def _by_label(boxes: Iterable[LabelledBox]) -> defaultdict[str, list[LabelledBox]]:
    groups: defaultdict[str, list[LabelledBox]] = defaultdict(list)
    for one in boxes:
        groups[one.label].append(one)
    return groups


def _best_pairs(
    found: Sequence[LabelledBox], truth: Sequence[LabelledBox], *, min_iou: float
) -> list[tuple[int, int, float]]:
    """Give (index of found, index of truth, IoU), no index twice."""
    here, there = _polygons(found), _polygons(truth)
    i, j = shapely.STRtree(there).query(here)
    shared = shapely.area(shapely.intersection(here[i], there[j]))
    ious = shared / (shapely.area(here[i]) + shapely.area(there[j]) - shared)
    pairs: list[tuple[int, int, float]] = []
    used_here: set[int] = set()
    used_there: set[int] = set()
    for at in np.lexsort((j, i, -ious)):
        a, b, iou = int(i[at]), int(j[at]), float(ious[at])
        if iou >= min_iou and a not in used_here and b not in used_there:
            pairs.append((a, b, iou))
            used_here.add(a)
            used_there.add(b)
    return pairs


def _polygons(boxes: Sequence[LabelledBox]) -> NDArray[Any]:
    sides = np.array([(b.box.min_col, b.box.min_row, b.box.max_col, b.box.max_row) for b in boxes]).reshape(-1, 4)
    return np.asarray(shapely.box(*sides.T))


def _on_the_ground(objects: Sequence[TrueObject], camera: Camera) -> list[dict[str, Any]]:
    pixels = np.array([list(corners(one.box)) for one in objects], dtype=float).reshape(-1, 4, 2)
    lons, lats = camera(pixels[..., 0], pixels[..., 1])
    return [_polygon(list(zip(*ring, strict=True))) for ring in zip(lons.tolist(), lats.tolist(), strict=True)]


def _polygon(ring: list[tuple[float, float]]) -> dict[str, Any]:
    polygon = shapely.Polygon(ring)
    west, _, east, _ = polygon.bounds
    # a box is small: a leap of half the globe is the antimeridian, or a pole in it
    if east - west > 180:
        return dict(shapely.geometry.mapping(antimeridian.fix_polygon(polygon)))
    return dict(shapely.geometry.mapping(orient(polygon)))
