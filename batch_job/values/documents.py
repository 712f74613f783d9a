"""What the two indices say of an image and of a label. Fields: ``docs/index-fields.md``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Self

from batch_job.values.image import ImageRef
from batch_job.values.place import Footprint, LonLat


class TimeSource(StrEnum):
    """Where an image's ``time`` comes from."""

    ACQUIRED = auto()
    LAST_MODIFIED = auto()


@dataclass(frozen=True, slots=True)
class ChipCounts:
    """What became of an image's chips."""

    total: int = 0
    sent: int = 0
    blank: int = 0
    rejected: int = 0
    skipped: int = 0
    """Outside the area of interest, so never cut."""

    def to_source(self) -> dict[str, int]:
        """Encode; where nothing was skipped nothing is said of it, as before there were areas of interest."""
        skipped = {"skipped": self.skipped} if self.skipped else {}
        return {"total": self.total, "sent": self.sent, "blank": self.blank, "rejected": self.rejected, **skipped}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDocument:
    """What the images index says of an image, apart from its ledger. None: not known."""

    image: ImageRef
    etag: str
    size: int
    last_modified: str
    """ISO 8601 in UTC, like every time here."""
    time: str
    time_source: TimeSource
    format: str | None = None
    width: int | None = None
    height: int | None = None
    bands: int | None = None
    dtype: str | None = None
    crs: str | None = None
    gsd_m: float | None = None
    georeference: str | None = None
    georeference_from: str | None = None
    georeference_error_m: float | None = None
    georeference_note: str | None = None
    footprint: Footprint | None = None
    center: LonLat | None = None
    labels: tuple[str, ...] = ()
    """Names found, sorted, each once."""
    chips: ChipCounts = ChipCounts()
    engine: str | None = None
    model_version: str | None = None
    cost_usd: float | None = None
    run_id: str | None = None
    indexed_at: str | None = None

    def to_source(self) -> dict[str, Any]:
        """Encode the fields that are known, as the mapping names them."""
        fields: dict[str, Any] = {
            "bucket": self.image.bucket,
            "key": self.image.key,
            "uri": self.image.uri,
            "etag": self.etag,
            "size": self.size,
            "last_modified": self.last_modified,
            "time": self.time,
            "time_source": str(self.time_source),
            "format": self.format,
            "width": self.width,
            "height": self.height,
            "bands": self.bands,
            "dtype": self.dtype,
            "crs": self.crs,
            "gsd_m": self.gsd_m,
            "georeference": self.georeference,
            "georeference_from": self.georeference_from,
            "georeference_error_m": self.georeference_error_m,
            "georeference_note": self.georeference_note,
            "footprint": None if self.footprint is None else self.footprint.to_geojson(),
            "center": _position(self.center),
            "labels": list(self.labels),
            "chips": self.chips.to_source(),
            "engine": self.engine,
            "model_version": self.model_version,
            "cost_usd": self.cost_usd,
            "run_id": self.run_id,
            "indexed_at": self.indexed_at,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_source(cls, source: Mapping[str, Any]) -> Self:
        """Decode what ``to_source`` wrote; other fields are passed over."""
        footprint, center = source.get("footprint"), source.get("center")
        required: dict[str, Any] = {name: source[name] for name in _REQUIRED_AS_THEY_ARE}
        optional: dict[str, Any] = {name: source.get(name) for name in _OPTIONAL_AS_THEY_ARE}
        return cls(
            image=ImageRef(bucket=source["bucket"], key=source["key"]),
            time_source=TimeSource(source["time_source"]),
            footprint=None if footprint is None else Footprint.from_geojson(footprint),
            center=None if center is None else LonLat(lon=center["lon"], lat=center["lat"]),
            labels=tuple(source["labels"]),
            chips=ChipCounts(**source["chips"]),
            **required,
            **optional,
        )


_REQUIRED_AS_THEY_ARE = ("etag", "size", "last_modified", "time")
_OPTIONAL_AS_THEY_ARE = (
    *("format", "width", "height", "bands", "dtype", "crs", "gsd_m", "georeference"),
    *("georeference_from", "georeference_error_m", "georeference_note"),
    *("engine", "model_version", "cost_usd", "run_id", "indexed_at"),
)


def _position(position: LonLat | None) -> dict[str, float] | None:
    return None if position is None else {"lon": position.lon, "lat": position.lat}


def label_id(image: ImageRef, *, epoch: int, ordinal: int) -> str:
    """Name a label, 32 hex digits: writing it twice overwrites, and two claims never collide."""
    facts = (image.bucket, image.key, str(epoch), str(ordinal))
    return hashlib.sha256("\x1f".join(facts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDocument:
    """One detection, flat, because Dashboards cannot draw ``nested`` fields."""

    image: ImageRef
    epoch: int
    ordinal: int
    label: str
    terms: tuple[str, ...]
    categories: tuple[str, ...]
    kind: str
    confidence: float
    pixel_box: tuple[float, float, float, float]
    """min_col, min_row, max_col, max_row, px."""
    geometry: Footprint | None
    center: LonLat | None
    area_m2: float | None
    length_m: float | None
    chips: int
    """How many chips saw it."""
    touches_edge: bool
    etag: str
    time: str
    time_source: TimeSource
    model_version: str | None = None
    width_m: float | None = None
    pixel_ring: tuple[tuple[float, float], ...] | None = None
    """(col, row) of the points of an object that is no upright box, px; the first is not repeated."""

    @property
    def id(self) -> str:
        """The document's ``_id``, also kept as a field to page by."""
        return label_id(self.image, epoch=self.epoch, ordinal=self.ordinal)

    def to_source(self) -> dict[str, Any]:
        """Encode the fields that are known, as the mapping names them."""
        fields: dict[str, Any] = {
            "id": self.id,
            "image_id": self.image.id,
            "bucket": self.image.bucket,
            "key": self.image.key,
            "uri": self.image.uri,
            "epoch": self.epoch,
            "ordinal": self.ordinal,
            "label": self.label,
            "terms": list(self.terms),
            "categories": list(self.categories),
            "kind": self.kind,
            "confidence": self.confidence,
            "pixel_box": list(self.pixel_box),
            "pixel_ring": None if self.pixel_ring is None else [list(point) for point in self.pixel_ring],
            "geometry": None if self.geometry is None else self.geometry.to_geojson(),
            "center": _position(self.center),
            "area_m2": self.area_m2,
            "length_m": self.length_m,
            "width_m": self.width_m,
            "chips": self.chips,
            "touches_edge": self.touches_edge,
            "etag": self.etag,
            "time": self.time,
            "time_source": str(self.time_source),
            "model_version": self.model_version,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_source(cls, source: Mapping[str, Any]) -> Self:
        """Decode what ``to_source`` wrote."""
        geometry, center, ring = source.get("geometry"), source.get("center"), source.get("pixel_ring")
        min_col, min_row, max_col, max_row = source["pixel_box"]
        return cls(
            image=ImageRef(bucket=source["bucket"], key=source["key"]),
            terms=tuple(source["terms"]),
            categories=tuple(source["categories"]),
            pixel_box=(min_col, min_row, max_col, max_row),
            pixel_ring=None if ring is None else tuple((float(col), float(row)) for col, row in ring),
            geometry=None if geometry is None else Footprint.from_geojson(geometry),
            center=None if center is None else LonLat(lon=center["lon"], lat=center["lat"]),
            area_m2=source.get("area_m2"),
            length_m=source.get("length_m"),
            width_m=source.get("width_m"),
            time_source=TimeSource(source["time_source"]),
            model_version=source.get("model_version"),
            **{name: source[name] for name in _LABEL_FIELDS_AS_THEY_ARE},
        )


_LABEL_FIELDS_AS_THEY_ARE = (
    *("epoch", "ordinal", "label", "kind", "confidence", "chips", "touches_edge", "etag", "time"),
)
