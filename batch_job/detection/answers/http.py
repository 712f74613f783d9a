"""Answers of model servers: the contract of OSML, or our plain form. ``docs/detectors.md`` states both.

OSML: https://github.com/awslabs/osml-model-runner, its guide for model developers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from batch_job.detection.answers.fields import (
    read_box,
    read_confidence,
    read_json,
    read_list,
    read_mapping,
    read_name,
    read_number,
    shown,
)
from batch_job.detection.answers.shapes import Outline, read_position, read_ring, read_turned_box
from batch_job.errors import AnswerError
from batch_job.values.spaces import ChipDetection, ChipFrame, Label

OSML_TOP_SCORE = 1.0
_OLD_OSML = {"bounds_imcoords", "geom_imcoords"}
"""Names of OSML's earlier contract; models that use them give a point at 0, 0 for a geometry."""


def parse_http(body: bytes, frame: ChipFrame, *, min_confidence: float = 0.0) -> list[ChipDetection]:
    """Read a FeatureCollection, or an array of features.

    Raises:
        AnswerError: neither; or a feature of neither form.
    """
    answer = read_json(body)
    if isinstance(answer, dict) and answer.get("type") == "FeatureCollection":
        answer = answer.get("features")
    elif not isinstance(answer, list):
        raise AnswerError(f"expected a FeatureCollection or an array of features, found {shown(answer)}")
    found = []
    for i, item in enumerate(read_list(answer, where="features")):
        where = f"features[{i}]"
        detection = _detection(read_mapping(item, where=where), frame, where=where)
        if detection is not None and detection.confidence >= min_confidence:
            found.append(detection)
    return found


def _detection(feature: Mapping[str, Any], frame: ChipFrame, *, where: str) -> ChipDetection | None:
    properties = read_mapping(feature.get("properties"), where=f"{where}.properties")
    if "featureClasses" in properties:
        return _osml(feature, properties, frame, where=where)
    if "label" in properties:
        return _plain(feature, properties, frame, where=where)
    raise AnswerError(f"{where}.properties: neither featureClasses nor label, but {shown(sorted(properties))}")


def _osml(
    feature: Mapping[str, Any], properties: Mapping[str, Any], frame: ChipFrame, *, where: str
) -> ChipDetection | None:
    """One feature is one object: of its classes the likeliest names it, the first of equals."""
    if feature.get("geometry") is not None and not _OLD_OSML & properties.keys():
        raise AnswerError(f"{where}.geometry: expected null beside featureClasses, found {shown(feature['geometry'])}")
    classes = read_list(properties["featureClasses"], where=f"{where}.properties.featureClasses")
    if not classes:
        raise AnswerError(f"{where}.properties.featureClasses: empty")
    read = [_osml_class(entry, where=f"{where}.properties.featureClasses[{i}]") for i, entry in enumerate(classes)]
    label, confidence = max(read, key=lambda found: found[1])
    return _detected(label, confidence, _osml_outline(properties, frame, where=f"{where}.properties"))


def _detected(label: Label, confidence: float, outline: Outline | None) -> ChipDetection | None:
    return None if outline is None else ChipDetection(label, confidence, outline.box, outline.shape)


def _osml_class(entry: Any, *, where: str) -> tuple[Label, float]:
    facts = read_mapping(entry, where=where)
    iri = read_name(facts.get("iri"), where=f"{where}.iri")
    return Label(iri), read_confidence(facts.get("score"), out_of=OSML_TOP_SCORE, where=f"{where}.score")


def _osml_outline(properties: Mapping[str, Any], frame: ChipFrame, *, where: str) -> Outline | None:
    """Take the polygon, else the box: a model may give a point as geometry, and the box beside it."""
    geometry = properties.get("imageGeometry")
    if isinstance(geometry, dict) and geometry.get("type") == "Polygon":
        return _geometry(geometry, frame, where=f"{where}.imageGeometry")
    if properties.get("geom_imcoords") is not None:
        return read_ring(properties["geom_imcoords"], frame, where=f"{where}.geom_imcoords")
    for name in ("imageBBox", "bounds_imcoords"):
        if properties.get(name) is not None:
            edges = _edges(properties[name], where=f"{where}.{name}")
            box = read_box(edges, frame, where=f"{where}.{name}")
            return None if box is None else Outline(box)
    if geometry is not None:
        return _geometry(geometry, frame, where=f"{where}.imageGeometry")
    raise AnswerError(f"{where}: neither imageBBox nor imageGeometry, but {shown(sorted(properties))}")


def _edges(value: Any, *, where: str) -> Sequence[float]:
    edges = read_list(value, where=where)
    if len(edges) != 4:
        raise AnswerError(f"{where}: expected [minx, miny, maxx, maxy], found {shown(edges)}")
    return [read_number(edge, where=f"{where}[{i}]") for i, edge in enumerate(edges)]


def _plain(
    feature: Mapping[str, Any], properties: Mapping[str, Any], frame: ChipFrame, *, where: str
) -> ChipDetection | None:
    """Without a geometry, or a box that is turned, it is somewhere in the chip."""
    label = Label(read_name(properties["label"], where=f"{where}.properties.label"))
    confidence = read_confidence(properties.get("confidence"), where=f"{where}.properties.confidence")
    if properties.get("rotated_box") is not None:
        outline = read_turned_box(properties["rotated_box"], frame, where=f"{where}.properties.rotated_box")
        return _detected(label, confidence, outline)
    if "geometry" not in feature:
        raise AnswerError(f"{where}.geometry: missing; null says that it is somewhere in the chip")
    if feature["geometry"] is None:
        return ChipDetection(label, confidence, box=None)
    return _detected(label, confidence, _geometry(feature["geometry"], frame, where=f"{where}.geometry"))


def _geometry(geometry: Any, frame: ChipFrame, *, where: str) -> Outline | None:
    """Give a polygon's outer ring; of any other geometry the bounds are the box."""
    if isinstance(geometry, dict) and geometry.get("type") == "Polygon":
        rings = read_list(geometry.get("coordinates"), where=f"{where}.coordinates")
        if not rings:
            raise AnswerError(f"{where}: no positions in {shown(geometry)}")
        return read_ring(rings[0], frame, where=f"{where}.coordinates[0]")
    box = read_box(_bounds(geometry, where=where), frame, where=where)
    return None if box is None else Outline(box)


def _bounds(geometry: Any, *, where: str) -> Sequence[float]:
    """Give the bounds of a geometry of any GeoJSON type, in its own coordinates."""
    cols: list[float] = []
    rows: list[float] = []
    # a stack and no recursion: the depth is the sender's choice
    rest = [read_mapping(geometry, where=where)]
    while rest:
        shape = rest.pop()
        if shape.get("type") == "GeometryCollection":
            members = read_list(shape.get("geometries"), where=f"{where}.geometries")
            rest.extend(read_mapping(member, where=f"{where}.geometries") for member in members)
            continue
        for col, row in _positions(shape.get("coordinates"), where=f"{where}.coordinates"):
            cols.append(col)
            rows.append(row)
    if not cols:
        raise AnswerError(f"{where}: no positions in {shown(geometry)}")
    return [min(cols), min(rows), max(cols), max(rows)]


def _positions(coordinates: Any, *, where: str) -> list[tuple[float, float]]:
    """Collect the positions of nested arrays, without their heights."""
    positions = []
    rest = [read_list(coordinates, where=where)]
    while rest:
        members = rest.pop()
        if members and not isinstance(members[0], list):
            positions.append(read_position(members, where=where))
        else:
            rest.extend(read_list(member, where=where) for member in members)
    return positions
