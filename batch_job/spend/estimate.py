"""How many calls a run would make, before any is made."""

from collections.abc import Iterable
from dataclasses import dataclass

from batch_job.errors import InputError
from batch_job.imagery.chosen import Chosen
from batch_job.imagery.orientation import turned_facts
from batch_job.place.areas import AreaOfInterest
from batch_job.place.cutting import grid_on_ground
from batch_job.ports import GroundTransform, OpenRaster
from batch_job.settings import PipelineSettings
from batch_job.values.image import ImageRef
from batch_job.values.raster import RasterFacts


@dataclass(frozen=True, slots=True)
class Estimate:
    """An upper bound: blank chips are not sent, and answers in the archive are not bought again."""

    images: int
    unreadable: int
    calls: int
    skipped: int = 0
    """Chips outside the area of interest."""


def estimate_calls(
    images: Iterable[tuple[ImageRef, str]],
    open_raster: OpenRaster,
    settings: PipelineSettings,
    transform: GroundTransform,
    area: AreaOfInterest | None = None,
) -> Estimate:
    """Read the headers of images, given with their ETags, and count their chips; place, where beside, is not read."""
    seen = unreadable = calls = skipped = 0
    for image, etag in images:
        seen += 1
        try:
            with open_raster(image, etag=etag) as source:
                chosen = _chosen(image, turned_facts(source.facts), settings, transform, area)
                calls, skipped = calls + chosen.count, skipped + chosen.skipped
        except InputError:
            unreadable += 1
    return Estimate(images=seen, unreadable=unreadable, calls=calls, skipped=skipped)


def _chosen(
    image: ImageRef,
    facts: RasterFacts,
    settings: PipelineSettings,
    transform: GroundTransform,
    area: AreaOfInterest | None,
) -> Chosen:
    grid = grid_on_ground(facts, settings, transform)
    return Chosen(grid) if area is None else area.choose(image, grid, facts, transform)
