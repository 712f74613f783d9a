"""Documents as GeoJSON features (RFC 7946), for files and other programs."""

from collections.abc import Mapping
from typing import Any

from batch_job.values.documents import ImageDocument, LabelDocument
from batch_job.values.image import ImageRef


def label_feature(label: LabelDocument) -> dict[str, Any]:
    """Make a feature whose properties are the document's fields; no geometry where the image has no place."""
    properties = label.to_source()
    return {"type": "Feature", "id": label.id, "geometry": properties.pop("geometry", None), "properties": properties}


def image_feature(described: ImageDocument) -> dict[str, Any]:
    """Make a feature of kind ``image`` with its footprint and status ``indexed``."""
    properties = described.to_source()
    geometry = properties.pop("footprint", None)
    return _image(described.image, geometry, {**properties, "status": "indexed"})


def failed_image_feature(image: ImageRef, *, code: str, message: str) -> dict[str, Any]:
    """Make a feature of kind ``image`` for one that could not be processed."""
    return _image(image, None, {**_names(image), "status": "failed", "error_code": code, "error": message})


def left_image_feature(image: ImageRef, *, reason: str) -> dict[str, Any]:
    """Make a feature of kind ``image`` for one that a later run must do."""
    return _image(image, None, {**_names(image), "status": "left", "reason": reason})


def _names(image: ImageRef) -> dict[str, str]:
    return {"bucket": image.bucket, "key": image.key, "uri": image.uri}


def _image(image: ImageRef, geometry: Mapping[str, Any] | None, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": image.id, "geometry": geometry, "properties": {"kind": "image", **properties}}
