"""Rational polynomials (RPCs) to the ground, by GDAL's model: at one height, or on the heights of a DEM."""

import threading
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import TransformWarning
from rasterio.io import MemoryFile
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from batch_job.adapters.terrain import Area, Cut, Terrain
from batch_job.values.place import Heights

Floats = NDArray[np.float64]
Texts = Sequence[tuple[str, str]]
"""GDAL's RPC metadata."""

PIXEL_ERROR = 0.001
"""How closely GDAL inverts RPCs, px; its own 0.1 would use up all that a footprint's edge may be off."""
MAX_ITERATIONS = 200
"""With GDAL's own 10 a strong perspective does not settle so closely, nor with its 20 on a DEM 0.3 % of rolling ground;
with 200 nothing was left."""
LOWEST_M, HIGHEST_M = -500.0, 9000.0
"""Of ground; RPCs may claim any range."""
SAME_DEG = 1e-7
"""1 cm; both are solved to a thousandth of a pixel."""
WIDER = 0.1
"""Of an image's area, on each side: RPCs' own range of heights is not always that of the ground."""
DEM_ERROR_M = 5.0
"""Of a DEM's heights, root mean square: the global ones state 90 % within 4 to 10 m."""
GEOID_ERROR_M = 30.0
"""Of heights above the sea that are taken for heights above the ellipsoid: what lies between the two is 30 m, root mean
square over the Earth, and -107 to 85 m. Most DEMs have such heights."""


class RpcGround:
    """GDAL's RPC model.

    With a DEM, the heights under the image that was asked for last are kept; threads wait for each other. Where the DEM
    has none, or is too steep for the model to settle on it, the ground lies at ``HEIGHT_OFF``, as it does everywhere
    without a DEM.
    """

    def __init__(self, terrain: Terrain | None = None) -> None:
        """Take the DEM."""
        self._terrain = terrain
        self._lock = threading.Lock()
        self._under: tuple[Texts, Area] | None = None
        self._cut = Cut()

    def to_lonlat(self, texts: Texts, cols: Floats, rows: Floats, above_m: float) -> tuple[Floats, Floats]:
        """Place pixels, on a ground ``above_m`` higher than it is taken for. Raises GDAL's errors, and a DEM's."""
        rpcs = _model(texts)
        with self._lock:
            file = self._cut_under(texts, rpcs, cols, rows).file
            lons, lats = np.full(cols.shape, np.nan), np.full(cols.shape, np.nan)
            if file is not None:
                lons, lats = _on_dem(rpcs, cols, rows, above_m, file=file, missing=rpcs.height_off)
        off = ~np.isfinite(lons)
        lons[off], lats[off] = _at_height(rpcs, cols[off], rows[off], rpcs.height_off + above_m)
        return lons, lats

    def heights(self, texts: Texts, cols: Floats, rows: Floats) -> Heights:
        """Tell how well the heights under pixels are known. Raises as ``to_lonlat``."""
        if self._terrain is None:
            return Heights()
        rpcs = _model(texts)
        with self._lock:
            cut = self._cut_under(texts, rpcs, cols, rows)
            if cut.file is None:
                return Heights(note=cut.note)
            # a pixel whose place depends on what stands in for heights that are missing is on none of the DEM's
            lons, others = (
                _on_dem(rpcs, cols, rows, 0.0, file=cut.file, missing=rpcs.height_off + more)[0] for more in (0, 100)
            )
        share = float((np.abs(lons - others) < SAME_DEG).mean())
        if share < 1:
            return Heights(note=f"the DEM has no heights under {1 - share:.0%} of it")
        return Heights(error_m=DEM_ERROR_M if cut.above_ellipsoid else float(np.hypot(DEM_ERROR_M, GEOID_ERROR_M)))

    def _cut_under(self, texts: Texts, rpcs: RPC, cols: Floats, rows: Floats) -> Cut:
        """Give the heights under an image, read once for all that is asked of its pixels."""
        if self._terrain is None:
            return self._cut
        area = _area(rpcs, cols, rows)
        if area is None:
            return Cut(note="its coefficients lead to no place where a DEM could be looked into")
        if self._under is None or self._under[0] != texts or not self._under[1].holds(area):
            wide = area.widened(WIDER)
            self._cut.close()
            self._under, self._cut = None, Cut()
            self._cut = self._terrain.cut(wide)
            self._under = texts, wide
        return self._cut


def _model(texts: Texts) -> RPC:
    # what says how good they are places nothing, and must not spoil them where it is no number
    return RPC.from_gdal({name: text for name, text in texts if not name.startswith("ERR_")})


def _area(rpcs: RPC, cols: Floats, rows: Floats) -> Area | None:
    """Give the area that pixels may lie in, whatever height the ground has within the model's range."""
    if not cols.size:
        return None
    low, high = np.clip(rpcs.height_off + np.array([-1, 1]) * rpcs.height_scale, LOWEST_M, HIGHEST_M)
    sides = np.meshgrid(np.linspace(cols.min(), cols.max(), 3), np.linspace(rows.min(), rows.max(), 3))
    cols, rows = (side.ravel() for side in sides)
    places = [_at_height(rpcs, cols, rows, height) for height in (low, rpcs.height_off, high)]
    lons, lats = np.concatenate([lons for lons, _ in places]), np.concatenate([lats for _, lats in places])
    if not (np.isfinite(lons).all() and np.isfinite(lats).all()):
        return None
    return Area(float(lons.min()), float(lats.min()), float(lons.max()), float(lats.max()))


def _on_dem(
    rpcs: RPC, cols: Floats, rows: Floats, above_m: float, *, file: MemoryFile, missing: float
) -> tuple[Floats, Floats]:
    # with a DEM, GDAL adds its heights to those that are asked for; without a value for missing ones it takes 0
    return _at_height(rpcs, cols, rows, above_m, RPC_DEM=file.name, RPC_DEM_MISSING_VALUE=missing)


def _at_height(rpcs: RPC, cols: Floats, rows: Floats, height: float, **options: str | float) -> tuple[Floats, Floats]:
    heights = np.full(cols.shape, height)
    limits = {"RPC_PIXEL_ERROR_THRESHOLD": PIXEL_ERROR, "RPC_MAX_ITERATIONS": MAX_ITERATIONS}
    with warnings.catch_warnings(), RPCTransformer(rpcs, **limits, **options) as model:
        # of points without an answer, which the caller sees anyway
        warnings.simplefilter("ignore", TransformWarning)
        lons, lats = model.xy(rows, cols, zs=heights, offset="ul")
    return np.asarray(lons), np.asarray(lats)
