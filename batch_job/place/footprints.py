"""Detections and images on the ground; the door of this room."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from batch_job.place.accuracy import estimate_error_m, explain_absence, heights_under
from batch_job.place.arrays import Floats
from batch_job.place.outlines import trace
from batch_job.place.polygons import to_footprints, to_outline, to_polygons, to_positions
from batch_job.place.project import Ground, find_ground
from batch_job.place.regions import place_region
from batch_job.place.shapes import place_shapes
from batch_job.place.sizes import areas_m2, ground_sample_m, sides_m
from batch_job.ports import GroundTransform
from batch_job.values.place import Footprint, Georeferencing, LonLat
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Feature, ImageDetection, Kind, PixelBox, corners

BLOCK = 10_000
"""Boxes placed at once: about 50 MB of arrays, and no faster with more."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where an image is. None: not known."""

    georeferencing: Georeferencing
    """What its place was computed from, which need not be the first thing that it says of it."""
    footprint: Footprint | None = None
    center: LonLat | None = None
    gsd_m: float | None = None
    """Mean of a pixel's width and height on the ground, at the image's centre."""
    crs: str | None = None
    """``EPSG:…``, or its name where it has no code."""
    origin: str | None = None
    """Key of the file beside the image that says where it is; None: the image itself."""
    error_m: float | None = None
    """How far from the truth it may be, by estimate."""
    note: str | None = None
    """Why the image, or what is in it, has no place; what was wrong with files beside it."""


def place_image(facts: RasterFacts, transform: GroundTransform) -> ImagePlace:
    """Place an image; one with no more than an outline or a camera's position gets that alone."""
    ground = find_ground(facts, transform)
    if ground is None:
        return _without_ground(facts)
    whole = PixelBox(min_col=0, min_row=0, max_col=facts.width, max_row=facts.height)
    place = _place_boxes([whole], ground)
    footprint = place.footprints[0]
    said, heights = facts.georeference, heights_under(facts, ground, transform)
    return ImagePlace(
        georeferencing=ground.by,
        footprint=footprint,
        center=place.centers[0],
        gsd_m=ground_sample_m(ground, width=facts.width, height=facts.height),
        crs=ground.crs,
        origin=said.origin,
        error_m=estimate_error_m(facts, ground, transform, heights),
        note=_joined(said.note, heights.note, None if footprint is not None else "its outline has no place on Earth"),
    )


def _without_ground(facts: RasterFacts) -> ImagePlace:
    said, note = facts.georeference, _joined(facts.georeference.note, explain_absence(facts))
    outline = None if said.outline is None else to_outline(said.outline)
    if outline is not None:
        footprint, center = outline
        return ImagePlace(Georeferencing.STAC, footprint=footprint, center=center, origin=said.origin, note=note)
    if said.position is not None:
        return ImagePlace(Georeferencing.EXIF, center=said.position, note=note)
    return ImagePlace(Georeferencing.NONE, note=note)


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note is not None) or None


def place_features(
    detections: Sequence[ImageDetection], facts: RasterFacts, transform: GroundTransform
) -> list[Feature]:
    """Place detections, in their order: objects by their boxes or shapes, regions by the union of their chips.

    Where the ground cannot be computed, or a shape collapses at the precision of the coordinates, a feature has no
    footprint; a camera's position places the image, never what is seen in it.
    """
    ground = find_ground(facts, transform)
    if ground is None:
        return [Feature(found, footprint=None, center=None, area_m2=None, length_m=None) for found in detections]
    placed: list[Feature] = []
    for start in range(0, len(detections), BLOCK):
        block = detections[start : start + BLOCK]
        place = _place_boxes([found.box for found in block], ground)
        sides = place.lengths_m, place.widths_m
        features = zip(block, place.footprints, place.centers, place.areas_m2, *sides, strict=True)
        placed.extend(place_shapes([_as_region(Feature(*values), ground) for values in features], ground))
    return placed


@dataclass(frozen=True, slots=True)
class _Places:
    """What is known of each of some boxes, in their order."""

    footprints: list[Footprint | None]
    centers: list[LonLat | None]
    areas_m2: list[float | None]
    lengths_m: list[float | None]
    widths_m: list[float | None]


def _place_boxes(boxes: Sequence[PixelBox], ground: Ground) -> _Places:
    rings = np.array([list(corners(box)) for box in boxes])
    middles = rings.mean(axis=1)
    lons, lats = ground.to_lonlat(cols=middles[:, 0], rows=middles[:, 1])
    polygons = np.full(len(boxes), None, dtype=object)
    areas, lengths, widths = np.full((3, len(boxes)), np.nan)
    for outlines in trace(rings, ground):
        which = outlines.which
        inside = lons[which], lats[which]
        polygons[which] = to_polygons(outlines, inside)
        areas[which], (lengths[which], widths[which]) = areas_m2(outlines, inside), sides_m(outlines)
    return _Places(to_footprints(polygons), to_positions(lons, lats), _known(areas), _known(lengths), _known(widths))


def _as_region(feature: Feature, ground: Ground) -> Feature:
    """Put the union of its chips in place of a region's box; an object stays as it is."""
    found = feature.detection
    if found.kind is not Kind.REGION:
        return feature
    region = place_region(found.windows, ground)
    col, row = region.inside_near(
        col=(found.box.min_col + found.box.max_col) / 2, row=(found.box.min_row + found.box.max_row) / 2
    )
    lons, lats = ground.to_lonlat(cols=np.array([col]), rows=np.array([row]))
    return replace(
        feature,
        footprint=to_footprints([region.polygon])[0],
        center=to_positions(lons, lats)[0],
        area_m2=region.area_m2,
    )


def _known(values: Floats) -> list[float | None]:
    return [value if isfinite(value) else None for value in values.tolist()]
