"""How many calls a run would make, before any is made."""

from collections.abc import Iterable
from dataclasses import dataclass

from batch_job.errors import InputError
from batch_job.imagery.grid import count
from batch_job.imagery.orientation import turned_facts
from batch_job.place.cutting import grid_on_ground
from batch_job.ports import GroundTransform, OpenRaster
from batch_job.settings import PipelineSettings
from batch_job.values.image import ImageRef


@dataclass(frozen=True, slots=True)
class Estimate:
    """An upper bound: blank chips are not sent, and answers in the archive are not bought again."""

    images: int
    unreadable: int
    calls: int


def estimate_calls(
    images: Iterable[tuple[ImageRef, str]],
    open_raster: OpenRaster,
    settings: PipelineSettings,
    transform: GroundTransform,
) -> Estimate:
    """Read the headers of images, given with their ETags, and count their chips."""
    seen = unreadable = calls = 0
    for image, etag in images:
        seen += 1
        try:
            with open_raster(image, etag=etag) as source:
                calls += count(grid_on_ground(turned_facts(source.facts), settings, transform))
        except InputError:
            unreadable += 1
    return Estimate(images=seen, unreadable=unreadable, calls=calls)
