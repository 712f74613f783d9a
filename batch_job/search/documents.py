"""From features to the documents of the two indices."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_job.place.footprints import ImagePlace
from batch_job.values.documents import ChipCounts, ImageDocument, LabelDocument, TimeSource
from batch_job.values.image import ImageRef
from batch_job.values.objects import ObjectFacts
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Feature, ImageDetection

PIXEL_DIGITS = 2
"""Decimals kept of pixel coordinates and metres: finer than any detector is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the stages learnt of an image beside its features."""

    raster: RasterFacts
    place: ImagePlace
    chips: ChipCounts
    engine: str
    model_version: str
    cost_usd: float | None
    run_id: str | None
    indexed_at: str


def image_document(
    image: ImageRef, facts: ObjectFacts, inspection: Inspection, features: Sequence[Feature]
) -> ImageDocument:
    """Describe an image that went through all stages."""
    raster, place = inspection.raster, inspection.place
    time, time_source = _time(facts, raster)
    return ImageDocument(
        image=image,
        etag=facts.etag,
        size=facts.size,
        last_modified=facts.last_modified,
        time=time,
        time_source=time_source,
        format=raster.driver,
        width=raster.width,
        height=raster.height,
        bands=raster.bands,
        dtype=raster.dtypes[0],
        crs=place.crs,
        gsd_m=place.gsd_m,
        georeference=str(place.georeferencing),
        georeference_from=place.origin,
        georeference_error_m=_rounded(place.error_m),
        georeference_note=place.note,
        footprint=place.footprint,
        center=place.center,
        labels=tuple(sorted({feature.detection.label.name for feature in features})),
        chips=inspection.chips,
        engine=inspection.engine,
        model_version=inspection.model_version or None,
        cost_usd=inspection.cost_usd,
        run_id=inspection.run_id,
        indexed_at=inspection.indexed_at,
    )


def label_documents(described: ImageDocument, features: Sequence[Feature], *, epoch: int) -> list[LabelDocument]:
    """Make one document per feature; its ordinal is its place in ``features``."""
    return [_label_document(described, feature, epoch=epoch, ordinal=n) for n, feature in enumerate(features)]


def _label_document(described: ImageDocument, feature: Feature, *, epoch: int, ordinal: int) -> LabelDocument:
    found = feature.detection
    box = (found.box.min_col, found.box.min_row, found.box.max_col, found.box.max_row)
    min_col, min_row, max_col, max_row = (round(value, PIXEL_DIGITS) for value in box)
    return LabelDocument(
        image=described.image,
        epoch=epoch,
        ordinal=ordinal,
        label=found.label.name,
        terms=found.label.terms,
        categories=found.label.categories,
        kind=str(found.kind),
        confidence=round(found.confidence, PIXEL_DIGITS),
        pixel_box=(min_col, min_row, max_col, max_row),
        pixel_ring=_ring(found),
        geometry=feature.footprint,
        center=feature.center,
        area_m2=_rounded(feature.area_m2),
        length_m=_rounded(feature.length_m),
        width_m=_rounded(feature.width_m),
        chips=len(found.windows),
        touches_edge=found.touches_edge,
        etag=described.etag,
        time=described.time,
        time_source=described.time_source,
        model_version=described.model_version,
    )


def _ring(found: ImageDetection) -> tuple[tuple[float, float], ...] | None:
    if found.shape is None:
        return None
    return tuple((round(col, PIXEL_DIGITS), round(row, PIXEL_DIGITS)) for col, row in found.shape.points)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, PIXEL_DIGITS)


def _time(facts: ObjectFacts, raster: RasterFacts) -> tuple[str, TimeSource]:
    if raster.acquired is not None:
        return raster.acquired, TimeSource.ACQUIRED
    return facts.last_modified, TimeSource.LAST_MODIFIED
