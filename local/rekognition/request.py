"""Reading a DetectLabels request as strictly as the service does.

Constraints are those of the service's model (botocore carries it); a wrong type is a SerializationException, a value
outside its range a ValidationException, and what only the service knows an InvalidParameterException.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from local.rekognition.faults import bad_json, bad_parameters, bad_value
from local.rekognition.labels import CATEGORIES, TAXA

MAX_INLINE_BYTES = 5_242_880
MAX_LABELS = 1000
DEFAULT_MIN_CONFIDENCE = 55.0
MAX_FILTERS = 100
MAX_FILTER_CHARS = 50
MAX_COLORS = 20
DEFAULT_COLORS = 10
FEATURES = ("GENERAL_LABELS", "IMAGE_PROPERTIES")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class S3Object:
    """Where a picture stands."""

    bucket: str
    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class LabelFilters:
    """Which labels are wanted; an empty inclusion wants all."""

    labels: frozenset[str] = frozenset()
    without_labels: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    without_categories: frozenset[str] = frozenset()

    def let_pass(self, *, name: str, category: str) -> bool:
        """Tell whether a label is wanted."""
        if name in self.without_labels or category in self.without_categories:
            return False
        wanted = bool(self.labels or self.categories)
        return not wanted or name in self.labels or category in self.categories


@dataclass(frozen=True, slots=True)
class DetectLabels:
    """A request that holds."""

    picture: bytes | S3Object = field(repr=False)
    max_labels: int
    min_confidence: float
    features: tuple[str, ...]
    filters: LabelFilters
    max_colors: int


def parse_detect_labels(body: bytes) -> DetectLabels:
    """Read and check a request's body.

    Raises:
        ServiceError: as the service would answer.
    """
    request = _document(body)
    settings = _structure(request, "Settings")
    features = _strings(request, "Features", most=len(FEATURES)) or FEATURES[:1]
    for feature in features:
        if feature not in FEATURES:
            raise bad_value("features", f"Member must satisfy enum value set: [{', '.join(FEATURES)}]")
    colors = _structure(settings, "ImageProperties")
    return DetectLabels(
        picture=_picture(request),
        max_labels=min(MAX_LABELS, int(_number(request, "MaxLabels", default=MAX_LABELS, kind=int))),
        min_confidence=_number(request, "MinConfidence", default=DEFAULT_MIN_CONFIDENCE, most=100),
        features=features,
        filters=_filters(_structure(settings, "GeneralLabels")),
        max_colors=int(_number(colors, "MaxDominantColors", default=DEFAULT_COLORS, most=MAX_COLORS, kind=int)),
    )


def _document(body: bytes) -> Json:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_json(f"not JSON: {error}") from error
    if not isinstance(request, dict):
        raise bad_json("Start of structure or map found where not expected.")
    return request


def _picture(request: Json) -> bytes | S3Object:
    if request.get("Image") is None:
        raise bad_value("image", "Member must not be null")
    image = _structure(request, "Image")
    inline, stored = image.get("Bytes"), image.get("S3Object")
    if (inline is None) == (stored is None):
        raise bad_parameters("exactly one of Bytes and S3Object is needed")
    return _s3_object(_structure(image, "S3Object")) if inline is None else _inline(inline)


def _inline(text: object) -> bytes:
    if not isinstance(text, str):
        raise bad_json("Bytes is not a base64 string")
    try:
        picture = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_json(f"Bytes is not base64: {error}") from error
    if not picture:
        raise bad_value("image.bytes", "Member must have length greater than or equal to 1")
    if len(picture) > MAX_INLINE_BYTES:
        raise bad_value("image.bytes", f"Member must have length less than or equal to {MAX_INLINE_BYTES}")
    return picture


def _s3_object(given: Json) -> S3Object:
    bucket = _text(given, "Bucket", shortest=3, longest=255)
    name = _text(given, "Name", shortest=1, longest=1024)
    version = _text(given, "Version", shortest=1, longest=1024)
    if bucket is None or name is None:
        raise bad_parameters("an S3Object needs Bucket and Name")
    return S3Object(bucket=bucket, name=name, version=version)


def _filters(given: Json) -> LabelFilters:
    filters = LabelFilters(
        labels=frozenset(_strings(given, "LabelInclusionFilters")),
        without_labels=frozenset(_strings(given, "LabelExclusionFilters")),
        categories=frozenset(_strings(given, "LabelCategoryInclusionFilters")),
        without_categories=frozenset(_strings(given, "LabelCategoryExclusionFilters")),
    )
    unknown = (filters.labels | filters.without_labels) - TAXA.keys()
    unknown |= (filters.categories | filters.without_categories) - CATEGORIES
    if unknown:
        raise bad_parameters(f"no such label or category: {', '.join(sorted(unknown))}")
    return filters


def _structure(given: Json, name: str) -> Json:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_json(f"{name} is not a structure")
    return value


def _text(given: Json, name: str, *, shortest: int, longest: int) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad_json(f"{name} is not a string")
    if not shortest <= len(value) <= longest:
        raise bad_value(name, f"Member must have length between {shortest} and {longest}")
    return value


def _strings(given: Json, name: str, *, most: int = MAX_FILTERS) -> tuple[str, ...]:
    values = given.get(name)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad_json(f"{name} is not a list of strings")
    if len(values) > most or any(len(value) > MAX_FILTER_CHARS for value in values):
        raise bad_value(name, f"Member must have at most {most} strings of at most {MAX_FILTER_CHARS} characters")
    return tuple(values)


def _number(
    given: Json, name: str, *, default: float, most: float | None = None, kind: type[int] | type[float] = float
) -> float:
    value = given.get(name)
    if value is None:
        return default
    # a JSON true is no number, though Python's bool is an int
    if isinstance(value, bool) or not isinstance(value, (int, kind)):
        raise bad_json(f"{name} is not a number")
    if value < 0:
        raise bad_value(name, "Member must have value greater than or equal to 0")
    if most is not None and value > most:
        raise bad_value(name, f"Member must have value less than or equal to {most:g}")
    return value
