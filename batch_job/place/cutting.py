"""How an image is cut, where that depends on how large its pixels are on the ground."""

from batch_job.imagery.picture import grid_of
from batch_job.place.footprints import place_image
from batch_job.ports import GroundTransform
from batch_job.settings import PipelineSettings
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipGrid


def grid_on_ground(facts: RasterFacts, settings: PipelineSettings, transform: GroundTransform) -> ChipGrid:
    """Cut an image as the settings say; the size of its pixels is computed only if they ask for one."""
    gsd_m = place_image(facts, transform).gsd_m if settings.target_gsd_m else None
    return grid_of(facts, settings, gsd_m=gsd_m)
