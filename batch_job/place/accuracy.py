"""How far from the truth a place may be, and why there is none."""

from collections.abc import Mapping
from math import hypot, isfinite, sqrt

import numpy as np

from batch_job.place.arrays import Floats
from batch_job.place.control_points import WGS84_ELLIPSOID, left_out_error_m
from batch_job.place.crs import find_earth_crs
from batch_job.place.project import FITS, Ground
from batch_job.ports import GroundTransform
from batch_job.values.place import Georeferencing, Heights
from batch_job.values.raster import RasterFacts

GRID = np.linspace(0, 1, 9)
"""Where along an image's sides it is looked whether a DEM has heights."""
EVENLY_SPREAD = 1 / sqrt(3)
"""Root mean square of what lies anywhere in ±1, as the ground's heights do within RPCs' ``HEIGHT_SCALE``."""


def estimate_error_m(facts: RasterFacts, ground: Ground, transform: GroundTransform, heights: Heights) -> float | None:
    """Estimate how far from the truth a ground places pixels, m; None where nothing tells.

    - an affine transform is taken at its word: what PROJ says of the change of datum, 0 without one;
    - GCPs: the root mean square at points that a fit through the others did not see; nothing for four corners;
    - RPCs: their own ``ERR_BIAS`` and ``ERR_RAND``, and the shift of a ground that is not at the height assumed: as far
      off as a DEM is, or anywhere in the model's range.
    """
    said = facts.georeference
    if ground.by is Georeferencing.AFFINE and said.transform is not None:
        a, b, c, d, e, f = said.transform
        col, row = facts.width / 2, facts.height / 2
        crs = find_earth_crs(said.crs)
        return None if crs is None else crs.error_m(x=a * col + b * row + c, y=d * col + e * row + f)
    if ground.by in FITS:
        return left_out_error_m(ground.asked, transform)
    if ground.by is Georeferencing.RPCS:
        return _rpcs_error_m(ground, facts, transform, heights)
    return None


def heights_under(facts: RasterFacts, ground: Ground, transform: GroundTransform) -> Heights:
    """Tell how well the heights under an image are known that is placed by RPCs; of others there is nothing to tell."""
    if ground.by is not Georeferencing.RPCS:
        return Heights()
    cols, rows = np.meshgrid(facts.width * GRID, facts.height * GRID)
    return transform.heights(ground.asked, cols=cols.ravel(), rows=rows.ravel())


def explain_absence(facts: RasterFacts) -> str:
    """Say why the pixels of an image could not be placed."""
    said = facts.georeference
    if said.gcps or said.rpcs or (said.transform is not None and said.crs is not None):
        crs = said.crs or said.gcps_crs
        unknown = crs is not None and find_earth_crs(crs) is None
        return f"not a CRS of Earth: {crs[:60]}" if crs is not None and unknown else "leads to no place on Earth"
    if said.transform is not None:
        return "a transform without a CRS"
    if said.crs is not None:
        return "a CRS without a transform"
    only = {Georeferencing.EXIF: "only the camera's position is known", Georeferencing.STAC: "only an outline is known"}
    return only.get(said.by, "nothing says where it is")


def _rpcs_error_m(ground: Ground, facts: RasterFacts, transform: GroundTransform, heights: Heights) -> float | None:
    asked, texts = ground.asked, dict(ground.asked.rpcs)
    middle = np.array([facts.width / 2]), np.array([facts.height / 2])
    assumed_m = _number(texts, "HEIGHT_SCALE") * EVENLY_SPREAD
    above_m = assumed_m if heights.error_m is None else heights.error_m
    low = transform.to_lonlat(asked, cols=middle[0], rows=middle[1])
    high = transform.to_lonlat(asked, cols=middle[0], rows=middle[1], above_m=above_m)
    shift_m = _distance_m(low, high)
    error_m = hypot(_number(texts, "ERR_BIAS"), _number(texts, "ERR_RAND"), shift_m)
    return error_m if isfinite(error_m) else None


def _number(texts: Mapping[str, str], name: str) -> float:
    """Read a number; 0 where there is none, or GDAL's -1 for not known."""
    try:
        number = float(texts.get(name, "0").split()[0])
    except (ValueError, IndexError):
        return 0.0
    return max(number, 0.0) if isfinite(number) else 0.0


def _distance_m(start: tuple[Floats, Floats], end: tuple[Floats, Floats]) -> float:
    ends = (*start, *end)
    if not np.isfinite(np.array(ends)).all():
        return float("nan")
    _, _, metres = WGS84_ELLIPSOID.inv(*ends)
    return float(metres[0])
